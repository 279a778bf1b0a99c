"""`homa budgets`: what is spent, unresolved and reserved of each cap."""

from __future__ import annotations

import click

from homa.cli.context import session
from homa.cli.documents.fleet import BudgetDocument, BudgetsDocument
from homa.cli.output import dollars, json_option, print_json, print_table, usd_or_null
from homa.client.management.budgets import BudgetInfo, budgets


@click.command("budgets")
@click.option("--all", "past", is_flag=True, help="Also periods that are over.")
@json_option(BudgetsDocument)
def command(past: bool, as_json: bool) -> None:
    """Show what is spent of each budget, for each tenant or tag that it caps, in the current period."""
    with session() as here:
        rows = here.driver.run(budgets(here.keys, past=past))
    if as_json:
        print_json(BudgetsDocument(budgets=[_document(row) for row in rows]))
        return
    print_table(
        ("BUDGET", "CAP", "SPENT", "UNRESOLVED", "RESERVED", "FREE", "PERIOD"),
        (
            (
                row.name,
                dollars(row.cap_usd),
                dollars(row.spent_usd),
                dollars(row.unresolved_usd),
                dollars(row.reserved_usd),
                dollars(row.free_usd),
                "over" if row.over else "",
            )
            for row in rows
        ),
        right={"CAP", "SPENT", "UNRESOLVED", "RESERVED", "FREE"},
        wraps={"BUDGET"},
        empty="no budget is set: [budgets.<name>] in homa.toml, then `homa apply`",
    )


def _document(row: BudgetInfo) -> BudgetDocument:
    return {
        "budget": row.name,
        "cap_usd": usd_or_null(row.cap_usd),
        "spent_usd": usd_or_null(row.spent_usd),
        "unresolved_usd": usd_or_null(row.unresolved_usd),
        "reserved_usd": usd_or_null(row.reserved_usd),
        "free_usd": usd_or_null(row.free_usd),
        "over": row.over,
    }
