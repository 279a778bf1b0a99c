"""What requests may hold, as JSON schemas: the fields that the gateway goes by. Others are the APIs' own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.submit.job_options import rows
from homa_shared.model.example_models import OPENAI

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_OBJECT: Schema = {"type": "object"}
_COUNT: Schema = {"type": "integer", "minimum": 1}
_MODEL: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "provider:model, or an alias of the settings",
    "examples": [str(OPENAI.target)],
}
_MESSAGE: Schema = {
    "type": "object",
    "properties": {"role": _TEXT, "content": {"type": ["string", "array", "null"], "items": _OBJECT}},
    "required": ["role"],
}
_MESSAGES: Schema = {"type": "array", "items": _MESSAGE, "minItems": 1}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_TOOLS: Schema = {"type": "array", "items": _OBJECT}


def _body(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _job() -> dict[str, Schema]:
    """Options of a job, as docs/python.md lists them."""
    said = {name: {"description": row.help} for name, row in rows().items()}
    typed: dict[str, Schema] = {"prompt": _TEXT, "messages": _MESSAGES, "model": _MODEL, "system": _TEXT, "key": _TEXT}
    return {**said, **{name: {**said.get(name, {}), **schema} for name, schema in typed.items()}}


_JOB = _job()
#: Path -> its body.
BODIES: Mapping[str, Schema] = {
    "/v1/chat/completions": _body(
        "model", "messages", model=_MODEL, messages=_MESSAGES, stream=_FLAG, max_tokens=_COUNT, tools=_TOOLS
    ),
    "/v1/embeddings": _body(
        "model", "input", model=_MODEL, input=_TEXTS, encoding_format={"enum": ["float", "base64"]}, dimensions=_COUNT
    ),
    "/v1/responses": _body(
        "model",
        "input",
        model=_MODEL,
        input={"anyOf": [_TEXT, {"type": "array", "items": _OBJECT}]},
        instructions=_TEXT,
        stream=_FLAG,
        background=_FLAG,
        store=_FLAG,
        tools=_TOOLS,
        metadata=_OBJECT,
    ),
    "/v1/messages": _body(
        "model",
        "messages",
        "max_tokens",
        model=_MODEL,
        messages=_MESSAGES,
        max_tokens=_COUNT,
        system=_TEXT,
        stream=_FLAG,
        tools=_TOOLS,
    ),
    "/v1/messages/count_tokens": _body("model", "messages", model=_MODEL, messages=_MESSAGES, system=_TEXT),
    "/v1/jobs": _body("model", **_JOB),
    "/v1/job-batches": _body(
        "requests",
        **_JOB,
        name=_TEXT,
        requests={"type": "array", "minItems": 1, "items": {"anyOf": [_TEXT, _body(**_JOB)]}},
    ),
    "/v1/flow-answers/{token}": _body("answer", answer={}),
    "/v1/job-batches/{batch}/retry": _body(
        states={"type": "array", "minItems": 1, "items": {"enum": ["failed", "cancelled", "expired"]}}
    ),
}
#: Where headers say more of the job.
SUBMITTING = frozenset({"/v1/chat/completions", "/v1/embeddings", "/v1/responses", "/v1/messages", "/v1/jobs"})

_LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 1000}
_DAY: Schema = {"type": "string", "format": "date"}
_PLACE: Schema = {"type": "integer", "minimum": 0}
#: Path -> its query.
QUERIES: Mapping[str, Mapping[str, Schema]] = {
    "/v1/jobs": {
        **dict.fromkeys(("state", "batch", "queue", "provider", "tenant", "tag", "template"), _TEXT),
        "limit": _LIMIT,
    },
    "/v1/jobs/{job}/events": {"after": _TEXT},
    "/v1/responses/{response}": {"stream": _FLAG, "starting_after": _PLACE},
    "/v1/job-batches": {
        "state": {"enum": ["open", "sealed", "complete"]},
        "tenant": _TEXT,
        "name": _TEXT,
        "limit": _LIMIT,
    },
    "/v1/job-batches/{batch}/results": {"after": _PLACE},
    "/v1/job-batches/{batch}/events": {"after": _PLACE},
    "/v1/costs": {
        "by": {"enum": ["provider", "model", "tenant", "tag", "template", "day", "batch"]},
        "since": _DAY,
        "until": _DAY,
        "batch": _TEXT,
    },
    "/v1/workers": {"gone": _FLAG},
}
