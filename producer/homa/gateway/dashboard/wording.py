"""Amounts and times as pages show them; all times are UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

from homa_shared.model.money import NANO_PER_USD

#: Units of time, ms; two of them together tell enough.
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))
_DAY_MS = 86_400_000


def money(nano_usd: int | None, *, at_most: bool = False) -> str:
    """Nano-dollars for people: cents from a dollar on, below that three digits that say something.

    Args:
        nano_usd: None is an unknown amount.
        at_most: it is a bound: what is left out is rounded up.
    """
    if nano_usd is None:
        return "–"
    amount = Decimal(abs(nano_usd)) / NANO_PER_USD
    digits = 2 if amount >= 1 or not amount else min(9, max(2, 2 - amount.adjusted()))
    rounded = amount.quantize(Decimal(1).scaleb(-digits), ROUND_CEILING if at_most else ROUND_HALF_EVEN)
    return f"{'-' if nano_usd < 0 else ''}${rounded:,}"


def took(ms: float | None) -> str:
    """A length of time: `350 ms`, `3.2 s`, `5 min 30 s`, `9 h 27 min`."""
    if ms is None:
        return "–"
    if ms < 1000:
        return f"{round(ms)} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s" if ms < 10_000 else f"{round(ms / 1000)} s"
    place = next(i for i, (size, _) in enumerate(_UNITS) if ms >= size)
    (size, name), (smaller, its) = _UNITS[place], _UNITS[place + 1]
    whole, rest = divmod(round(ms / smaller), size // smaller)
    return f"{whole} {name} {rest} {its}" if rest else f"{whole} {name}"


def precise(ms: float | None) -> str:
    """A length of time in seconds, to the ms."""
    return "–" if ms is None else f"{ms / 1000:.3f} s"


def clock(at_ms: int | None, now_ms: int) -> str:
    """A time of the store: `14:32:09` within twelve hours, else with its day."""
    if not at_ms:
        return "–"
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    if abs(now_ms - at_ms) < _DAY_MS // 2:
        return f"{moment:%H:%M:%S}"
    return f"{moment.day} {moment:%b %H:%M}" + ("" if abs(now_ms - at_ms) < 300 * _DAY_MS else f" {moment:%Y}")


def iso(at_ms: int | None) -> str:
    """The same for programs."""
    return datetime.fromtimestamp((at_ms or 0) / 1000, UTC).isoformat(timespec="milliseconds")


def many(count: int | None) -> str:
    """A count with thousands apart."""
    return "–" if count is None else f"{count:,}"


def roughly(count: int) -> str:
    """A count in little room: `24,616`, `1.06 M`."""
    return f"{count / 1e6:.2f} M" if count >= 1_000_000 else f"{count:,}"


def percent(part: float, whole: float) -> str:
    """A share: `63 %`, `0.4 %`."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.1f} %"


def jobs(count: int) -> str:
    return f"{count:,} job" + ("" if count == 1 else "s")
