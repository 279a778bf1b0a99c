"""Budgets that a job stands under, and what is refused for their sake before anything is submitted.

The store is the judge: what it hands out is within all budgets (scripts/lib/budget.lua). What can never be handed out
is refused here, where the caller still learns what to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from homa_shared.model.errors import InvalidRequest

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet
    from homa_shared.settings.sections import Budget


def budget_over(fleet: Fleet, tenant: str, tags: str) -> str:
    """The first budget of the settings that a job stands under; empty: none does.

    Args:
        tags: a line `key=value` each, as records keep them.
    """
    return next((name for name, budget in fleet.budgets.items() if _applies(budget, tenant, tags.splitlines())), "")


def check_bounded(why: str, *, fleet_budget: str = "", own: bool = False) -> None:
    """Refuses a job under a budget where nobody can say what one of its calls costs at most.

    Args:
        why: what of it has no bound, and what to do instead; empty: all has one.
        fleet_budget: the budget of the settings that it stands under; empty: none.
        own: whether the job itself or its batch has a budget.

    Raises:
        InvalidRequest: it has no bound, and a budget applies.
    """
    if why and (own or fleet_budget):
        budget = "budget_usd" if own else f"the budget {fleet_budget!r}"
        raise InvalidRequest(f"{budget} applies, and what a call costs at most cannot be told: {why}")


def _applies(budget: Budget, tenant: str, tags: list[str]) -> bool:
    """As caps_of in scripts/lib/budget.lua."""
    match budget.scope:
        case "tenant":
            return not budget.tenant or budget.tenant == tenant
        case "tag":
            wanted = str(budget.tag)
            return any(tag == wanted or tag.startswith(f"{wanted}=") for tag in tags)
    return True
