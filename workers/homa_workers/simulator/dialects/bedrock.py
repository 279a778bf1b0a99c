"""Bedrock: Converse, its binary event stream, counting tokens, embeddings by InvokeModel (Titan and Cohere).

Shapes: https://docs.aws.amazon.com/bedrock/latest/APIReference; checked against aiobotocore 3.10. The kind of an error
is in a header; cached tokens stand beside `inputTokens`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from homa_workers.simulator.dialect import Dialect, Piece, Reply, stretches
from homa_workers.simulator.dialects import eventstream
from homa_workers.simulator.dialects.bedrock_prompt import read_converse, read_invoke
from homa_workers.simulator.limits import Accounting
from homa_workers.simulator.wire import (
    Answer,
    Failure,
    FailureKind,
    Finish,
    Operation,
    Prompt,
    Route,
    tokens_of_bytes,
)

_PATH = re.compile(r"(?:/([\w.:-]+))?/model/(.+)/(converse|converse-stream|count-tokens|invoke)")
_OPERATIONS = {
    "converse": Operation.CHAT,
    "converse-stream": Operation.CHAT,
    "count-tokens": Operation.COUNT,
    "invoke": Operation.EMBED,
}
_FAILURES: Mapping[FailureKind, tuple[int, str]] = {
    FailureKind.INVALID: (400, "ValidationException"),
    FailureKind.UNPROCESSABLE: (400, "ValidationException"),
    FailureKind.UNSUPPORTED: (400, "ValidationException"),
    FailureKind.CONTEXT: (400, "ValidationException"),
    FailureKind.CONTENT_FILTER: (400, "ValidationException"),
    FailureKind.UNAUTHORIZED: (403, "UnrecognizedClientException"),
    FailureKind.FORBIDDEN: (403, "AccessDeniedException"),
    FailureKind.NOT_FOUND: (404, "ResourceNotFoundException"),
    FailureKind.TIMEOUT: (408, "ModelTimeoutException"),
    FailureKind.CONFLICT: (409, "ConflictException"),
    FailureKind.RATE_LIMITED: (429, "ThrottlingException"),
    FailureKind.QUOTA: (400, "ServiceQuotaExceededException"),
    FailureKind.ERROR: (500, "InternalServerException"),
    FailureKind.BAD_GATEWAY: (424, "ModelErrorException"),
    FailureKind.OVERLOADED: (503, "ServiceUnavailableException"),
    FailureKind.GATEWAY_TIMEOUT: (504, "InternalServerException"),
}
_STOPS = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.REFUSAL: "content_filtered",
}


class BedrockDialect(Dialect):
    """bedrock-runtime.REGION.amazonaws.com."""

    kind = "bedrock"
    price_id = "aws"
    accounting = Accounting.SUM_THEN_ACTUAL
    writes_cache = True
    stream_type = "application/vnd.amazon.eventstream"

    def route(self, method: str, path: str) -> Route | None:
        match = _PATH.fullmatch(path)
        if match is None or method != "POST":
            return None
        account, model, verb = match.groups()
        return Route(_OPERATIONS[verb], account or "", model, verb == "converse-stream")

    def read(self, route: Route, body: Mapping[str, Any]) -> Prompt:
        return (read_invoke if route.operation is Operation.EMBED else read_converse)(route, body)

    def write(self, reply: Reply) -> Any:
        answer = reply.answer
        if reply.prompt.shape == "titan":
            return {"embedding": answer.vectors[0], "inputTextTokenCount": answer.usage.input_tokens}
        if reply.prompt.shape == "nova":
            found = {"embeddingType": "TEXT", "embedding": answer.vectors[0]}
            return {"embeddings": [found], "inputTokenCount": answer.usage.input_tokens}
        if reply.prompt.shape == "cohere":
            return {"embeddings": answer.vectors, "id": reply.request_id, "response_type": "embeddings_floats"}
        return {
            "output": {"message": {"role": "assistant", "content": _content(answer)}},
            "stopReason": _STOPS[answer.finish],
            **_told(answer),
        }

    def stream(self, reply: Reply) -> Sequence[Piece]:
        answer = reply.answer
        pieces = [_event("messageStart", {"role": "assistant"})]
        for index, block in enumerate(_content(answer)):
            pieces += _block(index, block)
        pieces.append(_event("messageStop", {"stopReason": _STOPS[answer.finish]}))
        pieces.append(_event("metadata", _told(answer)))
        return pieces

    def stream_failure(self, failure: Failure, request_id: str, shape: str = "") -> bytes:
        name = _FAILURES[failure.kind][1]
        return eventstream.exception(name[0].lower() + name[1:], {"message": failure.message})

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        return _FAILURES[failure.kind][0], {"message": failure.message}

    def error_headers(self, failure: Failure) -> dict[str, str]:
        return {"x-amzn-errortype": _FAILURES[failure.kind][1]}

    def identity(self, request_id: str) -> dict[str, str]:
        return {"x-amzn-requestid": request_id}

    def count(self, prompt: Prompt) -> Any:
        return {"inputTokens": prompt.prompt_tokens}


def _content(answer: Answer) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"text": answer.text}] if answer.text else []
    return blocks + [
        {"toolUse": {"toolUseId": f"tooluse_{index}", "name": call.name, "input": orjson.loads(call.arguments)}}
        for index, call in enumerate(answer.tool_calls, 1)
    ]


def _block(index: int, block: dict[str, Any]) -> list[Piece]:
    tool = block.get("toolUse")
    pieces: list[Piece] = []
    if tool is None:
        for text, tokens in stretches(block["text"]):
            pieces.append(_event("contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": text}}, tokens))
    else:
        start = {"toolUse": {"toolUseId": tool["toolUseId"], "name": tool["name"]}}
        named = tokens_of_bytes(len(tool["name"]))
        pieces.append(_event("contentBlockStart", {"contentBlockIndex": index, "start": start}, named))
        for text, tokens in stretches(orjson.dumps(tool["input"]).decode()):
            delta = {"toolUse": {"input": text}}
            pieces.append(_event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}, tokens))
    return [*pieces, _event("contentBlockStop", {"contentBlockIndex": index})]


def _told(answer: Answer) -> dict[str, Any]:
    usage, service = answer.usage, answer.service
    counts: dict[str, Any] = {
        "inputTokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "cacheReadInputTokens": usage.cached_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }
    if usage.cache_write_tokens:
        ttl = "1h" if service.keeps_long else "5m"
        counts["cacheDetails"] = [{"ttl": ttl, "inputTokens": usage.cache_write_tokens}]
    tier = {"serviceTier": {"type": service.tier}} if service.tier else {}
    return {"usage": counts, "metrics": {"latencyMs": 1}} | tier


def _event(kind: str, body: Any, tokens: int = 0) -> Piece:
    return Piece(eventstream.event(kind, body), tokens)
