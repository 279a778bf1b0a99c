"""One table of what providers count: settings, plans and scripts go by its rows."""

from __future__ import annotations

from homa_shared.model.limits import CONFIGURED, DAILY, DIMENSIONS, SCOPE_FIELDS, Limits
from homa_shared.model.record_fields import by_short
from homa_shared.model.tokens import QuotaUse, Tokens
from homa_shared.quota.plan import plan
from homa_shared.quota.plan_rows import plan_row
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import LimitSettings

EVERY = {dimension.name: number for number, dimension in enumerate((*DIMENSIONS, *DAILY), start=1)}


def test_every_dimension_has_its_limit_and_its_setting() -> None:
    assert Limits().by_name().keys() == EVERY.keys()
    assert LimitSettings(**EVERY).quota == Limits(**EVERY)
    assert not Limits().any
    assert all(Limits(**{name: 1}).any for name in EVERY)


def test_what_a_limit_does_not_say_the_wider_one_does() -> None:
    assert Limits(rpm=9).over(Limits(**EVERY)) == Limits(**(EVERY | {"rpm": 9}))


def test_a_plan_tells_the_store_every_dimension() -> None:
    fleet = Fleet(providers={"openai": FleetProvider(kind="openai", limits=LimitSettings(**EVERY))})
    told = plan_row(plan(fleet, fleet.resolve("openai:m")[0]))["quota_limits"]
    assert told.keys() == set(CONFIGURED)
    assert {told[dimension.limit] for dimension in (*DIMENSIONS, *DAILY)} == set(EVERY.values())


def test_fields_of_a_scope_are_told_apart() -> None:
    assert len(set(SCOPE_FIELDS)) == len(SCOPE_FIELDS)


def test_what_a_call_takes_is_in_its_record_and_in_its_report() -> None:
    counted = [by_short()[dimension.record].name for dimension in DIMENSIONS if dimension.record]
    assert counted == [f"{name}_tokens" for name in Tokens._fields]
    assert len(QuotaUse._fields) == len(DIMENSIONS)
