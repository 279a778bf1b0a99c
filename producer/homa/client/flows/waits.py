"""Steps of runs that wait for an answer from outside: listed, and answered by their tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from homa.drivers.effects import Emit, Flow, ask_patiently
from homa.flows.waiting import text_of
from homa_shared.calls.request import JobRequest
from homa_shared.model.errors import AnswerRefused, InvalidRequest, JobNotFound
from homa_shared.store.keys import Keys
from homa_shared.store.reads.flows import WaitingView, asked, waiting
from homa_shared.store.transitions.flows import answer

#: Questions that are read at once.
_PAGE = 100
_LONGEST_TOKEN = 300

_REFUSED = {
    "answered": "was answered otherwise before",
    "expired": "was not answered in time: its token has expired",
    "cancelled": "was cancelled",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A step that waits for an answer from outside."""

    #: By which it is answered, once.
    token: str
    #: The run, the step, and the number of its input, `3`, or of a part of that, `3.0`; empty for all inputs together.
    run: str
    step: str
    item: str
    #: What whoever answers is shown.
    text: str
    #: JSON schema that the answer must fit; None: any text or JSON will do.
    schema: Mapping[str, Any] | None
    expires_at: datetime
    job_id: str
    tenant: str


def questions(keys: Keys, run: str) -> Flow[None]:
    """Emits what waits for an answer in a run (`Question`), the first to expire first."""
    at = 0
    while True:
        page = yield from ask_patiently(waiting(keys, run, at, _PAGE))
        views = yield from ask_patiently(asked(keys, [job for job, _ in page]))
        for (_, expires_ms), view in zip(page, views, strict=True):
            # One that was answered while this was read waits no more.
            if view.token and view.request and view.state == "waiting":
                yield Emit(_question(view, expires_ms))
        if len(page) < _PAGE:
            return
        at += len(page)


def answer_by_token(
    keys: Keys, token: object, given: object, may_answer: Callable[[str], bool] = lambda _: True
) -> Flow[str]:
    """Answers a step that waits; returns the id of its job. The same answer may be given again.

    Args:
        may_answer: whether whoever answers may see jobs of a tenant.

    Raises:
        JobNotFound: no step waits for this token, as far as whoever answers may see.
        InvalidRequest: the answer is no JSON, or does not fit the schema of its step.
        AnswerRefused: it takes no answer any more.
    """
    job_id = _job_of(token)
    (view,) = yield from ask_patiently(asked(keys, [job_id]))
    if not view.token or view.token != token or not may_answer(view.tenant):
        raise _unknown()
    if given is None:
        raise InvalidRequest("the answer is nothing: expected text, or what JSON has")
    request = JobRequest.decode(view.request) if view.request else None
    said = text_of(given, schema_of(request), "the answer")
    digest = hashlib.sha256(said.encode()).hexdigest()
    taken = yield from ask_patiently(answer(keys, job_id, view.token, digest, _answered(request, said)))
    if taken == "unknown":
        raise _unknown()
    if taken != "ok":
        why = _REFUSED.get(taken, f"has {taken}")
        message = f"{view.node.strip()} of run {view.run} {why}: it takes no answer any more"
        raise AnswerRefused(message, why=taken, job_id=job_id)
    return job_id


def schema_of(request: JobRequest | None) -> Mapping[str, Any] | None:
    """The JSON schema that a step's answer must fit; None: none, or its request is gone, since it has ended."""
    asked_for = {} if request is None else request.params.get("response_format") or {}
    found: Mapping[str, Any] | None = (asked_for.get("json_schema") or {}).get("schema")
    return found


def _answered(request: JobRequest | None, said: str) -> bytes:
    if request is None or request.flow is None:
        return b""
    return replace(request, flow=replace(request.flow, answered=said)).encode()


def _job_of(token: object) -> str:
    job_id = token.rpartition(".")[0] if isinstance(token, str) and len(token) <= _LONGEST_TOKEN else ""
    if not job_id:
        raise InvalidRequest(f"token is {token!r:.80}: expected one that `homa flow show RUN` lists")
    return job_id


def _unknown() -> JobNotFound:
    return JobNotFound(
        "no step waits for this token: it is wrong, or its run's retention has ended; `homa flow show RUN` lists "
        "what waits"
    )


def _question(view: WaitingView, expires_ms: int) -> Question:
    request = JobRequest.decode(view.request)
    step, _, item = view.node.partition(" ")
    text = "\n\n".join(str(message["content"]) for message in request.messages)
    expires_at = datetime.fromtimestamp(expires_ms / 1000, UTC)
    return Question(view.token, view.run, step, item, text, schema_of(request), expires_at, view.job_id, view.tenant)
