"""What a run has made of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from homa.client.management.units import usd_of
from homa.client.results import Failure, Reply

#: A step's answer for an item, or why there is none.
Answer: TypeAlias = Reply[Any] | Failure


@dataclass(frozen=True, slots=True)
class FlowResult:
    """What a run has made of one input."""

    #: Number of the input, from 0.
    number: int
    #: Step that no other follows -> its answer; of a step that is done for parts, theirs in their order.
    answers: Mapping[str, Answer | Sequence[Answer]]
    #: Reduce -> numbers of the parts that its answer does without, since their jobs have failed.
    missing: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every step has its answer, but for those that a filter has left out."""
        return not self.failures

    @property
    def failures(self) -> list[Failure]:
        """Why answers are lacking that no filter has left out."""
        return [answer for answer in self._each() if isinstance(answer, Failure) and answer.kind != "dropped"]

    @property
    def reply(self) -> Reply[Any]:
        """The answer of a flow that has one an input.

        Raises:
            JobFailed, JobCancelled, JobExpired: there is none.
            ValueError: it has several, by `answers`.
        """
        each = list(self._each())
        if len(self.answers) != 1 or len(each) != 1:
            raise ValueError(f"input {self.number} has answers of {', '.join(self.answers)}: expected `.answers[step]`")
        if isinstance(each[0], Failure):
            raise each[0].error()
        return each[0]

    def _each(self) -> list[Answer]:
        return [
            answer
            for said in self.answers.values()
            for answer in ([said] if isinstance(said, Reply | Failure) else said)
        ]


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far a step has come, in jobs."""

    #: Jobs so far: more come while the steps before it go on.
    made: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    #: Of a filter or join: answers that go on.
    passed: int = 0
    #: Items that it is not done for, since a step before it has no answer.
    absent: int = 0

    @property
    def running(self) -> int:
        """Jobs that wait or run."""
        return self.made - self.succeeded - self.failed - self.cancelled - self.expired


@dataclass(frozen=True, slots=True)
class FlowProgress:
    """How far a run has come."""

    #: open (inputs may still come), sealed, or complete.
    state: str
    #: Inputs so far.
    inputs: int
    #: Step -> how far it has come, in the flow's order.
    steps: Mapping[str, StepProgress]
    #: Why it is paused; None where it is not.
    paused: str | None
    #: Whether it was cancelled.
    cancelled: bool
    cost_nano_usd: int
    unresolved_nano_usd: int
    #: Why the store cancelled it by itself; empty where somebody asked for it.
    cancelled_why: str = ""

    @property
    def complete(self) -> bool:
        return self.state == "complete"

    @property
    def cost_usd(self) -> Decimal:
        """Known cost in dollars."""
        return usd_of(self.cost_nano_usd)

    @property
    def unresolved_usd(self) -> Decimal:
        """What attempts of unknown outcome may have cost at most, in dollars."""
        return usd_of(self.unresolved_nano_usd)
