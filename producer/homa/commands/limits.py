"""`homa limits`: what is used of each quota, what is frozen, which breakers are open."""

from __future__ import annotations

import click

from homa.commands.printing import json_option, number, print_json, print_table, span
from homa.commands.session import session
from homa_shared.store import reading


@click.command("limits")
@json_option
def command(as_json: bool) -> None:
    """What is used of each quota.

    `used` of a quota a minute is what has not been recovered yet, `available` what may be called at once.
    """
    with session(revive=True) as here:
        rows = here.store.run(reading.limits(here.keys))
    if as_json:
        print_json({"limits": [_document(row) for row in rows]})
        return
    print_table(
        ("SCOPE", "DIMENSION", "LIMIT", "USED", "AVAILABLE", "STATE"),
        (
            (row.scope, row.dimension, number(row.limit), number(row.used), number(row.available), _state(row))
            for row in rows
        ),
        right={"LIMIT", "USED", "AVAILABLE"},
        wraps={"STATE"},
        empty="no provider was called yet",
    )


def _document(row: reading.LimitRow) -> dict[str, object]:
    return {
        "scope": row.scope,
        "dimension": row.dimension,
        "limit": row.limit,
        "used": row.used,
        "available": row.available,
        "frozen_ms": row.frozen_ms,
        "adaptive_rps": row.adaptive_rate,
        "state": row.state or None,
        "wait_ms": row.wait_ms,
    }


def _state(row: reading.LimitRow) -> str:
    if row.dimension == "breaker":
        return f"{row.state}, next call in {span(row.wait_ms)}" if row.wait_ms else row.state
    if row.frozen_ms:
        return f"frozen for {span(row.frozen_ms)}"
    return f"adaptive, {row.adaptive_rate:.1f} calls a second" if row.adaptive_rate is not None else ""
