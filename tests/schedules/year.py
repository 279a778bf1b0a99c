"""When cron's users expect a line to fire, told by another calendar than the product's: minute by minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

Fits = Callable[[datetime], bool]


def real_time(zone: str, begin: datetime, end: datetime, fits: Fits) -> list[int]:
    """Of a line with `*` for minutes or hours: each minute that a clock on the wall shows, as often as it shows it."""
    return [_ms(minute) for minute, local in _minutes(zone, begin, end) if fits(local)]


def wall_time(zone: str, begin: datetime, end: datetime, hour: int, minute: int) -> list[int]:
    """Of a fixed time: once a day; the first time of two, and just behind it where the clock leaves it out."""
    found: dict[object, int] = {}
    for moment, local in _minutes(zone, begin, end):
        if (local.hour, local.minute) >= (hour, minute):
            found.setdefault(local.date(), _ms(moment))
    return sorted(found.values())


def _minutes(zone: str, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    tzinfo, moment = ZoneInfo(zone), begin
    while moment <= end:
        yield moment, moment.astimezone(tzinfo)
        moment += timedelta(minutes=1)


def _ms(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp()) * 1000
