"""Which budgets of the settings a client sees over a job: those that the store's scripts charge it to."""

from __future__ import annotations

import pytest

from homa.submit.affordability import check_affordable
from homa.submit.budgets import budget_over, check_bounded
from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options
from homa.submit.template import Template
from homa_shared.model.errors import BudgetExceeded, InvalidRequest
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import Budget

ALL = Budget(cap_usd=1)


@pytest.mark.parametrize(
    ("budget", "tenant", "tags", "applies"),
    [
        (ALL, "", "", True),
        (Budget(cap_usd=1, scope="tenant"), "acme", "", True),
        (Budget(cap_usd=1, scope="tenant"), "", "", True),
        (Budget(cap_usd=1, scope="tenant", tenant="acme"), "acme", "", True),
        (Budget(cap_usd=1, scope="tenant", tenant="acme"), "other", "", False),
        (Budget(cap_usd=1, scope="tag", tag="team"), "", "team=a\nkind=b", True),
        (Budget(cap_usd=1, scope="tag", tag="team"), "", "kind=b", False),
        (Budget(cap_usd=1, scope="tag", tag="team=a"), "", "team=a", True),
        (Budget(cap_usd=1, scope="tag", tag="team=a"), "", "team=ab", False),
    ],
)
def test_a_budget_applies_by_its_scope(budget: Budget, tenant: str, tags: str, applies: bool) -> None:
    assert budget_over(Fleet(budgets={"monthly": budget}), tenant, tags) == ("monthly" if applies else "")


def template() -> Template:
    fleet = Fleet(providers={"openai": FleetProvider(kind="openai")})
    return Template(FleetView(fleet), check_options({"model": "openai:gpt-6-luna"}))


def test_without_a_budget_nothing_is_refused() -> None:
    check_bounded("file_id names a file")
    check_bounded("", fleet_budget="monthly", own=True)
    check_affordable(template(), None, None, None)


def test_what_is_refused_names_the_budget_and_what_has_no_bound() -> None:
    with pytest.raises(InvalidRequest, match=r"the budget 'monthly' applies, and .* cannot be told: file_id"):
        check_bounded("file_id names a file", fleet_budget="monthly")
    with pytest.raises(BudgetExceeded, match="one call of openai:gpt-6-luna may cost"):
        check_affordable(template(), 2_000_000_000, 1_000_000_000)
