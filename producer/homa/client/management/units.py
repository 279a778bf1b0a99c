"""The store's nano-dollars and ms as Decimal dollars, datetimes in UTC and seconds for applications; and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from homa_shared.model.money import usd

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def usd_of(nano_usd: int) -> Decimal:
    """Nano-dollars as dollars: exact, without zeros that say nothing."""
    return Decimal(usd(nano_usd))


def usd_of_known(nano_usd: int | None) -> Decimal | None:
    return None if nano_usd is None else usd_of(nano_usd)


def nano_of(dollars: Decimal) -> int:
    """Dollars that `usd_of` gave, as nano-dollars again."""
    return int(dollars.scaleb(9))


def time_of(at_ms: int) -> datetime:
    """Milliseconds since 1970 as a time in UTC, exact."""
    return _EPOCH + at_ms * _MS


def time_of_known(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else time_of(at_ms)


def ms_of(at: datetime) -> int:
    """A time as milliseconds since 1970."""
    return (at - _EPOCH) // _MS


def ms_of_known(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)


def seconds_of(ms: int) -> float:
    return ms / 1000


def seconds_of_known(ms: int | None) -> float | None:
    return None if ms is None else seconds_of(ms)


def ms_of_span(seconds: float) -> int:
    """Seconds that `seconds_of` gave, as milliseconds again."""
    return round(seconds * 1000)


def ms_of_known_span(seconds: float | None) -> int | None:
    return None if seconds is None else ms_of_span(seconds)
