"""`homa workers`: which workers are alive, what each serves and how much it runs."""

from __future__ import annotations

from typing import cast

import click

from homa.cli.context import session
from homa.cli.documents.fleet import WorkerDocument, WorkersDocument
from homa.cli.output import json_option, number, print_json, print_table, span
from homa.client.management.units import ms_of_span
from homa.client.management.workers import WorkerInfo, workers


@click.command("workers")
@click.option(
    "--all", "everyone", is_flag=True, help="Also those that are gone, for an hour after their last heartbeat."
)
@json_option(WorkersDocument)
def command(everyone: bool, as_json: bool) -> None:
    """Show live workers, what they serve and what they do."""
    with session() as here:
        rows = here.driver.run(workers(here.keys, gone=everyone))
    if as_json:
        print_json(WorkersDocument(workers=[_document(row) for row in rows]))
        return
    print_table(
        ("WORKER", "QUEUES", "HOST", "PID", "RUNNING", "ENDED", "BEAT", "STATE"),
        (
            (
                row.id,
                ", ".join(row.queues),
                row.host,
                "" if row.pid is None else str(row.pid),
                f"{number(row.running)} of {number(row.concurrency)}",
                number(row.ended),
                f"{span(ms_of_span(row.beat_age_s))} ago",
                row.state,
            )
            for row in rows
        ),
        right={"PID", "RUNNING", "ENDED", "BEAT"},
        wraps={"QUEUES", "HOST"},
        empty="no worker is alive: start one with `homa worker`",
    )


def _document(row: WorkerInfo) -> WorkerDocument:
    told = {"worker": row.id, "live": row.live, "beat_age_ms": ms_of_span(row.beat_age_s), **row.facts}
    return cast(WorkerDocument, told)
