"""What became of an attempt, as values; `pipeline.acknowledge` acts on each, at one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Completion, Usage
from homa_shared.model.records import State
from homa_shared.store.transitions.next_target import NextTarget


class Interrupted(ProviderError):
    """A call that this side ended: the job was cancelled, its deadline passed, or the worker stops.

    What it may have cost is open, as after any cut; but the provider did nothing wrong, so breakers learn nothing.

    Args:
        why: cancelled, expired or stopped: the outcome in ledger and history.
        message: for people.
        partial_text: what a stream had delivered.
    """

    def __init__(self, why: str, message: str, partial_text: str = "") -> None:
        super().__init__(ErrorKind.AMBIGUOUS, message, partial_text=partial_text)
        self.why = why


class Declined(ProviderError):
    """A reply in which a content policy speaks, and no answer: paid for, and kept for whoever looks.

    Args:
        completion: the reply.
    """

    def __init__(self, completion: Completion) -> None:
        super().__init__(
            ErrorKind.CONTENT_POLICY,
            "the model declined to answer",
            request_id=completion.request_id,
            usage=completion.usage if completion.metered else None,
            partial_text=completion.text,
        )
        self.body: dict[str, Any] = completion.body


def name_of(error: ProviderError) -> str:
    """An error's kind as ledger, history and logs call it."""
    return error.why if isinstance(error, Interrupted) else str(error.kind)


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the cache of vectors had to do with a reply."""

    #: Texts whose vectors it held.
    texts: int
    #: False where they, and what earlier attempts had paid for, left nothing to call.
    called: bool
    #: What it is to keep once the reply is stored.
    entries: Mapping[str, bytes]


#: Nothing was called, and the cache of vectors has nothing to do with it.
NOT_CALLED = Recalled(0, called=False, entries={})


@dataclass(frozen=True, slots=True)
class Succeeded:
    """A complete reply."""

    completion: Completion
    #: Of embeddings, and of replies that a middleware made.
    recalled: Recalled | None = None
    #: The middleware that made it; empty: a provider did.
    answered_by: str = ""
    #: Whether it is complete, and yet kept for no equal job.
    alone: bool = False

    @property
    def called(self) -> bool:
        """Whether a provider was called for it."""
        return self.recalled is None or self.recalled.called


def succeeded(completion: Completion, answered_by: str) -> Succeeded:
    """A reply of a completion.

    Args:
        answered_by: the middleware that made it; empty: the provider did.
    """
    return Succeeded(completion, NOT_CALLED, answered_by) if answered_by else Succeeded(completion)


@dataclass(frozen=True, slots=True)
class Deferred:
    """Again at the same target, after a while."""

    error: ProviderError
    delay_ms: int
    #: Whether the attempt counts against the job's attempt budget; waiting for quota does not.
    counts: bool = True
    #: Also pause the job's batch, for this reason: its other lines would meet the same wall.
    pause_batch: str = ""


@dataclass(frozen=True, slots=True)
class Rerouted:
    """On to the next target of the chain."""

    error: ProviderError
    to: NextTarget
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """No reply, and none to come: failed, cancelled or expired."""

    error: ProviderError
    state: State


@dataclass(frozen=True, slots=True)
class Released:
    """Handed back unsent, as if it had not been taken."""

    why: str
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A step of a flow that waits for an answer from outside; nothing was called."""

    token: str
    #: How long it holds.
    expires_ms: int
    #: With the question in the place of its template.
    request: bytes


Outcome = Succeeded | Deferred | Rerouted | Ended | Released | Asked


def paid_usage(outcome: Outcome) -> Usage | None:
    """Tokens that the provider reported for the attempt's last call, be its reply good or not; None for none."""
    match outcome:
        case Succeeded(completion) if outcome.called:
            return completion.usage if completion.metered else None
        case Deferred(error) | Rerouted(error) | Ended(error):
            return error.usage
        case _:
            return None
