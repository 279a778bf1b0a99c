"""`homa status`: how the fleet is, on one screen and in one exit status."""

from __future__ import annotations

import time

import click

from homa.cli.context import session
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.fleet_tables import FleetTable, summary, tables
from homa.cli.output import console, json_option, moment, print_facts, print_json, print_table
from homa.client.management.alarms import Alarm, alarms
from homa.client.management.status import FleetStatus, status
from homa.client.management.status_document import StatusDocument, document


@click.command("status")
@json_option(StatusDocument)
@click.option("--schema", is_flag=True, help="Print the JSON schema of what --json prints, and end.")
@click.option(
    "--max-failed",
    type=click.IntRange(0),
    metavar="N",
    help="More jobs than so many that failed in the last hour are an alarm; else they are a notice.",
)
def command(as_json: bool, schema: bool, max_failed: int | None) -> None:
    """Show how the fleet is: store, queues, workers, hot limits, open breakers, budgets, and what wants attention.

    Exit status 0: nothing stands in the way of work; 1: there is an alarm; 3: the store cannot be reached.
    """
    if schema:
        from homa.cli.documents.schemas import schema_of

        print_json(schema_of((StatusDocument,)))
        return
    with session() as here:
        began_s = time.monotonic()
        seen = here.driver.run(status(here.keys))
        look_ms = round((time.monotonic() - began_s) * 1000)
    found = alarms(seen, most_failed=max_failed)
    if as_json:
        print_json(document(seen, found, look_ms))
    else:
        _print(seen, found, look_ms)
    if any(alarm.level == "alarm" for alarm in found):
        raise Stopped(SOME_FAILED)


def _print(seen: FleetStatus, found: list[Alarm], look_ms: int) -> None:
    print_facts([*summary(seen), ("seen", f"{moment(seen.at)}, in {look_ms} ms")])
    click.echo("")
    marked = [("ALARM" if alarm.level == "alarm" else "notice", str(alarm)) for alarm in found]
    print_facts(marked or [("all well", "nothing wants attention")])
    for table in tables(seen):
        _print_table(table)


def _print_table(table: FleetTable) -> None:
    if table.rows:
        click.echo("")
        console().print(table.title, style="bold", markup=False)
        print_table(table.headers, table.rows, right=table.right, wraps=table.wraps)
