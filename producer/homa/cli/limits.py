"""`homa limits`: what is used of each quota, what is frozen, which breakers are open; lifts freezes."""

from __future__ import annotations

import click

from homa.cli.context import session
from homa.cli.documents.fleet import EstimateErrorDocument, LimitDocument, LimitsDocument, UnfrozenDocument
from homa.cli.output import json_option, number, print_json, print_table
from homa.client.management.limits import EstimateError, LimitInfo, Limits, limits
from homa.client.management.units import ms_of_span
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import nearest
from homa_shared.settings.names import one_of, suggestion
from homa_shared.store import reads
from homa_shared.store.transitions import admin


@click.group("limits", invoke_without_command=True)
@json_option(LimitsDocument)
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
        found = here.driver.run(limits(here.keys))
    if as_json:
        print_json(LimitsDocument(limits=list(map(_document, found)), estimates=list(map(_model, found.estimates))))
        return
    print_table(
        ("SCOPE", "DIMENSION", "LIMIT", "USED", "AVAILABLE", "ESTIMATE", "STATE"),
        [*map(_line, found), *_unlimited(found)],
        right={"LIMIT", "USED", "AVAILABLE", "ESTIMATE"},
        wraps={"STATE"},
        empty="no provider has been called yet",
    )


@command.command()
@click.argument("scope")
@json_option(UnfrozenDocument)
def unfreeze(scope: str, as_json: bool) -> None:
    """Lift the freeze of a quota scope (openai/gpt-6-luna), or all freezes of an account (openai).

    Calls begin again at once, at first slowly. A provider that refuses them freezes the scope anew.
    """
    with session() as here:
        unfrozen = here.store.run(admin.unfreeze(here.keys, scope))
        if unfrozen is None:
            raise _unknown(scope, here.store.run(reads.scopes(here.keys)))
    if as_json:
        print_json(UnfrozenDocument(scope=scope, unfrozen=unfrozen))
        return
    for name in unfrozen:
        click.echo(f"{name} is no longer frozen")
    if not unfrozen:
        click.echo(f"{scope} is not frozen")


def _unknown(scope: str, known: list[str]) -> InvalidRequest:
    hint = suggestion(nearest(scope, known)) or f": {one_of(known)}"
    return InvalidRequest(f"there is no scope {scope!r}{hint}")


def _line(row: LimitInfo) -> tuple[str, ...]:
    amounts = (number(row.limit), number(row.used), number(row.available))
    return (row.scope, row.dimension, *amounts, _percent(row.estimate_error), row.state_words)


def _unlimited(found: Limits) -> list[tuple[str, ...]]:
    """Lines of models that nothing limits: a local one has no quota."""
    limited = {row.scope for row in found}
    return [(scope, "", "", "", "", _percent(error), "") for scope, error in found.scope_errors if scope not in limited]


def _percent(error: float | None) -> str:
    return "" if error is None else f"±{error:.1%}"


def _model(one: EstimateError) -> EstimateErrorDocument:
    return {
        "target": one.target,
        "scope": one.scope,
        "error": _rounded(one.error),
        "factor": round(one.factor, 3),
        "replies": one.replies,
        "estimated_tokens": one.estimated_tokens,
        "actual_tokens": one.actual_tokens,
    }


def _rounded(error: float | None) -> float | None:
    return None if error is None else round(error, 4)


def _document(row: LimitInfo) -> LimitDocument:
    return {
        "scope": row.scope,
        "dimension": row.dimension,
        "limit": row.limit,
        "used": row.used,
        "available": row.available,
        "frozen_ms": ms_of_span(row.frozen_s),
        "frozen_why": row.frozen_why or None,
        "adaptive_rps": row.adaptive_rps,
        "state": row.state or None,
        "wait_ms": ms_of_span(row.wait_s),
        "estimate_error": _rounded(row.estimate_error),
    }
