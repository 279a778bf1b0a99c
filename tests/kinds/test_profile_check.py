"""Which values fit the types that records declare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from homa_shared.kinds import profile_check
from homa_shared.kinds.profile import KindProfile, MediaLimits, Quota, Variable


@dataclass(frozen=True)
class Part:
    share: float = 0.5


@dataclass(frozen=True)
class Record:
    count: int = 1
    share: float = 0.5
    name: str | None = None
    pair: tuple[str, int] = ("a", 1)
    many: tuple[str, ...] = ()
    parts: Mapping[str, Part] = field(default_factory=dict)
    work: Callable[[str], str] = str


@pytest.mark.parametrize(
    ("field_name", "value", "said"),
    [
        ("count", 2, None),
        ("count", True, "count is True; expected int"),
        ("share", 1, None),
        ("share", "1", "share is '1'; expected float"),
        ("name", "x", None),
        ("name", 5, "name is 5; expected str or None"),
        ("pair", ("b", 2), None),
        ("pair", ("b", "2"), "pair is ('b', '2'); expected tuple of str, int"),
        ("pair", ("b",), "pair is ('b',); expected tuple of str, int"),
        ("many", ("b", "c"), None),
        ("many", ["b"], "many is ['b']; expected tuple of str"),
        ("parts", {"x": Part(share="y")}, "parts['x'].share is 'y'; expected float"),  # type: ignore[arg-type]
        ("parts", {"x": 5}, "parts is {'x': 5}; expected Mapping of str, Part"),
        ("work", len, None),
        ("work", 5, "work is 5; expected a function"),
    ],
)
def test_the_first_value_that_does_not_fit_is_told_with_its_type(
    field_name: str, value: object, said: str | None
) -> None:
    record = replace(Record(), **{field_name: value})  # type: ignore[arg-type]
    assert next(profile_check._faults(record, ""), None) == said


@pytest.mark.parametrize("zone", ["Mars", "", "../etc/passwd", "/etc/localtime"])
def test_a_zone_must_be_one_of_ianas(zone: str) -> None:
    said = profile_check.fault(KindProfile("mine", adapter="a:b", quota=Quota(day_zone=zone)))
    assert said == f"quota.day_zone is {zone!r}; expected an IANA time zone such as UTC or America/Los_Angeles"


def test_parts_of_parts_are_looked_at() -> None:
    unsound = KindProfile("mine", adapter="a:b", media=MediaLimits(image_bytes="10 MB"))  # type: ignore[arg-type]
    assert profile_check.fault(unsound) == "media.image_bytes is '10 MB'; expected int or None"
    assert profile_check.fault(KindProfile("mine", adapter="a:b")) is None
    assert next(profile_check._faults(Variable(("A",)), ""), None) is None
