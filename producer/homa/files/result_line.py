"""A line of a results file: an OpenAI batch output line with a `homa` part; failures are values like answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from homa.files.digests import digest
from homa.files.rows import BadRow
from homa_shared.calls.reply import is_cut
from homa_shared.model.json_safe import valid_text
from homa_shared.model.money import usd

#: Error code of an input that could not be read or rendered, and so never became a job.
INVALID_INPUT = "invalid_input"
#: Error code of what was found among the inputs and not read.
SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class HomaPart:
    """What Homa knows of a line beyond the provider's answer; all empty for an input that never became a job."""

    job: str | None = None
    provider: str | None = None
    model: str | None = None
    attempts: int = 0
    #: Nano-dollars of all attempts; None where a price is not known.
    cost_nano_usd: int | None = 0
    cached: bool = False
    #: From submission to the first call.
    queued_ms: int | None = None
    #: Of the call that brought the answer.
    latency_ms: int | None = None
    #: Why its answer ended: stop, length (it was cut), tool_calls, content_filter; None where nobody says.
    finish_reason: str | None = None
    #: Digests of the row that it answers, and of the order under which it does; empty where nobody knows.
    row: str = ""
    order: str = ""
    #: What was changed about its parameters for the model that answered, and how the answer ended where it was cut.
    notes: tuple[str, ...] = ()
    #: Of a part of a document which it is, as `units.unit.COLUMNS` names it; empty for all else.
    unit: Mapping[str, Any] = field(default_factory=dict)
    #: What the application gave the job to carry.
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """A job's end with a reply."""

    #: A `chat.completion` object.
    body: Mapping[str, Any]
    homa: HomaPart = field(default_factory=HomaPart)
    #: The provider's own id of the request.
    request_id: str | None = None
    status_code: int = 200


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Any other end: failed, cancelled, expired, or an input that cannot be sent."""

    #: For programs: an ErrorKind, `cancelled`, `expired` or `invalid_input`.
    code: str
    #: For people.
    message: str
    homa: HomaPart = field(default_factory=HomaPart)
    request_id: str | None = None
    #: The provider's HTTP status, where it gave one.
    status_code: int | None = None


def result_line(custom_id: str, outcome: Answered | Unanswered) -> dict[str, Any]:
    """The line for one input.

    `error` is null exactly where there is an answer. A failure that a provider told has a `response` too, with its
    status and the error as body, as OpenAI writes it; any other has `response` null.
    """
    error = None
    if isinstance(outcome, Unanswered):
        error = {"code": outcome.code, "message": outcome.message}
    return {
        "id": outcome.homa.job or f"line_{digest(custom_id).hex()}",
        "custom_id": custom_id,
        "response": _response(outcome, error),
        "error": error,
        "homa": _homa(outcome.homa),
    }


def answer_body(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A reply's body as results files and the gateway have it: what OpenAI's API answers, whoever the provider is."""
    return body


def bad_row_line(bad: BadRow, part: HomaPart | None = None) -> dict[str, Any]:
    """The line for an input that cannot be sent."""
    code = SKIPPED if bad.skipped else INVALID_INPUT
    return result_line(bad.custom_id, Unanswered(code, str(bad), part or HomaPart()))


def _response(outcome: Answered | Unanswered, error: dict[str, str] | None) -> dict[str, Any] | None:
    if outcome.status_code is None:
        return None
    body = answer_body(outcome.body) if isinstance(outcome, Answered) else {"error": error}
    return {"status_code": outcome.status_code, "request_id": outcome.request_id, "body": body}


def _homa(part: HomaPart) -> dict[str, Any]:
    line: dict[str, Any] = {
        "job": part.job,
        "provider": part.provider,
        "model": part.model,
        "finish_reason": part.finish_reason,
        "attempts": part.attempts,
        "cost_usd": None if part.cost_nano_usd is None else usd(part.cost_nano_usd),
        "cached": part.cached,
        "queued_ms": part.queued_ms,
        "latency_ms": part.latency_ms,
    }
    if part.row:
        line["row"], line["order"] = part.row, part.order
    if part.unit:
        line["unit"] = dict(part.unit)
    if part.notes:
        line["notes"] = list(part.notes)
    if part.metadata:
        line["metadata"] = dict(part.metadata)
    return line


def is_good(line: Mapping[str, Any]) -> bool:
    """Whether a line holds an answer, so that its input is done; one of several answers holds none of its own."""
    return line.get("error") is None and line.get("response") is not None


def is_cut_line(line: Mapping[str, Any]) -> bool:
    """Whether a line holds an answer that was cut."""
    return is_good(line) and is_cut(line["response"].get("body") or {})


def line_bytes(line: Mapping[str, Any]) -> bytes:
    """A line as UTF-8 JSON with its newline."""
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a surrogate pair, as models cut off in an emoji send it, or an integer beyond 64 bits
        return valid_text(json.dumps(line, ensure_ascii=False, default=dict)).encode() + b"\n"
