"""Values of options as people write them: lengths of time, dollars, days, tags.

`seconds` and `nano_usd` are callbacks of options that may be left out, and want more than nothing; `span_ms`, `dollars`
and `day` are types.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import click

from homa_shared.model.errors import InvalidRequest
from homa_shared.model.example_models import OPENAI

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
#: Beyond it neither clocks nor the store's arithmetic can be relied on.
_LONGEST_MS = 36_525 * 86_400_000
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?")


class TargetText(click.types.StringParamType):
    """A target or an alias: where it is missing, the error says what one looks like."""

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        return f"Expected provider:model, such as {OPENAI.target}, or an alias."


def span_ms(text: str) -> int:
    """Milliseconds of a length of time: seconds, or with a unit (90, 1.5s, 10m or 10min, 2h, 1d)."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is not a length of time: expected one such as 90, 1.5s, 10m, 2h or 1d")
    length_ms = float(found[1]) * _UNITS_MS[found[2] or "s"]
    if length_ms > _LONGEST_MS:
        raise click.BadParameter(f"{text[:40]!r} is longer than a hundred years")
    return round(length_ms)


def seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A length of time as seconds, more than nothing."""
    if value is None:
        return None
    found_ms = span_ms(value)
    if found_ms == 0:
        raise click.BadParameter(f"{value!r} is zero: expected a length of time such as 90, 1.5s, 10m, 2h or 1d")
    return found_ms / 1000


def dollars(text: str) -> int:
    """Nano-dollars of a decimal number of dollars."""
    from homa_shared.model.money import parse_usd  # brings the decimal module, which no help text needs

    try:
        return parse_usd(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def nano_usd(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """An amount of dollars as nano-dollars, more than nothing."""
    if value is None:
        return None
    amount = dollars(value)
    if amount == 0:
        raise click.BadParameter(f"{value!r} is zero: expected more than zero dollars")
    return amount


def day(text: str) -> date:
    """The day of YYYY-MM-DD; no other of ISO's spellings, such as 2026W05, which are more likely slips than days."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is None:
            raise ValueError("not of that form")
        return date.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a day ({error}): expected YYYY-MM-DD") from None


def _values(ctx: click.Context, param: click.Parameter, pairs: Sequence[str]) -> dict[str, str] | None:
    """`K=V` pairs as values of a template, to be read by the types of its variables; None where there are none."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair!r:.80}: expected NAME=VALUE")
        if name in found:
            raise click.BadParameter(f"{name} is given twice: {found[name]!r:.40} and {value!r:.40}")
        found[name] = value
    return found or None


#: `--value` of commands that ask by a stored template.
value_option = click.option(
    "--value", "values", multiple=True, metavar="K=V", callback=_values, help="Of a variable of the template."
)


def tags_of(pairs: Sequence[str]) -> dict[str, str]:
    """`K=V` pairs as tags.

    Raises:
        InvalidRequest: one has no `=`, or comes twice.
    """
    tags: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidRequest(f"--tag is {pair!r}: expected NAME=VALUE")
        if name in tags:
            raise InvalidRequest(f"--tag {name} is given twice: {tags[name]!r} and {value!r}")
        tags[name] = value
    return tags
