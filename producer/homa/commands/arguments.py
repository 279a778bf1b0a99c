"""Kinds of arguments that several commands take: dollars, lengths of time, days."""

from __future__ import annotations

import re
from datetime import date

import click

from homa_shared.money import parse_usd

_UNIT_MS = {"s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def dollars_argument(text: str) -> int:
    """Nano-dollars of a decimal number of dollars."""
    try:
        return parse_usd(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def span_argument(text: str) -> int:
    """Milliseconds of a length of time such as 90s, 15min, 12h or 7d."""
    match = re.fullmatch(r"(\d+)\s*(s|m|min|h|d)", text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no length of time: expected one such as 90s, 15min, 12h or 7d")
    return int(match[1]) * _UNIT_MS[match[2]]


def day_argument(text: str) -> date:
    """The day of YYYY-MM-DD; no other of ISO's spellings, such as 2026W05, which are rather slips than days."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is None:
            raise ValueError("not of that form")
        return date.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no day ({error}): expected YYYY-MM-DD") from None
