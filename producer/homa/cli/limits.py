"""`homa limits`: what is used of each quota, what is frozen, which breakers are open."""

from __future__ import annotations

import click

from homa.cli.context import session
from homa.cli.output import json_option, number, print_json, print_table, span
from homa_shared.store import reads
from homa_shared.store.reads.token_error import Estimates, Learned, estimates


@click.command("limits")
@json_option
def command(as_json: bool) -> None:
    """Show how much of each quota is used.

    `used` of a quota a minute is what has not been recovered yet, `available` what may be called at once. `estimate` is
    how far off the estimates of input tokens were that quota was reserved by, on average over the models of a scope, as
    replies told; `--json` has it of each model.
    """
    with session() as here:
        rows = here.store.run(reads.limits(here.keys))
        known = here.store.run(estimates(here.keys))
    errors = _by_scope(known)
    if as_json:
        print_json({"limits": [_document(row, errors) for row in rows], "estimates": [_model(one) for one in known]})
        return
    print_table(
        ("SCOPE", "DIMENSION", "LIMIT", "USED", "AVAILABLE", "ESTIMATE", "STATE"),
        [*(_line(row, errors) for row in rows), *_unlimited(rows, errors)],
        right={"LIMIT", "USED", "AVAILABLE", "ESTIMATE"},
        wraps={"STATE"},
        empty="no provider has been called yet",
    )


def _by_scope(known: list[Estimates]) -> dict[str, float | None]:
    """Mean error of the estimates of all models that share a scope."""
    sums: dict[str, Learned] = {}
    for one in known:
        if one.learned.error is not None:
            sums[one.scope] = sums.get(one.scope, Learned()) + one.learned
    return {scope: learned.error for scope, learned in sums.items()}


def _line(row: reads.LimitRow, errors: dict[str, float | None]) -> tuple[str, ...]:
    amounts = (number(row.limit), number(row.used), number(row.available))
    return (row.scope, row.dimension, *amounts, _percent(errors.get(row.scope)), _state(row))


def _unlimited(rows: list[reads.LimitRow], errors: dict[str, float | None]) -> list[tuple[str, ...]]:
    """Lines of models that nothing limits: a local one has no quota."""
    limited = {row.scope for row in rows}
    return [
        (scope, "", "", "", "", _percent(error), "") for scope, error in sorted(errors.items()) if scope not in limited
    ]


def _percent(error: float | None) -> str:
    return "" if error is None else f"±{error:.1%}"


def _model(one: Estimates) -> dict[str, object]:
    learned = one.learned
    return {
        "target": one.target,
        "scope": one.scope,
        "error": _rounded(learned.error),
        "factor": round(learned.factor, 3),
        "replies": learned.replies,
        "estimated_tokens": learned.estimated,
        "actual_tokens": learned.actual,
    }


def _rounded(error: float | None) -> float | None:
    return None if error is None else round(error, 4)


def _document(row: reads.LimitRow, errors: dict[str, float | None]) -> dict[str, object]:
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
        "estimate_error": _rounded(errors.get(row.scope)),
    }


def _state(row: reads.LimitRow) -> str:
    if row.dimension == "breaker":
        return f"{row.state}, next call in {span(row.wait_ms)}" if row.wait_ms else row.state
    if row.frozen_ms:
        return f"frozen for {span(row.frozen_ms)}"
    return f"adaptive, {row.adaptive_rate:.1f} calls a second" if row.adaptive_rate is not None else ""
