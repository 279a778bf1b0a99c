"""A response object: what was asked, how far it is, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from homa.gateway.errors import ApiError
from homa.gateway.openai.responses.output import output_of, usage_of
from homa_shared.model.records import ENDED, State

#: Field of a job's metadata that holds what its response tells back.
KEPT = "response"
#: Begins the id of a response; the job's follows.
PREFIX = "resp_"
#: Fields that a response tells back as they were asked for, and what stands where nothing was said.
_ECHOED: dict[str, Any] = {
    "model": "",
    "instructions": None,
    "metadata": {},
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "temperature": None,
    "top_p": None,
    "max_output_tokens": None,
    "reasoning": None,
    "text": {"format": {"type": "text"}},
    "truncation": "disabled",
    "user": None,
    "service_tier": None,
    "background": False,
    "store": True,
    "stream": False,
}
#: Kept with the job where they are small: a job carries at most 4 KiB.
_MOST_KEPT = 3500
#: What is left out first where they are not.
_LONG = ("tools", "text", "instructions")
#: HTTP status of an error -> its code in a response.
_CODES = {400: "invalid_prompt", 429: "rate_limit_exceeded"}


@dataclass(frozen=True, slots=True)
class ResponseDocument:
    """One response."""

    job_id: str
    asked: Mapping[str, Any]
    created_s: float
    status: str = "in_progress"
    body: Mapping[str, Any] | None = None
    error: ApiError | None = None
    ended_s: float | None = None

    @property
    def is_background(self) -> bool:
        return bool(self.asked.get("background"))

    @property
    def is_streamed(self) -> bool:
        return bool(self.asked.get("stream"))

    def ended(self, body: Mapping[str, Any]) -> ResponseDocument:
        """The same with the reply."""
        status = "incomplete" if _incomplete(body) else "completed"
        return replace(self, status=status, body=body, ended_s=time.time())

    def failed(self, error: ApiError) -> ResponseDocument:
        """The same with what went wrong."""
        status = "cancelled" if error.code == "job_cancelled" else "failed"
        return replace(self, status=status, error=error, ended_s=time.time())

    def as_json(self) -> dict[str, Any]:
        """As the API tells it."""
        told = {name: value for name, value in self.asked.items() if name != "stream"}
        failed = self.status == "failed" and self.error is not None
        return {
            **told,
            "id": PREFIX + self.job_id,
            "object": "response",
            "created_at": int(self.created_s),
            "completed_at": int(self.ended_s) if self.ended_s and self.status == "completed" else None,
            "status": self.status,
            "error": _error(self.error) if failed and self.error else None,
            "incomplete_details": {"reason": _incomplete(self.body)} if self.status == "incomplete" else None,
            "previous_response_id": None,
            "output": [] if self.body is None else output_of(self.body, self.job_id),
            "usage": None if self.body is None else usage_of(self.body),
        }


def asked_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a request asks for, with what holds where it says nothing."""
    return {name: default if body.get(name) is None else body[name] for name, default in _ECHOED.items()}


def kept_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept with the job, so that the response can be told later by anybody."""
    kept = {name: value for name, value in asked.items() if value != _ECHOED[name]}
    for name in _LONG:
        if len(orjson.dumps(kept)) > _MOST_KEPT:
            kept.pop(name, None)
    return kept


def asked_again(kept: Mapping[str, Any]) -> dict[str, Any]:
    """`asked_of` of what was kept."""
    return {**_ECHOED, **kept}


def status_of(state: State) -> str:
    """How far a job is, in the API's words; ended ones have more to say."""
    if state in ENDED:
        return "completed"
    return "in_progress" if state is State.RUNNING else "queued"


def _error(error: ApiError) -> dict[str, Any]:
    return {"code": _CODES.get(error.status, "server_error"), "message": error.message}


def _incomplete(body: Mapping[str, Any] | None) -> str | None:
    """Why an answer is not whole."""
    reason = ((body or {}).get("choices") or [{}])[0].get("finish_reason")
    return {"length": "max_output_tokens", "content_filter": "content_filter"}.get(str(reason))
