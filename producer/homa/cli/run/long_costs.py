"""What `homa run --dry-run` tells of documents above the window."""

from __future__ import annotations

from homa.cli.documents.work import LongDocument
from homa.cli.output import dollars, number, usd_or_null
from homa.client.management.long_estimates import LongEstimate, WayEstimate
from homa.runs.long.ways import ERROR


def long_document(long: LongEstimate) -> LongDocument:
    """For `--json`."""
    return {
        "rows": long.rows,
        "window": long.window,
        "largest": long.largest or None,
        "way": long.way,
        "ways": {
            way: {
                "documents": cost.documents,
                "calls": cost.calls,
                "input_tokens": cost.input_tokens,
                "output_tokens": cost.output_tokens,
                "expected_usd": usd_or_null(cost.expected_usd),
                "most_usd": usd_or_null(cost.most_usd),
            }
            for way, cost in long.ways.items()
        },
    }


def long_told(long: LongEstimate) -> list[str]:
    """In words; nothing where every document fits."""
    if not long.rows:
        return []
    several = "documents are" if long.rows > 1 else "document is"
    window = f"the context window of {long.target} ({number(long.window or long.widest or 0)} tokens)"
    longest = f"{long.largest} with {long.largest_tokens}"
    lines = [f"{number(long.rows)} {several} above {window}; the longest is {longest}:"]
    ways = [(ERROR, "refused before anything is paid")]
    ways += [(way, _cost(cost, long.rows)) for way, cost in long.ways.items()]
    wide = max(len(way) for way, _ in ways)
    return [*lines, *(f"{'*' if way == long.way else ' '} --long {way:{wide}}  {told}" for way, told in ways)]


def _cost(cost: WayEstimate, rows: int) -> str:
    if not cost.documents:
        return "not possible: the prompt alone is too long, or nobody knows the first model's window (--window)"
    calls = f"{number(cost.calls)} call{'s' if cost.calls > 1 else ''}"
    money = (
        "unpriced"
        if cost.expected_usd is None
        else f"about {dollars(cost.expected_usd)}, at most {dollars(cost.most_usd)}"
    )
    left = f"; {number(rows - cost.documents)} refused" if cost.documents < rows else ""
    return f"{calls}, about {number(cost.input_tokens)} tokens in, {number(cost.output_tokens)} out; {money}{left}"
