"""When a schedule fires: by a cron line in a zone, at an interval, or once.

A *tick* is a moment in ms since 1970 at which a schedule's work is due by its definition. Ticks of one schedule are
strictly ascending whatever the clocks of its zone do. Cron lines follow Debian's cron where clocks change, as cronsim
has it: a fixed time that the clock leaves out fires right behind the gap, one that it repeats fires the first time, and
lines with `*` for minute or hour go by elapsed time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, Protocol
from zoneinfo import ZoneInfo, available_timezones

import orjson
from cronsim import CronSim, CronSimError

from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import nearest

#: Shortest interval, ms.
LEAST_EVERY_MS = 1000
#: Longest interval, and longest jitter, ms: a hundred years; what a moment can be.
_MOST_MS = 100 * 365 * 86_400_000


class Timing(Protocol):
    """When a schedule fires."""

    @property
    def zone(self) -> str:
        """IANA name of the zone in which its ticks are shown."""

    def after(self, moment_ms: int) -> int | None:
        """The first tick later than a moment; None where there is none any more."""

    def latest(self, moment_ms: int, since_ms: int) -> int | None:
        """The last tick at or before a moment and later than `since_ms`; None where there is none between them."""

    def row(self) -> dict[str, Any]:
        """As the store keeps it."""

    def words(self) -> str:
        """For people."""


@dataclass(frozen=True)
class Cron:
    """By a cron line of five fields (six: seconds first)."""

    line: str
    zone: str = "UTC"

    @cached_property
    def _tzinfo(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def after(self, moment_ms: int) -> int | None:
        # Of a fixed time that the clock repeats cronsim tells the first one, which may lie before the moment.
        return next((tick for tick in self._from(moment_ms) if tick > moment_ms), None)

    def latest(self, moment_ms: int, since_ms: int) -> int | None:
        # A second on, since backwards it begins before where it stands.
        back = CronSim(self.line, datetime.fromtimestamp(moment_ms // 1000 + 1, self._tzinfo), reverse=True)
        try:
            found = _ms(next(back))
            while found > moment_ms:
                found = _ms(next(back))
        except (StopIteration, RuntimeError):
            return None
        # Backwards, a moment within a repeated hour is taken for the first of the two: forwards from there decides.
        while (following := self.after(found)) is not None and following <= moment_ms:
            found = following
        return found if found > since_ms else None

    def _from(self, moment_ms: int) -> Iterator[int]:
        found = CronSim(self.line, datetime.fromtimestamp(moment_ms // 1000, self._tzinfo))
        return (_ms(moment) for moment in found)

    def row(self) -> dict[str, Any]:
        return {"cron": self.line, "tz": self.zone}

    def words(self) -> str:
        return f"cron {self.line} {self.zone}"


@dataclass(frozen=True)
class Every:
    """At an interval of elapsed time, counted from an anchor."""

    every_ms: int
    #: ms since 1970.
    anchor_ms: int
    zone: str = "UTC"

    def after(self, moment_ms: int) -> int | None:
        return self.anchor_ms + max(1, (moment_ms - self.anchor_ms) // self.every_ms + 1) * self.every_ms

    def latest(self, moment_ms: int, since_ms: int) -> int | None:
        found = self.anchor_ms + (moment_ms - self.anchor_ms) // self.every_ms * self.every_ms
        return found if found > max(since_ms, self.anchor_ms) else None

    def row(self) -> dict[str, Any]:
        return {"every_ms": self.every_ms, "anchor_ms": self.anchor_ms, "tz": self.zone}

    def words(self) -> str:
        return f"every {span_words(self.every_ms)}"


@dataclass(frozen=True)
class Once:
    """At one moment."""

    at_ms: int
    zone: str = "UTC"

    def after(self, moment_ms: int) -> int | None:
        return self.at_ms if self.at_ms > moment_ms else None

    def latest(self, moment_ms: int, since_ms: int) -> int | None:
        return self.at_ms if since_ms < self.at_ms <= moment_ms else None

    def row(self) -> dict[str, Any]:
        return {"at_ms": self.at_ms, "tz": self.zone}

    def words(self) -> str:
        return f"once at {moment_in(self.at_ms, self.zone)}"


def checked_cron(line: object, tz: str, now_ms: int) -> Cron:
    """A cron line that fires.

    Raises:
        InvalidRequest: it cannot be read, or never fires; or the zone is unknown.
    """
    zone = checked_zone(tz)
    expected = 'expected five fields (minute, hour, day, month, weekday), such as "0 7 * * 1-5"'
    if not isinstance(line, str):
        raise InvalidRequest(f"cron is {line!r:.80}: {expected}")
    timing = Cron(" ".join(line.split()), zone)
    try:
        first = timing.after(now_ms)
    except (CronSimError, RuntimeError) as error:
        # cronsim tells a day that no month has apart from a field that cannot be read only by its words.
        if str(error) == "Bad day-of-month" and _is_impossible_day(timing.line):
            first = None
        else:
            raise InvalidRequest(f"cron is {line!r:.80}: {error}; {expected}") from None
    if first is None:
        raise InvalidRequest(f"cron is {line!r:.80}, which never fires: no such day is in the calendar; {expected}")
    return timing


def _is_impossible_day(line: str) -> bool:
    fields = line.split()
    days = fields[-3]
    try:
        CronSim(" ".join([*fields[:-3], days, "*", "*"]), datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True


def checked_every(every_s: object, now_ms: int, tz: str = "UTC") -> Every:
    """An interval, counted from now.

    Raises:
        InvalidRequest: it is no number of seconds of at least one.
    """
    number = isinstance(every_s, int | float) and not isinstance(every_s, bool)
    if not number or not LEAST_EVERY_MS / 1000 <= every_s <= _MOST_MS / 1000:  # type: ignore[operator]
        raise InvalidRequest(f"every_s is {every_s!r:.80}: expected seconds, 1 or more")
    return Every(round(every_s * 1000), now_ms, checked_zone(tz))  # type: ignore[operator]


def checked_once(at: object, now_ms: int, tz: str = "UTC") -> Once:
    """A moment. One that is past is a schedule's that was made before, or the store refuses it (`past_words`).

    Raises:
        InvalidRequest: it is no moment with a zone, or more than a hundred years away.
    """
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidRequest(f"at is {at!r:.80}: expected a datetime with a time zone")
    at_ms = int(at.timestamp() * 1000)
    if abs(at_ms - now_ms) > _MOST_MS:
        raise InvalidRequest(f"at is {at.isoformat()}: expected a time within a hundred years")
    return Once(at_ms, checked_zone(tz))


def past_words(timing: Timing, now_ms: int) -> str:
    """What is said of a timing without a tick to come."""
    at = f"at is {moment_in(timing.at_ms, 'UTC')}" if isinstance(timing, Once) else timing.words()
    return f"{at}, and the store's clock shows {moment_in(now_ms, 'UTC')}: expected a time to come"


def checked_zone(name: object) -> str:
    """A zone's IANA name.

    Raises:
        InvalidRequest: there is no such zone; the nearest name is told.
    """
    try:
        ZoneInfo(str(name) if isinstance(name, str) and name else "/")
    except (KeyError, OSError, ValueError):
        close = nearest(str(name), available_timezones())
        hint = f"; did you mean {close!r}?" if close else ""
        raise InvalidRequest(
            f"tz is {name!r:.80}: expected an IANA time zone such as UTC or Europe/Berlin{hint}"
        ) from None
    return str(name)


@lru_cache(maxsize=20_000)
def read_timing(row: str | bytes) -> Timing:
    """A timing from what the store keeps of it (`row` as JSON)."""
    told = orjson.loads(row)
    if "cron" in told:
        return Cron(told["cron"], told["tz"])
    if "every_ms" in told:
        return Every(told["every_ms"], told["anchor_ms"], told["tz"])
    return Once(told["at_ms"], told["tz"])


def ticks_between(timing: Timing, since_ms: int, until_ms: int) -> Iterator[int]:
    """Ticks later than `since_ms`, up to `until_ms`, in order."""
    tick = timing.after(since_ms)
    while tick is not None and tick <= until_ms:
        yield tick
        tick = timing.after(tick)


def jitter_of(schedule_id: str, tick: int, most_ms: int) -> int:
    """How long after a tick its work starts, ms: the same whoever asks, evenly spread below `most_ms`."""
    if most_ms <= 0:
        return 0
    return int.from_bytes(sha256(f"{schedule_id}:{tick}".encode()).digest()[:8], "big") % most_ms


def moment_in(moment_ms: int, zone: str) -> str:
    """A moment as ISO 8601 with the zone's offset, to the second: `2026-03-29T03:00:00+02:00`."""
    return datetime.fromtimestamp(moment_ms // 1000, ZoneInfo(zone)).isoformat(timespec="seconds")


_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"))


def span_words(ms: int) -> str:
    """A length of time in its largest whole unit: `90m`, `1d`."""
    for size, unit in _UNITS:
        if ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms / 1000:g}s"


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
