"""What `homa run --dry-run` tells of documents above the window."""

from __future__ import annotations

from homa.cli.documents.work import LongDocument
from homa.cli.output import dollars, number, usd_or_null
from homa.runs.long.costs import LongCosts, WayCost
from homa.runs.long.ways import ERROR


def long_document(costs: LongCosts) -> LongDocument:
    """For `--json`."""
    room = costs.fitting.room
    return {
        "rows": costs.rows,
        "window": room.window,
        "largest": costs.largest or None,
        "way": costs.fitting.way,
        "ways": {
            way: {
                "documents": cost.documents,
                "calls": cost.calls,
                "input_tokens": cost.input_tokens,
                "output_tokens": cost.output_tokens,
                "expected_usd": usd_or_null(cost.expected_usd),
                "most_usd": usd_or_null(cost.most_usd),
            }
            for way, cost in costs.ways.items()
        },
    }


def long_told(costs: LongCosts) -> list[str]:
    """In words; nothing where every document fits."""
    if not costs.rows:
        return []
    room, chosen = costs.fitting.room, costs.fitting.way
    several = "documents are" if costs.rows > 1 else "document is"
    window = f"the context window of {room.target} ({number(room.window or room.widest or 0)} tokens)"
    longest = f"{costs.largest} with {costs.largest_tokens}"
    lines = [f"{number(costs.rows)} {several} above {window}; the longest is {longest}:"]
    ways = [(ERROR, "refused before anything is paid")]
    ways += [(way, _cost(cost, costs.rows)) for way, cost in costs.ways.items()]
    wide = max(len(way) for way, _ in ways)
    return [*lines, *(f"{'*' if way == chosen else ' '} --long {way:{wide}}  {told}" for way, told in ways)]


def _cost(cost: WayCost, rows: int) -> str:
    if not cost.documents:
        return "not possible: the prompt alone is too long, or nobody knows the first model's window (--window)"
    calls = f"{number(cost.calls)} call{'s' if cost.calls > 1 else ''}"
    money = "unpriced" if cost.unpriced else f"about {dollars(cost.expected_usd)}, at most {dollars(cost.most_usd)}"
    left = f"; {number(rows - cost.documents)} refused" if cost.documents < rows else ""
    return f"{calls}, about {number(cost.input_tokens)} tokens in, {number(cost.output_tokens)} out; {money}{left}"
