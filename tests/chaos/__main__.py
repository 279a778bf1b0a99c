"""`python -m tests.chaos [NAME…]`: runs the campaigns, prints their table, fails where a promise broke."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from decimal import Decimal

import click
from rich.console import Console
from rich.table import Table

from tests.chaos.campaigns import CAMPAIGNS, Campaign
from tests.chaos.outcome import Outcome
from tests.chaos.servers import FSYNC_VARIABLE

COLUMNS = (
    *("fault", "rounds", "jobs", "kills", "lost", "ended twice", "calls made twice", "unresolved", "bill $"),
    *("ledger + unresolved $", "overshoot $", "429s", "s", "promises"),
)
#: Least width of the table, in characters.
_WIDTH = 170
NAMES = [campaign.name for campaign in CAMPAIGNS]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--short", is_flag=True, help="The sizes of `make test`.")
@click.option("--seed", type=int, help="Seed of all campaigns; by default each has its own.")
@click.option("--fsync", type=click.Choice(["always", "everysec"]), default="always", help="Of the stores.")
@click.option("--markdown", is_flag=True, help="Print the table as docs/reliability.md has it.")
def main(names: Sequence[str], short: bool, seed: int | None, fsync: str, markdown: bool) -> None:
    """Break a fleet in each way (or in those NAMED) and check its promises."""
    os.environ[FSYNC_VARIABLE] = fsync
    chosen = [campaign for campaign in CAMPAIGNS if not names or campaign.name in names]
    outcomes = [_run(campaign, short, seed) for campaign in chosen]
    rows = [_row(outcome) for outcome in outcomes]
    if markdown:
        click.echo(_markdown(rows))
    else:
        # The table is as wide as it is, even where a log has eighty columns.
        Console(width=max(Console().width, _WIDTH)).print(_table(rows))
    for outcome in outcomes:
        facts = "; ".join(f"{name}: {value}" for name, value in outcome.facts.items())
        click.echo(f"{outcome.fault}: {facts}" if facts else outcome.fault)
        for what in outcome.broken:
            click.echo(f"  BROKEN {what}")
    sys.exit(any(outcome.broken for outcome in outcomes))


def _run(campaign: Campaign, short: bool, seed: int | None) -> Outcome:
    click.echo(f"{campaign.name} …", err=True)
    seeded = {} if seed is None or campaign.name == "tenants" else {"seed": seed}
    try:
        outcome = (campaign.short if short else campaign.long)(**seeded)
    except Exception as error:  # a campaign that breaks down is a row, too
        traceback.print_exc()
        outcome = Outcome(campaign.name, broken=[f"{type(error).__name__}: {error}"]).close()
    click.echo(f"{campaign.name}: {'BROKEN' if outcome.broken else 'held'} in {outcome.seconds:.0f} s", err=True)
    for what in outcome.broken:
        click.echo(f"  {what}", err=True)
    return outcome


def _row(outcome: Outcome) -> tuple[str, ...]:
    tally = outcome.tally
    counts: list[str] = ["–"] * 7
    limited = "–"
    if tally is not None:
        lost, twice, calls = tally.lost, tally.ended_twice, tally.called_twice
        counts = [f"{tally.jobs:,}", str(outcome.kills), str(lost), str(twice), str(calls), str(tally.unresolved)]
        counts += [_usd(tally.bill)]
        limited = str(tally.rate_limited)
    ledger = "–" if tally is None else _ledger(tally.known, tally.unresolved_nano)
    overshoot = "–" if outcome.overshoot is None else _usd(outcome.overshoot)
    promises = "broken" if outcome.broken else "held"
    return (
        *(outcome.fault, str(outcome.rounds), *counts, ledger),
        *(overshoot, limited, f"{outcome.seconds:.0f}", promises),
    )


def _ledger(known: int, unresolved: int) -> str:
    return _usd(known) + (f" + {_usd(unresolved)}" if unresolved else "")


def _usd(nano: int) -> str:
    return f"{Decimal(nano).scaleb(-9):.4f}"


def _table(rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(*COLUMNS, title="Faults and promises")
    for row in rows:
        table.add_row(*row)
    return table


def _markdown(rows: Sequence[tuple[str, ...]]) -> str:
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
