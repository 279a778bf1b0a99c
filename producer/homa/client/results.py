"""How a job ended: a `Reply`, or a `Failure` as a value, which `error()` turns into the exception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Generic, TypeVar

import orjson

from homa.drivers.effects import Fetch, Flow, ask_patiently
from homa.submit.response_format import parse
from homa_shared.calls.reply import Usage, message_text
from homa_shared.model.errors import BudgetExceeded, JobCancelled, JobEnded, JobExpired, JobFailed
from homa_shared.model.records import ENDED, State
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read, text
from homa_shared.store.transitions.media import places

T = TypeVar("T")


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
    schema: Any = field(default=None, repr=False)

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
        return None if self.cost_nano_usd is None else Decimal(self.cost_nano_usd).scaleb(-9)

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


@dataclass(frozen=True, slots=True)
class Look:
    """What the store holds of a job's end."""

    job_id: str
    #: None: the store holds no such job.
    state: State | None
    custom_id: str
    raw: bytes | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def look(keys: Keys, job_ids: Sequence[str]) -> Op[list[Look]]:
    """State and outcome of jobs."""
    commands: list[tuple[Any, ...]] = []
    for job_id in job_ids:
        commands += [("HMGET", keys.job(job_id), "st", "ci"), ("GET", keys.reply(job_id))]

    def parse_all(replies: list[Any]) -> list[Look]:
        looks = []
        for i, job_id in enumerate(job_ids):
            (state, custom_id), raw = replies[2 * i], replies[2 * i + 1]
            looks.append(Look(job_id, State(text(state)) if state else None, text(custom_id), raw))
        return looks

    return read(commands, parse_all)


def outcomes(keys: Keys, looks: Sequence[Look], schema: Any = None) -> Flow[list[Reply[Any] | Failure]]:
    """The outcomes of ended jobs; replies of others that they refer to are fetched in one further step."""
    found = [orjson.loads(look.raw) if look.raw else {} for look in looks]
    sources = sorted({said["cached"] for said in found if said.get("cached")})
    replies = {}
    if sources:
        commands = [("GET", keys.reply(source)) for source in sources]
        raws = yield from ask_patiently(read(commands, lambda answers: answers))
        replies = {source: orjson.loads(raw) for source, raw in zip(sources, raws, strict=True) if raw}
    yield from _fetch_bodies(keys, [*found, *replies.values()])
    return [_outcome(look, said, replies, schema) for look, said in zip(looks, found, strict=True)]


def _fetch_bodies(keys: Keys, told: Sequence[dict[str, Any]]) -> Flow[None]:
    """Gives replies their bodies that live in the blob store. One whose body is gone is left without."""
    large = [said for said in told if "body_at" in said]
    if not large:
        return
    paths = yield from ask_patiently(places(keys, [said["body_at"] for said in large]))
    for said, path in zip(large, paths, strict=True):
        data = (yield Fetch(path)) if path else None
        if data is not None:
            said["body"] = orjson.loads(data)


def _outcome(look: Look, said: dict[str, Any], replies: dict[str, Any], schema: Any) -> Reply[Any] | Failure:
    custom_id = look.custom_id or said.get("custom_id")
    source = said.get("cached")
    if source in replies:
        return _reply(look.job_id, replies[source], custom_id, schema, source)
    if "body" in said and look.state in (State.SUCCEEDED, None):
        return _reply(look.job_id, said, custom_id, schema, None)
    return _failure(look, said, custom_id)


def _reply(job_id: str, said: dict[str, Any], custom_id: str | None, schema: Any, source: str | None) -> Reply[Any]:
    nano = said.get("cost_nano")
    return Reply(
        job_id=job_id,
        body=said["body"],
        usage=Usage(**said.get("usage") or {}),
        provider=said["provider"],
        model=said["model"],
        attempts=0 if source else said.get("attempts", 1),
        cost_nano_usd=0 if source else None if nano is None else nano + (said.get("prior_nano") or 0),
        cached_from=source,
        cached_inputs=len(said["body"].get("data") or ()) if source else said.get("cached_inputs", 0),
        custom_id=custom_id,
        request_id=said.get("request_id"),
        latency_ms=None if source else said.get("latency_ms"),
        queued_ms=None if source else said.get("queued_ms"),
        schema=schema,
    )


def _failure(look: Look, said: dict[str, Any], custom_id: str | None) -> Failure:
    state = look.state or State.EXPIRED
    error = said.get("error") or {}
    message = error.get("message") or "its retention has ended"
    kind = error.get("kind") or "gone"
    if kind == State.FAILED:
        # A script that ends a job says why before a colon: budget, unpriced, too large, poisoned.
        reason = message.partition(":")[0]
        kind = reason.replace(" ", "_") if ":" in message and len(reason) < 20 else kind
    return Failure(
        job_id=look.job_id,
        state=state,
        kind=kind,
        message=message,
        status=error.get("status"),
        code=error.get("code"),
        provider=said.get("provider"),
        model=said.get("model"),
        attempts=said.get("attempts") or 0,
        custom_id=custom_id,
        request_id=said.get("request_id"),
        latency_ms=said.get("latency_ms"),
        queued_ms=said.get("queued_ms"),
    )
