"""Homa's errors. Each message names the offender, its value, what was expected, and the next step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class HomaError(Exception):
    """Base of every error that Homa raises."""


class ConfigError(HomaError):
    """A setting is missing or wrong; the message names it, its value, its origin and what was expected."""


class InvalidRequest(HomaError):
    """A request cannot be accepted as it stands; nothing was submitted."""


class UnknownModel(InvalidRequest):
    """A model is neither `provider:model` with a configured provider nor a configured alias."""


class KeyConflict(InvalidRequest):
    """An idempotency key was used before with another request."""

    def __init__(self, message: str, *, job_id: str = "") -> None:
        super().__init__(message)
        #: The job that was submitted with it first.
        self.job_id = job_id


class ConversationNotFound(HomaError):
    """No conversation of this id is in the store: it was not begun, was deleted, or its retention has ended."""


class ConversationForbidden(InvalidRequest):
    """A conversation belongs to another owner or tenant than it was asked for; nothing was stored."""


class ConversationFull(InvalidRequest):
    """A conversation has as many turns, or as much text, as it may have; nothing was stored."""


class StaleTurn(InvalidRequest):
    """A conversation has other turns than whoever asks has seen; nothing was stored."""

    def __init__(self, message: str, *, expected: int = 0, turns: int = 0) -> None:
        super().__init__(message)
        #: Turns that it was expected to have, and those that it has.
        self.expected, self.turns = expected, turns


class TurnPending(InvalidRequest):
    """A conversation's last turn still waits for its answer; nothing was stored."""

    def __init__(self, message: str, *, turn: int = 0, job_id: str = "") -> None:
        super().__init__(message)
        #: Number of that turn, and the job that is to answer it.
        self.turn, self.job_id = turn, job_id


class AnswerRefused(InvalidRequest):
    """A step of a flow takes no answer: it has another one, its token has expired, or its run was cancelled."""

    def __init__(self, message: str, *, why: str = "", job_id: str = "") -> None:
        super().__init__(message)
        #: answered, expired, cancelled, or the state in which it has ended otherwise; and the job that waited.
        self.why, self.job_id = why, job_id


class MissingExtra(HomaError):
    """An optional part is not installed; the message carries the install line."""

    def __init__(self, what: str, extra: str) -> None:
        #: What was asked for, and the extra that brings it.
        self.what, self.extra = what, extra
        install = f"pip install 'homa-queue[{extra}]' (homa alone is another project's distribution)"
        super().__init__(f"{what} needs an optional part that is not installed: {install}")

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return type(self), (self.what, self.extra)


class SealedPayload(HomaError):
    """A payload in the store cannot be opened here: its key is missing, or it was changed or moved."""

    def __init__(self, message: str, *, key_id: str = "", is_damaged: bool = False) -> None:
        super().__init__(message)
        #: Id of the key that it says it is sealed by.
        self.key_id = key_id
        #: The key is here, and does not open it.
        self.is_damaged = is_damaged

    @classmethod
    def without_key(cls, key_id: str) -> SealedPayload:
        """Of a key that this process does not have."""
        return cls(
            f"sealed by the key {key_id!r:.40}, which is not here: add it to HOMA_ENCRYPTION_KEYS of this process",
            key_id=key_id,
        )

    @classmethod
    def damaged(cls, key_id: str, place: str) -> SealedPayload:
        """Of a key that this process has."""
        what = place.partition("\0")[0]
        return cls(
            f"the key {key_id!r:.40} does not open this {what}: it was changed or moved in the store, or sealed by "
            "another key of this id; `homa doctor` compares the keys of workers",
            key_id=key_id,
            is_damaged=True,
        )


class StoreUnavailable(HomaError):
    """The store cannot be reached, or is not one that can keep jobs safely."""

    #: A job that may have been accepted all the same; None where nothing was submitted.
    job_id: str | None = None


class StoreFull(HomaError):
    """The store has no room for another job; what was accepted before stays."""


class OutputUnwritable(HomaError):
    """The results file takes no more; what it has is kept, and `--resume` goes on from there."""


class PlaceUnavailable(HomaError):
    """An object store or a web server that has inputs, or is to have results, cannot be reached now."""


class BudgetExceeded(HomaError):
    """A budget's cap leaves no room for this job."""


class KeyRateExceeded(HomaError):
    """A key of the gateway has no room for this request in its present minute; nothing was submitted."""

    def __init__(self, message: str, headroom: Any = None) -> None:
        super().__init__(message)
        #: What the key has left, and when there will be room (`Headroom`).
        self.headroom = headroom


class JobNotFound(HomaError):
    """No job of this id is in the store: it never was, or its retention has ended."""


class JobEnded(HomaError):
    """Base of the errors that tell how a job ended without a reply."""

    def __init__(self, message: str, *, job_id: str = "", attempts: Sequence[Any] = ()) -> None:
        super().__init__(message)
        #: The job's id.
        self.job_id = job_id
        #: Its attempts in order, each with target, outcome, error and cost.
        self.attempts = list(attempts)


class JobFailed(JobEnded):
    """The job failed at every target that it could go to."""


class JobCancelled(JobEnded):
    """The job was cancelled."""


class JobExpired(JobEnded):
    """The job's deadline passed before it had a reply."""


class InvalidReply(HomaError):
    """A reply's text does not fit the schema that was asked for; the text is kept."""


class CountFailed(HomaError):
    """A provider that was asked for its own count of tokens did not answer."""


class ResultTimeout(HomaError, TimeoutError):
    """The job has not ended within the time given; it goes on."""
