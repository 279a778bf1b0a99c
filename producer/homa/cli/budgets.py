"""`homa budgets`: what is spent, unresolved and reserved of each cap."""

from __future__ import annotations

import click

from homa.cli.context import session
from homa.cli.output import dollars, json_option, print_json, print_table
from homa_shared.model.money import usd
from homa_shared.settings.fleet import Fleet
from homa_shared.store import reads
from homa_shared.store.transitions.fleet import read_fleet


@click.command("budgets")
@click.option("--all", "past", is_flag=True, help="Also periods that are over.")
@json_option
def command(past: bool, as_json: bool) -> None:
    """Show what is spent of each budget, for each tenant or tag that it caps, in the current period."""
    with session() as here:
        found = here.store.run(reads.budgets(here.keys))
        fleet = here.store.run(read_fleet(here.keys))
    rows = [row for row in found if past or not row.over] + _unused(fleet, found)
    if as_json:
        print_json({"budgets": [_document(row) for row in rows]})
        return
    print_table(
        ("BUDGET", "CAP", "SPENT", "UNRESOLVED", "RESERVED", "FREE", "PERIOD"),
        (
            (
                row.instance,
                dollars(row.cap_nano_usd),
                dollars(row.spent_nano_usd),
                dollars(row.unresolved_nano_usd),
                dollars(row.reserved_nano_usd),
                dollars(row.free_nano_usd),
                "over" if row.over else "",
            )
            for row in rows
        ),
        right={"CAP", "SPENT", "UNRESOLVED", "RESERVED", "FREE"},
        wraps={"BUDGET"},
        empty="no budget is set: [budgets.<name>] in homa.toml, then `homa apply`",
    )


def _unused(fleet: Fleet | None, found: list[reads.BudgetRow]) -> list[reads.BudgetRow]:
    """Budgets of the settings that nothing was ever charged to."""
    used = {row.instance.partition("~")[0].partition("@")[0].partition("#")[0] for row in found if not row.over}
    budgets = fleet.budgets if fleet else {}
    return [
        reads.BudgetRow(name, 0, 0, 0, budget.cap_nano_usd, False)
        for name, budget in budgets.items()
        if name not in used
    ]


def _document(row: reads.BudgetRow) -> dict[str, object]:
    return {
        "budget": row.instance,
        "cap_usd": usd(row.cap_nano_usd),
        "spent_usd": usd(row.spent_nano_usd),
        "unresolved_usd": usd(row.unresolved_nano_usd),
        "reserved_usd": usd(row.reserved_nano_usd),
        "free_usd": usd(row.free_nano_usd),
        "over": row.over,
    }
