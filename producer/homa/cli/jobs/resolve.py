"""`homa jobs resolve`: attempts of unknown cost, listed and settled by hand."""

from __future__ import annotations

import click

from homa.cli import option_types
from homa.cli.context import session
from homa.cli.documents.jobs import AnswersDocument, UnresolvedDocument, UnresolvedListDocument
from homa.cli.jobs.answers import tell
from homa.cli.output import age, dollars, json_option, print_json, print_table, usd_or_null
from homa.client.management import resolutions
from homa.client.management.resolutions import Unresolved
from homa.client.management.units import ms_of
from homa.client.session import Session
from homa_shared.model.errors import InvalidRequest
from homa_shared.store import reads


@click.command()
@click.argument("attempt", required=False, metavar="[JOB[:ATTEMPT]]")
@click.option(
    "--usd",
    "nano_usd",
    type=option_types.dollars,
    metavar="USD",
    help="What the provider billed for it, in dollars; 0 for nothing.",
)
@click.option("--note", default="", help="Kept in the job's history.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Most attempts to list.")
@json_option(UnresolvedListDocument, AnswersDocument)
def resolve(attempt: str | None, nano_usd: int | None, note: str, limit: int, as_json: bool) -> None:
    """Settle an attempt of unknown cost by hand.

    Without arguments: list such attempts, oldest first.
    """
    with session() as here:
        if attempt is None:
            _list_unresolved(here, limit, as_json)
            return
        if nano_usd is None:
            raise InvalidRequest(f"--usd is missing: expected what {attempt} cost by the provider's bill, in dollars")
        answer = here.driver.run(resolutions.resolve(here.keys, attempt, nano_usd, note))
    tell("resolve", [answer], as_json)


def _list_unresolved(here: Session, limit: int, as_json: bool) -> None:
    found: list[Unresolved] = list(here.driver.iterate(resolutions.unresolved(here.keys, limit)))
    now_ms = here.store.run(reads.server_time(here.keys))
    if as_json:
        print_json(UnresolvedListDocument(unresolved=[_document(one) for one in found]))
        return
    print_table(
        ("ATTEMPT", "AGE", "TARGET", "OUTCOME", "AT MOST", "ERROR"),
        (
            (
                one.attempt,
                age(one.since, now_ms),
                one.target or "",
                one.outcome or "",
                dollars(one.unresolved_usd),
                one.error or "",
            )
            for one in found
        ),
        right={"AGE", "AT MOST"},
        wraps={"TARGET", "ERROR"},
        empty="no attempt is unresolved",
    )


def _document(one: Unresolved) -> UnresolvedDocument:
    return {
        "attempt": one.attempt,
        "since_ms": ms_of(one.since),
        "target": one.target,
        "outcome": one.outcome,
        "unresolved_usd": usd_or_null(one.unresolved_usd),
        "request_id": one.request_id,
    }
