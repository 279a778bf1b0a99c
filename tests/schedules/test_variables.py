"""Variables of a schedule's request: checked for good when it is made, never a reason to stop behind that."""

from __future__ import annotations

import pytest

from homa_shared.model.errors import InvalidRequest
from homa_shared.schedules.variables import at_most, holes_in, values_at
from tests.schedules.stand import ms

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    "form",
    [
        "%A, %d %B %Y at %H:%M:%S %Z %z",  # 48 letters at most, but for a Wednesday in September
        "%A %A %A %A %A %-d",
        "%A, %A, %A, %A, %-d of %B",
    ],
)
def test_a_format_that_some_day_makes_too_long_is_refused_when_it_is_made(form: str) -> None:
    with pytest.raises(InvalidRequest, match=r"makes .*: expected a format of at most 48 ASCII characters"):
        holes_in("{{tick:" + form + "}}", BERLIN)


def test_the_longest_text_is_what_is_reckoned() -> None:
    hole = "{{tick:%A, %d %B %Y at %H:%M}}"
    assert holes_in(hole, BERLIN) == [hole]
    reckoned = at_most(hole, [hole], BERLIN)
    for day in range(1, 31):
        (value,) = values_at([hole], tick=ms(2026, 9, day), since=0, zone=BERLIN)
        assert len(value) <= len(reckoned)


def test_what_was_made_is_never_refused_behind_that() -> None:
    (value,) = values_at(["{{tick:%A %A %A %A %A %A}}"], tick=ms(2026, 9, 30), since=0, zone=BERLIN)
    assert value == " ".join(["Wednesday"] * 6)
