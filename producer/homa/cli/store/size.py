"""`homa store size`: what memory and disk a store needs for a load."""

from __future__ import annotations

from dataclasses import asdict

import click

from homa.cli.context import settings_context
from homa.cli.documents.store import StoreSizeDocument
from homa.cli.fleet_tables import in_bytes
from homa.cli.output import json_option, print_facts, print_json
from homa.client.management.store_size import Load, StoreSize, store_size


@click.command()
@click.option("--jobs-a-day", type=click.IntRange(1), required=True, metavar="N", help="Jobs that end in a day.")
@click.option("--waiting", type=click.IntRange(0), metavar="N", help="Most that wait at once; a day's where not given.")
@click.option("--prompt-bytes", type=click.IntRange(0), default=2000, show_default=True, help="Mean size of a prompt.")
@click.option("--answer-bytes", type=click.IntRange(0), default=1000, show_default=True, help="Mean size of an answer.")
@json_option(StoreSizeDocument)
def size(jobs_a_day: int, waiting: int | None, prompt_bytes: int, answer_bytes: int, as_json: bool) -> None:
    """Say what memory and disk a store needs for so many jobs.

    How long results and ledger are kept is taken from [retention] of this machine's settings.
    """
    retention = settings_context().settings.retention
    load = Load(
        jobs_a_day,
        jobs_a_day if waiting is None else waiting,
        prompt_bytes,
        answer_bytes,
        results_s=retention.results,
        ledger_s=max(retention.ledger, retention.results),
    )
    found = store_size(load)
    if as_json:
        print_json(asdict(load) | asdict(found))
    else:
        print_facts(_facts(load, found))


def _facts(load: Load, found: StoreSize) -> list[tuple[str, str]]:
    return [
        ("waiting jobs", in_bytes(found.waiting_bytes)),
        (f"results of {load.results_s / 86_400:g} days", in_bytes(found.kept_bytes)),
        (f"ledger of {load.ledger_s / 86_400:g} days", in_bytes(found.ledger_bytes)),
        ("maxmemory", in_bytes(found.maxmemory_bytes)),
        ("memory of its machine", in_bytes(found.memory_bytes)),
        ("disk", in_bytes(found.disk_bytes)),
        ("written in a day", in_bytes(found.written_bytes_a_day)),
    ]
