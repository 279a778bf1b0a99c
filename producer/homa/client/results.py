"""How a job ended: a `Reply`, or a `Failure` as a value, which `error()` turns into the exception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Generic, TypeVar

from homa.client.management.units import usd_of
from homa.submit.response_format import parse
from homa_shared.calls.reply import Usage, message_text
from homa_shared.model.errors import BudgetExceeded, JobCancelled, JobEnded, JobExpired, JobFailed
from homa_shared.model.records import State

T = TypeVar("T")

#: Characters of the answer in what `repr` says.
_EXCERPT = 60


@dataclass(frozen=True)
class Reply(Generic[T]):
    """A job's reply."""

    job_id: str
    #: A `chat.completion` object in OpenAI's shape, whichever provider wrote it.
    body: Mapping[str, Any] = field(repr=False)
    usage: Usage
    #: The configured provider and its model that answered.
    provider: str
    model: str
    #: Tries that it took, over all targets.
    attempts: int = 1
    #: Known cost of all its attempts, nano-dollars; None where the price is not known. 0 for a cached one.
    cost_nano_usd: int | None = None
    #: The job whose reply this is, where an equal one had been answered before.
    cached_from: str | None = None
    #: Of a job of embeddings: texts whose vectors were kept from jobs before.
    cached_inputs: int = 0
    custom_id: str | None = None
    #: The provider's own id of the request.
    request_id: str | None = None
    #: Of the call that brought the reply.
    latency_ms: int | None = None
    #: From submission to that call.
    queued_ms: int | None = None
    #: What was changed about its parameters for the model that answered, and how the answer ended where it was cut.
    notes: tuple[str, ...] = ()
    schema: Any = field(default=None, repr=False)
    #: What the job was given to carry; no provider has seen it.
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The answer; empty when it consists of tool calls only."""
        return message_text(dict(self.body))

    @property
    def finish_reason(self) -> str | None:
        """stop, length, tool_calls or content_filter."""
        reason = self._choice().get("finish_reason")
        return str(reason) if reason else None

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """Tools that the model wants called, in OpenAI's shape."""
        return list((self._choice().get("message") or {}).get("tool_calls") or [])

    @property
    def cost_usd(self) -> Decimal | None:
        """Known cost in dollars, exact; None where the price is not known."""
        return None if self.cost_nano_usd is None else usd_of(self.cost_nano_usd)

    @property
    def cached(self) -> bool:
        """Whether nothing was called for it."""
        return self.cached_from is not None or 0 < self.cached_inputs == len(self.body.get("data") or ())

    @cached_property
    def parsed(self) -> T:
        """The answer as an object of the schema that was asked for; None where none was.

        Raises:
            InvalidReply: the answer does not fit it.
        """
        return None if self.schema is None else parse(self.text, self.schema)  # type: ignore[return-value]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        cost = "unpriced" if self.cost_usd is None else f"${self.cost_usd}"
        cut = "…" if len(self.text) > _EXCERPT else ""
        return f"<Reply {self.job_id} {self.provider}:{self.model} {cost} {self.text[:_EXCERPT]!r}{cut}>"

    def _choice(self) -> dict[str, Any]:
        choices = self.body.get("choices") or [{}]
        return dict(choices[0])


@dataclass(frozen=True, slots=True)
class Failure:
    """Any other end."""

    job_id: str
    state: State
    #: For programs: an ErrorKind, `budget`, `unpriced`, or the state.
    kind: str
    #: For people.
    message: str
    #: The provider's HTTP status and error code, where it gave one.
    status: int | None = None
    code: str | None = None
    provider: str | None = None
    model: str | None = None
    attempts: int = 0
    custom_id: str | None = None
    request_id: str | None = None
    latency_ms: int | None = None
    queued_ms: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def error(self, attempts: Sequence[Any] = ()) -> JobEnded:
        """The exception that says the same; raised by `Job.result`."""
        kind = JobOverBudget if self.kind in ("budget", "unpriced") else _ERRORS[self.state]
        count = f" after {self.attempts} attempt{'s' if self.attempts > 1 else ''}" if self.attempts else ""
        where = f" at {self.provider}:{self.model}" if self.provider else ""
        return kind(
            f"job {self.job_id} {_SAID[self.state]}{count}{where}: {self.message}",
            job_id=self.job_id,
            attempts=attempts,
        )


class JobOverBudget(JobFailed, BudgetExceeded):
    """The job was not called, since a budget's cap leaves no room for it."""


_ERRORS: dict[State, type[JobEnded]] = {
    State.FAILED: JobFailed,
    State.CANCELLED: JobCancelled,
    State.EXPIRED: JobExpired,
    State.SUCCEEDED: JobFailed,  # succeeded, but its reply's retention has ended
}
_SAID = {
    State.FAILED: "failed",
    State.CANCELLED: "was cancelled",
    State.EXPIRED: "expired",
    State.SUCCEEDED: "succeeded, but its reply is gone",
}
