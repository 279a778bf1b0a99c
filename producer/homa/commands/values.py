"""Values of options as people write them; each is an option's callback."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from homa_shared.errors import InvalidRequest

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")


def seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A span of time: seconds, or with a unit (90, 1.5s, 10m, 2h, 1d)."""
    if value is None:
        return None
    found = _SPAN.fullmatch(value.strip())
    if found is None or not float(found[1]):
        raise click.BadParameter(f"{value!r}: expected a time such as 90, 1.5s, 10m, 2h or 1d")
    return float(found[1]) * _UNITS_S[found[2] or "s"]


def nano_usd(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """An amount of dollars, as nano-dollars."""
    from homa_shared.money import parse_usd  # brings the decimal module, which no help text needs

    if value is None:
        return None
    try:
        amount = parse_usd(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if amount == 0:
        raise click.BadParameter(f"{value!r} is nothing: expected more than zero dollars")
    return amount


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
