"""One attempt of a job at this worker: all that is known of it, from its claim to its acknowledgement.

Whatever takes part in an attempt takes this object. Records of the store are frozen; what changes while an attempt runs
changes here. What the store keeps of an attempt, its history, is another thing: `homa_shared.model.records.Attempt`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from homa_shared.calls.reply import Usage
from homa_shared.calls.request import JobRequest
from homa_shared.store.transitions.attempts import Claim


@dataclass(frozen=True, slots=True)
class Spent:
    """What some paid replies come to."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    #: Nano-dollars; None where the price of one of them is not known.
    nano: int | None = 0

    def and_reply(self, usage: Usage, nano: int | None) -> Spent:
        """The same with one reply more."""
        known = None if self.nano is None or nano is None else self.nano + nano
        return Spent(self.calls + 1, self.usage + usage, known)


NOTHING_SPENT = Spent()


@dataclass(frozen=True, slots=True)
class StepTally:
    """What the steps of a job come to: its calls that did not bring the answer."""

    #: Steps so far, over all attempts of the job.
    count: int = 0
    #: Those of them that the provider refused: nothing was paid for them.
    refused: int = 0
    #: Those that this attempt made.
    own: int = 0
    #: Tokens of all of them.
    usage: Usage = field(default_factory=Usage)
    #: What those of this attempt alone come to.
    spent: Spent = NOTHING_SPENT

    def and_earlier(self, usage: Usage) -> StepTally:
        """The same with one step more, of an earlier attempt."""
        return replace(self, count=self.count + 1, usage=self.usage + usage)

    def and_earlier_refusal(self) -> StepTally:
        """The same with one refused call more, of an earlier attempt."""
        return replace(self, count=self.count + 1, refused=self.refused + 1)

    def and_step(self, usage: Usage, nano: int | None) -> StepTally:
        """The same with one step more, of this attempt."""
        spent = self.spent.and_reply(usage, nano)
        return replace(self, count=self.count + 1, own=self.own + 1, usage=self.usage + usage, spent=spent)

    def and_refusal(self) -> StepTally:
        """The same with one refused call more, of this attempt."""
        return replace(self.and_earlier_refusal(), own=self.own + 1)


NO_STEPS = StepTally()
#: The request of an attempt that has not been read yet, or cannot be.
UNREAD = JobRequest([])


@dataclass(slots=True, eq=False)
class RunningAttempt:
    """An attempt that this worker holds the lease of."""

    #: As it was taken, without its request once that is read; once a step was made, with what is reserved for the
    #: present call, and what its steps cost.
    claim: Claim
    #: With its media in their places.
    request: JobRequest = UNREAD
    #: Targets that were passed over in looking for the next one, with the reason.
    skipped: Sequence[tuple[str, str]] = ()
    #: For people: what was changed about its parameters for its model, which requests of its call were refused, and how
    #: its answer ended where it was cut.
    parameter_notes: tuple[str, ...] = ()
    #: The middleware whose own reply it has, for which nothing was called; empty where there is none.
    answered_by: str = ""
    #: Target that gave the answer, where another one has graded it; empty: its own.
    answered_at: str = ""
    #: Requests of its last call that were refused before the last one.
    refused: int = 0
    #: Parameters of its last call.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: Of a node of a flow: what its prompt may name.
    values: Mapping[str, Any] = field(default_factory=dict)
    #: Why its call takes more than what was known when it was accepted, for people; empty: it does not.
    grown: str = ""
    #: Digests of the media that its request shows.
    media: Sequence[str] = ()
    steps: StepTally = NO_STEPS
    #: Of a turn of a conversation: calls of tools and their results, in front of the answer.
    before_answer: Sequence[Mapping[str, Any]] = ()
    #: What all its paid replies come to, once it is over.
    spent: Spent = NOTHING_SPENT
    #: When its first streamed text arrived, on this process's clock (s); None where none did.
    first_text_s: float | None = None
    #: From claim to outcome, ms, once it is over.
    latency_ms: int = 0
    #: Whether its job was cancelled while it ran.
    is_cancelled: bool = False
    #: Whether its outcome is known.
    is_over: bool = False
    #: Whether the store has its outcome, too: its lease is gone.
    is_acknowledged: bool = False
    #: What middleware keeps with it, each under a name of its own.
    notes: dict[str, Any] = field(default_factory=dict)
    #: By identity of the middleware: its hook that is still running.
    hooks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    #: Whether the store holds quota and budget for its present call, as take did for the first: with one reservation
    #: one call is made.
    is_reserved: bool = True
    #: When that was asked for, on this process's clock (s).
    reserved_s: float = field(default_factory=monotonic)
    #: Gives back what was reserved for its call, which stands by until it can leave; None where none does.
    giving_back: asyncio.Task[None] | None = None
    #: Why what its call takes was reckoned again, or has no bound, for people.
    why_other_need: str = ""
    #: When it was taken, on this process's clock (s).
    started_s: float = field(default_factory=monotonic)
    _task: asyncio.Task[Any] | None = None

    @property
    def key(self) -> tuple[str, int]:
        """Its job and number, as store operations name it."""
        return self.claim.id, self.claim.attempt

    @property
    def left_s(self) -> float | None:
        """Time until the job's deadline, s, and never less than none; None where it has no deadline."""
        left_ms = self.claim.left_ms
        return max(0.0, self.started_s + left_ms / 1000 - monotonic()) if left_ms else None

    def begin(self) -> None:
        """The present task runs it from now on."""
        self._task = asyncio.current_task()

    def cancel(self) -> None:
        """Stops it because its job was cancelled: the provider's connection is closed at once.

        Told again, it changes nothing. It has a claim to acknowledge: so it is stopped after its first step at the
        earliest, and not any more once its outcome is known.
        """
        if self.is_cancelled or self.is_over:
            return
        self.is_cancelled = True
        # The task was created before, so that its first step comes before this.
        asyncio.get_running_loop().call_soon(self._interrupt)

    def _interrupt(self) -> None:
        if self._task is not None and not self.is_over:
            self._task.cancel()

    def end(self) -> None:
        """Its outcome is known."""
        self.is_over = True
        self.latency_ms = round((monotonic() - self.started_s) * 1000)
