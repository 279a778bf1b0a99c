"""`homa limits`: what is used of each quota, what is frozen, which breakers are open; lifts freezes."""

from __future__ import annotations

import click

from homa.cli.context import session
from homa.cli.output import json_option, number, print_json, print_table, span
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import nearest
from homa_shared.settings.names import suggestion
from homa_shared.store import reads
from homa_shared.store.reads.token_error import Estimates, Learned, estimates
from homa_shared.store.transitions import admin


@click.group("limits", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show how much of each quota is used; lift freezes.

    `used` of a quota a minute is what has not been recovered yet, `available` what may be called at once. `estimate` is
    how far off the estimates of input tokens were that quota was reserved by, on average over the models of a scope, as
    replies told; `--json` has it of each model.
    """
    if ctx.invoked_subcommand is not None:
        return
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


@command.command()
@click.argument("scope")
@json_option
def unfreeze(scope: str, as_json: bool) -> None:
    """Lift the freeze of a quota scope (openai/gpt-6-luna), or all freezes of an account (openai).

    Calls begin again at once, at first slowly. A provider that refuses them freezes the scope anew.
    """
    with session() as here:
        unfrozen = here.store.run(admin.unfreeze(here.keys, scope))
        if unfrozen is None:
            raise _unknown(scope, here.store.run(reads.scopes(here.keys)))
    if as_json:
        print_json({"scope": scope, "unfrozen": unfrozen})
        return
    for name in unfrozen:
        click.echo(f"{name} is no longer frozen")
    if not unfrozen:
        click.echo(f"{scope} is not frozen")


def _unknown(scope: str, known: list[str]) -> InvalidRequest:
    hint = suggestion(nearest(scope, known)) or f": expected one of {', '.join(known) or 'none yet'}"
    return InvalidRequest(f"there is no scope {scope!r}{hint}")


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
        "frozen_why": row.frozen_why or None,
        "adaptive_rps": row.adaptive_rate,
        "state": row.state or None,
        "wait_ms": row.wait_ms,
        "estimate_error": _rounded(errors.get(row.scope)),
    }


def _state(row: reads.LimitRow) -> str:
    if row.dimension == "breaker":
        return f"{row.state}, next call in {span(row.wait_ms)}" if row.wait_ms else row.state
    if row.frozen_ms:
        return f"frozen for {span(row.frozen_ms)}" + (f": {row.frozen_why}" if row.frozen_why else "")
    return f"adaptive, {row.adaptive_rate:.1f} calls a second" if row.adaptive_rate is not None else row.state
