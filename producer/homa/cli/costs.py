"""`homa costs`: what was spent, from the ledger's totals."""

from __future__ import annotations

from datetime import date
from typing import cast, get_args

import click

from homa.cli.context import say, session
from homa.cli.documents.fleet import CostsDocument
from homa.cli.option_types import day
from homa.cli.output import dollars, json_option, number, print_json, print_table, usd_or_null
from homa.client.management.costs import CostRow, Costs, costs
from homa_shared.store.reads.money import By

_NUMBERS = ("REQUESTS", "INPUT", "OUTPUT", "CACHED", "COST", "CACHE SAVED", "UNRESOLVED", "UNPRICED")


@click.command("costs")
@click.option("--by", type=click.Choice(get_args(By)), default="provider", show_default=True, help="What a row is.")
@click.option("--since", type=day, metavar="YYYY-MM-DD", help="First day (UTC).")
@click.option("--until", type=day, metavar="YYYY-MM-DD", help="Last day (UTC), included.")
@click.option("--batch", metavar="ID", help="Only this batch, whatever the days.")
@json_option(CostsDocument)
def command(by: str, since: date | None, until: date | None, batch: str | None, as_json: bool) -> None:
    """Show what was spent, by provider, model, tenant, tag, day or batch.

    A call whose outcome nobody knows counts as unresolved, at the most that it may have cost; one whose price nobody
    knows counts as unpriced, and is in no sum. What prompt caches saved is already off the cost; it is negative where
    more was paid for writing to them than was saved by reading. What was served by another tier than the standard one,
    and fees beside tokens, are named and are in the cost.
    """
    if since and until and since > until:
        raise click.UsageError(f"--since {since} is after --until {until}: expected an earlier day")
    if batch is not None and (since or until or by not in ("provider", "batch")):
        raise click.UsageError("--batch goes with neither --since, --until nor --by: a batch is one row")
    with session() as here:
        table = here.driver.run(costs(here.keys, by=cast(By, by), since=since, until=until, batch=batch))
    if as_json:
        print_json(_document(table))
        return
    print_table(
        (by.upper(), *_NUMBERS, "TIERS, FEES"),
        (
            (
                row.key or "–",
                number(row.requests),
                number(row.input_tokens),
                number(row.output_tokens),
                number(row.cached_tokens) if row.cached_tokens else "",
                dollars(row.cost_usd),
                dollars(row.cache_saved_usd) if row.cache_saved_usd else "",
                dollars(row.unresolved_usd) if row.unresolved_usd else "",
                number(row.unpriced) if row.unpriced else "",
                _beside(row),
            )
            for row in table.rows
        ),
        right=set(_NUMBERS),
        wraps={by.upper(), "TIERS, FEES"},
        empty="nothing has been spent",
    )
    say(str(table))


def _document(table: Costs) -> CostsDocument:
    return {
        "total_usd": usd_or_null(table.total_usd),
        "unresolved_usd": usd_or_null(table.unresolved_usd),
        "unpriced_jobs": table.unpriced,
        "cache_saved_usd": usd_or_null(table.cache_saved_usd),
        "rows": [
            {
                "key": row.key,
                "requests": row.requests,
                "input_tokens": row.input_tokens,
                "output_tokens": row.output_tokens,
                "cached_tokens": row.cached_tokens,
                "cost_usd": usd_or_null(row.cost_usd),
                "unresolved_usd": usd_or_null(row.unresolved_usd),
                "unpriced_jobs": row.unpriced,
                "cache_saved_usd": usd_or_null(row.cache_saved_usd),
                "tiers_usd": {terms: usd_or_null(amount) for terms, amount in row.tiers_usd.items()},
                "fees": row.fees,
            }
            for row in table.rows
        ],
    }


def _beside(row: CostRow) -> str:
    """What was not at the standard price, and what is billed beside tokens; both are in the cost."""
    tiers = [f"{terms} {dollars(amount)}" for terms, amount in row.tiers_usd.items()]
    return ", ".join([*tiers, *(f"{number(count)} {unit}" for unit, count in row.fees.items())])
