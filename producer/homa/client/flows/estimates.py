"""What a run of a flow would cost, step by step: `Homa.estimate`, `homa run --flow --dry-run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from homa.client.management.wording import dollars, number, one_line


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """What one step would take, where every answer passes every filter and none fails."""

    kind: str
    #: How often it is done; None: nobody knows before it runs.
    times: int | None
    #: Calls of its model, an answer each; 0 for code and questions.
    calls: int | None
    #: Calls of its judge.
    verdicts: int | None
    input_tokens: int | None
    output_tokens: int | None
    #: With answers of the expected length; None: not known, or a price is not.
    expected_usd: Decimal | None
    #: With answers of full length, at the dearest target of each call.
    most_usd: Decimal | None
    #: Whether filters stand before it, so that it may be done less often.
    at_most: bool
    unpriced_targets: tuple[str, ...]
    #: What is not known of it, or not counted, in words.
    unknown: tuple[str, ...]
    #: What its model would read first; placeholders stay where answers come that are not there yet.
    first_messages: Sequence[Mapping[str, Any]] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class FlowEstimate:
    """What a run of a flow over some inputs would take."""

    flow: str
    inputs: int
    #: Inputs that could not be sent, and why the first of them.
    bad_inputs: int
    first_bad: str | None
    #: In the flow's order, without inputs and splits.
    steps: Mapping[str, StepEstimate]
    #: That the configured limits make what is known of it last; None where a model has none.
    seconds_at_limits: float | None

    @property
    def calls(self) -> int:
        """Calls of models in the steps of which that is known, judges' included."""
        return sum((step.calls or 0) + (step.verdicts or 0) for step in self.steps.values())

    @property
    def input_tokens(self) -> int:
        """Of these calls."""
        return sum(step.input_tokens or 0 for step in self.steps.values())

    @property
    def output_tokens(self) -> int:
        """Of these calls."""
        return sum(step.output_tokens or 0 for step in self.steps.values())

    @property
    def expected_usd(self) -> Decimal | None:
        """None where it is not known of a step."""
        return total_usd([step.expected_usd for step in self.steps.values()])

    @property
    def most_usd(self) -> Decimal | None:
        """None where it is not known of a step."""
        return total_usd([step.most_usd for step in self.steps.values()])

    @property
    def unknown(self) -> list[str]:
        """What is not known of its steps, or not counted, in words; an empty list where all is."""
        return [f"{name}: {what}" for name, step in self.steps.items() for what in step.unknown]

    def __str__(self) -> str:
        facts = [
            f"{number(self.inputs)} inputs" + (f" ({number(self.bad_inputs)} bad)" if self.bad_inputs else ""),
            f"{number(self.calls)} calls",
            f"about {number(self.input_tokens)} tokens in",
            f"{number(self.output_tokens)} out",
            "cost not known" if self.expected_usd is None else f"about {dollars(self.expected_usd)}",
            "" if self.most_usd is None else f"at most {dollars(self.most_usd)}",
        ]
        return one_line(facts)


def total_usd(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """Their sum; None where one is not known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal()) if len(known) == len(amounts) else None
