"""Amounts, times and counts as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from homa.client.management.units import ms_of, nano_of
from homa_shared.calls.reply import message_text
from homa_shared.model.money import usd

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))


def dollars(amount: Decimal | int | None) -> str:
    """An amount for people: `$0.0123`, empty for none.

    Args:
        amount: dollars as a Decimal, or nano-dollars as an int.
    """
    if amount is None:
        return ""
    nano_usd = nano_of(amount) if isinstance(amount, Decimal) else amount
    return f"${usd(nano_usd)}" if nano_usd >= 0 else f"-${usd(-nano_usd)}"


def moment(at: datetime | int | None) -> str:
    """A time in this machine's zone, to the second; empty for none.

    Args:
        at: a time, or ms since 1970.
    """
    at_ms = ms_of(at) if isinstance(at, datetime) else at
    return "" if not at_ms else datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def age(at: datetime | int | None, now_ms: int) -> str:
    """How long ago a time of the store's clock was."""
    at_ms = ms_of(at) if isinstance(at, datetime) else at
    return "" if not at_ms else span(max(0, now_ms - at_ms))


def span(ms: int | None) -> str:
    """A length of time, in its largest unit: `350 ms`, `12 s`, `3.5 min`."""
    if ms is None:
        return ""
    for size, unit in _UNITS:
        if ms >= size:
            amount = ms / size
            return f"{amount:.1f} {unit}" if amount < 10 and unit != "s" else f"{amount:.0f} {unit}"
    return f"{ms} ms"


def number(amount: int | None) -> str:
    """A count with thousands apart; empty for none."""
    return "" if amount is None else f"{amount:,}"


def one_line(parts: Iterable[str]) -> str:
    """Parts of a sentence with commas between them, on one line; empty ones are left out."""
    return " ".join(", ".join(filter(None, parts)).split())


def shortened(text: str, most: int = 80) -> str:
    """A text on one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def answer_text(reply: Mapping[str, Any] | None) -> str:
    """The answer in a reply as the store keeps it, or what went wrong."""
    if not reply:
        return ""
    return error_text(reply["error"]) if "error" in reply else message_text(reply.get("body") or {})


def answer_name(reply: Mapping[str, Any] | None) -> str:
    """What `answer_text` gives of this reply."""
    return "error" if reply and "error" in reply else "answer"


def error_text(error: Mapping[str, Any]) -> str:
    """What went wrong, of an outcome as the store keeps it: `kind: message`, where the message does not begin so."""
    # What a script ends says its kind in its message, too.
    kind, message = str(error.get("kind", "error")), str(error.get("message") or "")
    if message.startswith(f"{kind}: "):
        return message
    return f"{kind}: {message}" if message else kind
