"""`homa jobs why`: what holds a job, and until when."""

from __future__ import annotations

import click

from homa.cli.context import session
from homa.cli.documents.jobs import HoldDocument, WhyDocument
from homa.cli.output import json_option, print_json, print_table, span
from homa.client.management import why as reasons
from homa.client.management.units import ms_of_known_span


@click.command()
@click.argument("job")
@json_option(WhyDocument)
def why(job: str, as_json: bool) -> None:
    """Explain what holds a job, and until when.

    It may be a limit, a budget, a breaker, a pause, an equal job in flight, its deadline, or that no worker lives.
    """
    with session() as here:
        answer = here.driver.run(reasons.why(here.keys, job))
    if as_json:
        holds = [
            HoldDocument(
                kind=hold.kind,
                name=hold.name,
                wait_ms=ms_of_known_span(hold.wait_s),
                detail=hold.detail,
                limit=hold.limit or None,
            )
            for hold in answer.holds
        ]
        print_json(WhyDocument(job=job, state=answer.state, holds=holds, live_workers=answer.live_workers))
        return
    click.echo(answer.verdict)
    print_table(
        ("HELD BY", "NAME", "LIMIT", "FOR", "DETAIL"),
        ((hold.kind, hold.name, hold.limit, span(ms_of_known_span(hold.wait_s)), hold.detail) for hold in answer.holds),
        right={"FOR"},
        wraps={"NAME", "DETAIL"},
    )
