"""`homa workers`: which workers are alive, what each serves and how much it runs."""

from __future__ import annotations

from typing import Any

import click

from homa.cli.context import session
from homa.cli.output import json_option, number, print_json, print_table, span
from homa_shared.store import reads
from homa_shared.store.versions import Versions, own_versions


@click.command("workers")
@click.option(
    "--all", "everyone", is_flag=True, help="Also those that are gone, for an hour after their last heartbeat."
)
@json_option
def command(everyone: bool, as_json: bool) -> None:
    """Show live workers, what they serve and what they do."""
    with session() as here:
        rows = [row for row in here.store.run(reads.workers(here.keys)) if row.live or everyone]
    if as_json:
        print_json({"workers": [_document(row) for row in rows]})
        return
    newest = max((Versions.told(row.facts) for row in rows if row.live), default=own_versions())
    print_table(
        ("WORKER", "QUEUES", "HOST", "PID", "RUNNING", "ENDED", "BEAT", "STATE"),
        (
            (
                row.id,
                ", ".join(row.facts.get("queues") or ()),
                str(row.facts.get("host", "")),
                str(row.facts.get("pid", "")),
                f"{number(row.facts.get('running'))} of {number(row.facts.get('concurrency'))}",
                number(row.facts.get("ended")),
                f"{span(row.beat_age_ms)} ago",
                _state(row, newest),
            )
            for row in rows
        ),
        right={"PID", "RUNNING", "ENDED", "BEAT"},
        wraps={"QUEUES", "HOST"},
        empty="no worker is alive: start one with `homa worker`",
    )


def _document(row: reads.WorkerRow) -> dict[str, Any]:
    return {"worker": row.id, "live": row.live, "beat_age_ms": row.beat_age_ms, **row.facts}


def _state(row: reads.WorkerRow, newest: Versions) -> str:
    if not row.live:
        return "gone"
    if row.facts.get("draining"):
        return "draining"
    return f"older: {row.facts.get('release') or 'first'} release" if Versions.told(row.facts) < newest else ""
