"""What documents above the model's window would cost, in each way of asking about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class WayEstimate:
    """One way for all documents above the window."""

    #: Documents that it answers; the others would be refused.
    documents: int
    calls: int
    input_tokens: int
    output_tokens: int
    #: None where a price is not known.
    expected_usd: Decimal | None
    most_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class LongEstimate:
    """Documents above the window."""

    rows: int
    #: Of them: those that would be asked about in parts; their calls are in `ways` alone.
    divided: int
    #: The first model, and the tokens of its window; None: nobody knows.
    target: str
    window: int | None
    #: The greatest window of the model and its fallbacks; None: of one of them nobody knows.
    widest: int | None
    #: The longest document, and its tokens as people read them; empty where all documents fit.
    largest: str
    largest_tokens: str
    #: What would become of them (`long`), and what each way would cost.
    way: str
    ways: Mapping[str, WayEstimate]
