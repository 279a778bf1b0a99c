"""What is optional about attempts stands behind one interface: what is logged, learned, warmed up, kept or reported.

Homa's own parts and those of others are middlewares alike. A middleware watches; a call it may adapt. Promises are kept
by the pipeline and the store's scripts, never by a middleware, and none can break them:

* It cannot make a job vanish: nothing it does skips an attempt or its acknowledgement.
* What it raises is logged as a defect, and everything goes on as though it had not been there.
* It cannot hold up a reply: between a reply and its storing nothing waits for a middleware.
* It cannot spend what was not reserved: quota and budget are asked anew for a call that it adapted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_shared.store.transitions.attempts import Claim, ReportResult
from homa_workers.attempt import RunningAttempt
from homa_workers.outcomes.outcomes import Outcome


class Chore(NamedTuple):
    """Something to be done again and again beside the jobs."""

    #: Pause between two turns, s.
    every_s: float
    work: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """Whose middleware it is."""

    #: The worker's id, as history and logs name it.
    id: str
    #: The account that it serves.
    provider: str


class Middleware:
    """Hooks around the attempts of one worker; a subclass overrides those that it needs.

    Each worker of a process has an instance of its own. Hooks run on the event loop that all jobs share: a plain method
    is for what takes microseconds, an `async` one for anything that waits. Whichever middleware comes first in the
    worker's order is told first; none waits for another but in `adapt_call` and `before_call`. For one attempt a
    middleware is told one thing after the other, in this order, where `adapt_call` to `after_call` come once for each
    call that the attempt makes:

        adapt_call → before_call → after_call → attempt_ended
    """

    #: Longest that one hook may take, s; after that it is cut off, which counts as an error. None: no limit.
    hook_s: float | None = 10.0
    #: Whether its `adapt_call` may change what is paid for; if not, nothing is reserved anew.
    adapts_content = True

    async def start(self, worker: WorkerIdentity) -> None:
        """Called once before the worker takes jobs. An error keeps the worker from starting."""

    async def stop(self) -> None:
        """Called once when the worker's last attempt is over."""

    def chores(self) -> Sequence[Chore]:
        """What it does now and then. A turn that fails is logged, and comes again."""
        return ()

    def adapt_call(self, attempt: RunningAttempt, call: Call) -> Call | Awaitable[Call]:
        """The call that is to be made in the place of this one, which has the same model; all of it is JSON.

        What another call takes is reserved anew, so that it may wait, or be refused for its budget. Replies of equal
        requests are shared where `cache` is on: what is adapted should depend on the request alone.
        """
        return call

    def before_call(self, attempt: RunningAttempt, call: Call) -> Awaitable[None] | None:
        """The call is made when this returns."""
        return None

    def after_call(self, attempt: RunningAttempt, call: Call, result: Completion | Exception) -> Awaitable[None] | None:
        """The call has ended: with a reply, or with an error (mostly a `ProviderError`; also of one that was cut).

        The reply is not stored yet, nor is it known whether the job takes it for its answer. Nobody waits for an
        `async` one before the reply is stored.
        """
        return None

    def after_embedding(
        self, attempt: RunningAttempt, texts: Sequence[str], result: Embeddings | Exception
    ) -> Awaitable[None] | None:
        """As `after_call`, for a call that embeds texts. Such calls are not adapted: vectors are cached by texts."""
        return None

    def tool_ended(
        self, attempt: RunningAttempt, tool: str, call_id: str, began_ns: int, *, failed: bool
    ) -> Awaitable[None] | None:
        """A tool that the worker runs has ended, and its result is not journaled yet.

        Args:
            tool: its name.
            call_id: the model's own id of the call.
            began_ns: when it began, since the epoch, ns.
            failed: whether the model is told an error.
        """
        return None

    def attempt_ended(
        self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None
    ) -> Awaitable[None] | None:
        """The attempt is over and acknowledged; its slot is free when this returns.

        Args:
            result: how the store took it; None where it was handed back unsent, or its worker was stopped meanwhile.
        """
        return None

    def defect(self, error: BaseException, claim: Claim | None) -> None:
        """Something of this worker has failed that should not: Homa's own code, an adapter, a middleware.

        Args:
            claim: the job or message that it happened to; None for none in particular.
        """
