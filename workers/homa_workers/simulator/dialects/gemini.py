"""Gemini: generateContent, its stream, counting tokens, embeddings, models.

Shapes: https://ai.google.dev/api; checked against the google-genai package 3.4. Quota is in the error's details, never
in headers; reasoning stands beside the candidates' tokens; a blocked prompt is a reply of status 200.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from homa_shared.calls.reply import Usage
from homa_workers.simulator.dialect import Dialect, Piece, Reply, stretches
from homa_workers.simulator.dialects.gemini_prompt import read_contents, read_embeddings, without_id
from homa_workers.simulator.limits import Accounting
from homa_workers.simulator.wire import (
    Answer,
    Failure,
    FailureKind,
    Finish,
    Operation,
    Prompt,
    Route,
    byte_length,
    tokens_of_bytes,
)

_CALL = re.compile(r"(?:/([\w.:-]+))?/v1(?:beta|alpha)?/models/([^:]+):(\w+)")
_MODELS = re.compile(r"(?:/([\w.:-]+))?/v1(?:beta|alpha)?/models(?:/([^:]+))?")
_VERBS: Mapping[str, tuple[Operation, bool]] = {
    "generateContent": (Operation.CHAT, False),
    "streamGenerateContent": (Operation.CHAT, True),
    "countTokens": (Operation.COUNT, False),
    "embedContent": (Operation.EMBED, False),
    "batchEmbedContents": (Operation.EMBED, False),
}
_FAILURES: Mapping[FailureKind, tuple[int, str]] = {
    FailureKind.INVALID: (400, "INVALID_ARGUMENT"),
    FailureKind.UNPROCESSABLE: (400, "FAILED_PRECONDITION"),
    FailureKind.UNSUPPORTED: (400, "INVALID_ARGUMENT"),
    FailureKind.CONTEXT: (400, "INVALID_ARGUMENT"),
    FailureKind.CONTENT_FILTER: (200, ""),
    FailureKind.UNAUTHORIZED: (401, "UNAUTHENTICATED"),
    FailureKind.FORBIDDEN: (403, "PERMISSION_DENIED"),
    FailureKind.NOT_FOUND: (404, "NOT_FOUND"),
    FailureKind.TIMEOUT: (408, "DEADLINE_EXCEEDED"),
    FailureKind.CONFLICT: (409, "ABORTED"),
    FailureKind.RATE_LIMITED: (429, "RESOURCE_EXHAUSTED"),
    FailureKind.QUOTA: (429, "RESOURCE_EXHAUSTED"),
    FailureKind.ERROR: (500, "INTERNAL"),
    FailureKind.BAD_GATEWAY: (502, "UNAVAILABLE"),
    FailureKind.OVERLOADED: (503, "UNAVAILABLE"),
    FailureKind.GATEWAY_TIMEOUT: (504, "DEADLINE_EXCEEDED"),
}
#: What a step's thoughts are known by when its call is given back.
_SIGNATURE = base64.b64encode(b"what was thought").decode()
_FINISHES = {Finish.STOP: "STOP", Finish.LENGTH: "MAX_TOKENS", Finish.TOOL_CALLS: "STOP", Finish.REFUSAL: "SAFETY"}


class GeminiDialect(Dialect):
    """generativelanguage.googleapis.com."""

    kind = "gemini"
    own_header = "x-goog-api-key"
    price_id = "google"
    accounting = Accounting.INPUT_ONLY
    searches = True
    stream_type = "text/event-stream"

    def route(self, method: str, path: str) -> Route | None:
        call = _CALL.fullmatch(path)
        if call is not None and method == "POST" and call[3] in _VERBS:
            operation, stream = _VERBS[call[3]]
            return Route(operation, call[1] or "", call[2], stream, call[3])
        models = _MODELS.fullmatch(path)
        if models is not None and method == "GET":
            return Route(Operation.MODELS, models[1] or "", models[2] or "")
        return None

    def read(self, route: Route, body: Mapping[str, Any]) -> Prompt:
        return (read_embeddings if route.operation is Operation.EMBED else read_contents)(route, body)

    def write(self, reply: Reply) -> Any:
        if reply.answer.vectors:
            values = [{"values": vector} for vector in reply.answer.vectors]
            several = reply.prompt.shape == "batchEmbedContents"
            used = {"usageMetadata": {"promptTokenCount": reply.answer.usage.input_tokens}}
            return used | ({"embeddings": values} if several else {"embedding": values[0]})
        answer = reply.answer
        return self._response(reply, _parts(answer), _FINISHES[answer.finish], answer.usage)

    def stream(self, reply: Reply) -> Sequence[Piece]:
        answer = reply.answer
        pieces: list[Piece] = []
        if answer.finish is not Finish.REFUSAL:
            for text, tokens in stretches(answer.text):
                pieces.append(self._piece(self._response(reply, [{"text": text}]), tokens))
            for call in _parts(answer) if answer.tool_calls else []:
                tokens = tokens_of_bytes(byte_length(orjson.dumps(without_id(call["functionCall"])).decode()))
                pieces.append(self._piece(self._response(reply, [call]), tokens))
        last = self._response(reply, [], _FINISHES[answer.finish], answer.usage)
        return [*pieces, self._piece(last)]

    def told(self, reply: Reply) -> dict[str, str]:
        return {"x-gemini-service-tier": reply.answer.service.tier or "standard"}

    def stream_failure(self, failure: Failure, request_id: str, shape: str = "") -> bytes:
        return self._piece(self.failure(failure, request_id)[1]).data

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        status, name = _FAILURES[failure.kind]
        if failure.kind is FailureKind.CONTENT_FILTER:
            return status, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "responseId": request_id}
        error: dict[str, Any] = {"code": status, "message": failure.message, "status": name}
        if failure.kind is FailureKind.QUOTA:
            error["message"] = f"Your prepayment credits are depleted. {failure.message}"
        elif status == 429:
            error["details"] = _quota_details(failure)
        return status, {"error": error}

    def count(self, prompt: Prompt) -> Any:
        return {"totalTokens": prompt.prompt_tokens}

    def models(self, names: Sequence[str]) -> Any:
        return {"models": [self.model(name) for name in names]}

    def model(self, name: str) -> Any:
        return {
            "name": f"models/{name}",
            "displayName": name,
            "version": "001",
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": list(_VERBS),
        }

    def _response(
        self, reply: Reply, parts: list[dict[str, Any]], finish: str | None = None, usage: Usage | None = None
    ) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if finish is not None:
            candidate["finishReason"] = finish
        if not parts and finish is not None:
            candidate["content"] = {"role": "model"}
        if finish is not None and (searches := reply.answer.service.searches):
            queries = [f"query {number}" for number in range(searches)]
            candidate["groundingMetadata"] = {"webSearchQueries": queries}
        response: dict[str, Any] = {"candidates": [candidate]}
        if usage is not None:
            response["usageMetadata"] = _usage(usage)
        return {**response, "modelVersion": reply.prompt.model, "responseId": reply.request_id}

    @staticmethod
    def _piece(data: Any, tokens: int = 0) -> Piece:
        return Piece(b"data: " + orjson.dumps(data) + b"\r\n\r\n", tokens)


def _parts(answer: Answer) -> list[dict[str, Any]]:
    if answer.finish is Finish.REFUSAL:
        return []
    if answer.tool_calls:
        parts: list[dict[str, Any]] = [
            {"functionCall": {"id": f"fc-{index}", "name": call.name, "args": orjson.loads(call.arguments)}}
            for index, call in enumerate(answer.tool_calls, 1)
        ]
        # Of calls side by side the first one bears it.
        parts[0]["thoughtSignature"] = _SIGNATURE
        return parts
    return [{"text": answer.text}]


def _usage(usage: Usage) -> dict[str, Any]:
    parts = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input_tokens}],
    }
    if usage.cached_tokens:
        parts["cachedContentTokenCount"] = usage.cached_tokens
    if usage.reasoning_tokens:
        parts["thoughtsTokenCount"] = usage.reasoning_tokens
    return parts


def _quota_details(failure: Failure) -> list[dict[str, Any]]:
    """What was exhausted, as google.rpc.QuotaFailure, and how long to wait, as RetryInfo."""
    daily = failure.dimension == "requests_per_day"
    tokens = failure.dimension.endswith("tokens")
    metric = "generate_content_paid_tier_input_token_count" if tokens else "generate_requests_per_model"
    quota_id = (
        "GenerateRequestsPerDayPerProjectPerModel"
        if daily
        else f"GenerateContent{'InputTokens' if tokens else 'Requests'}PerMinutePerProjectPerModel"
    )
    violation = {"quotaMetric": f"generativelanguage.googleapis.com/{metric}", "quotaId": quota_id}
    details: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
    ]
    if failure.retry_after_s is not None:
        delay = f"{math.ceil(failure.retry_after_s * 1000) / 1000:g}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return details
