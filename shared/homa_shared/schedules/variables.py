"""What of a schedule's request follows the tick: `{{tick}}`, `{{since}}`, `{{until}}`.

`{{tick}}` and `{{until}}` are the tick; `{{since}}` is the tick of the run before (of the first run: when the schedule
was made), so that a run does what came between the two. Each is ISO 8601 in the schedule's zone, or what a strftime
format behind a colon makes of it: `{{tick:%Y-%m-%d}}`. They are replaced literally, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from homa_shared.model.errors import InvalidRequest
from homa_shared.schedules.timing import moment_in

#: A format may hold nothing that JSON writes otherwise: the store replaces it in an encoded request.
_HOLE = re.compile(r"\{\{(tick|since|until)(?::([ !#-\[\]-z|~]{1,40}))?\}\}")
#: What looks like a variable: a name in two braces.
_ALMOST = re.compile(r"\{\{\s*[A-Za-z_][^{}]{0,60}\}\}")
#: Bytes that a moment takes in a prompt at most.
_LONGEST = 48


def holes_in(text: str, zone: str, *, others: bool = False) -> list[str]:
    """The variables of a text as they are written, each once.

    Args:
        zone: IANA name of the zone in which moments are told.
        others: the text has variables that somebody else replaces, such as fields of rows.

    Raises:
        InvalidRequest: one is written in a way that nothing would replace, or its format makes too long a text on some
            day of the year.
    """
    found = list(dict.fromkeys(match[0] for match in _HOLE.finditer(text)))
    almost = () if others else _ALMOST.finditer(text)
    if wrong := next((match[0] for match in almost if match[0] not in found), None):
        raise InvalidRequest(
            f"{wrong!r} is no variable of a schedule: expected {{{{tick}}}}, {{{{since}}}} or {{{{until}}}}, "
            "or with a format such as {{tick:%Y-%m-%d}}, of printable ASCII without quotes and braces; "
            "text that is meant literally takes a blank between its braces"
        )
    for hole in found:
        _check(hole, zone)
    return found


def values_at(holes: Sequence[str], *, tick: int, since: int, zone: str) -> list[str]:
    """What variables stand for at a tick, in their order.

    Args:
        tick, since: ms since 1970.
    """
    moments = {"tick": tick, "since": since, "until": tick}
    return [_moment(hole, moments, zone) for hole in holes]


def filled(text: str, holes: Sequence[str], values: Sequence[str]) -> str:
    """A text with its variables replaced."""
    by_hole = dict(zip(holes, values, strict=True))
    return _HOLE.sub(lambda match: by_hole.get(match[0], match[0]), text)


def at_most(value: Any, holes: Sequence[str], zone: str) -> Any:
    """A JSON value whose variables are replaced by texts no shorter than any that they will stand for.

    Bounds and tokens are reckoned of it.
    """
    return _mapped(value, holes, [_longest(hole, zone).ljust(_LONGEST, "0") for hole in holes])


def _mapped(value: Any, holes: Sequence[str], values: Sequence[str]) -> Any:
    if isinstance(value, str):
        return filled(value, holes, values)
    if isinstance(value, Mapping):
        return {key: _mapped(item, holes, values) for key, item in value.items()}
    return [_mapped(item, holes, values) for item in value] if isinstance(value, list | tuple) else value


def _moment(hole: str, moments: Mapping[str, int], zone: str) -> str:
    match = _HOLE.fullmatch(hole)
    assert match is not None, hole
    name, form = match[1], match[2]
    if form is None:
        return moment_in(moments[name], zone)
    return datetime.fromtimestamp(moments[name] // 1000, ZoneInfo(zone)).strftime(form)


def _check(hole: str, zone: str) -> None:
    for made in _year_of(hole, zone):
        if len(made) > _LONGEST or not made.isascii() or not made.isprintable() or '"' in made or "\\" in made:
            raise InvalidRequest(
                f"{hole!r} makes {made!r:.80}: expected a format of at most {_LONGEST} ASCII characters"
            )


@lru_cache(maxsize=100)
def _longest(hole: str, zone: str) -> str:
    return max(_year_of(hole, zone), key=len)


def _year_of(hole: str, zone: str) -> Iterator[str]:
    """What a variable makes of each day of a year: every weekday in every month, and all names that its zone has.

    A second before midnight, since hours and minutes may be told without their zeros.
    """
    match = _HOLE.fullmatch(hole)
    assert match is not None, hole
    day = datetime(2028, 1, 1, 23, 59, 59, tzinfo=ZoneInfo(zone))
    for number in range(366):
        moment = day + timedelta(days=number)
        yield moment.isoformat() if match[2] is None else moment.strftime(match[2])
