"""Gemini's replies, whole or streamed, as chat completions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Delta, Usage
from homa_workers.providers.chat_completion import Body, assistant_message, chat_completion, choice, tool_call
from homa_workers.providers.gemini.usage import is_metered, usage_of
from homa_workers.providers.stream_assembly import StreamAssembly
from homa_workers.providers.token_counts import section

#: Finish reasons in OpenAI's words; those of a function call come from its parts.
FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",  # the most that one request generates; what there is, is good
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR", "JAILBREAK",
        ),
        "content_filter",
    ),
}  # fmt: skip


#: What ends a reply for a reason that another try would meet again; all other reasons are faults of the model's.
FINAL_FAULTS = {
    # From this history, or with these tools, the model does not go on; another one may.
    "MISSING_THOUGHT_SIGNATURE": ErrorKind.UNSUPPORTED_BY_MODEL,
    "TOO_MANY_TOOL_CALLS": ErrorKind.UNSUPPORTED_BY_MODEL,
    # The account was disabled.
    "PUP_LIMITED_DISABLED": ErrorKind.UNAUTHORIZED,
}


#: The id of a tool call to which Gemini gave none: of the choice, and of the call in it.
_STAND_IN = re.compile(r"call_\d+_\d+")


def completion_body(reply: Body, model: str, usage: Usage) -> dict[str, Any]:
    """A reply as the body of a chat completion.

    Raises ProviderError: CONTENT_POLICY when the prompt was blocked, MALFORMED when there is no finished candidate,
    UNUSABLE_REPLY when one ended by a fault of the model's (a function call that makes no sense), or what FINAL_FAULTS
    say. All carry the usage that was reported.
    """
    reported = usage if is_metered(reply) else None
    candidates = reply.get("candidates")
    if not candidates and (blocked := (reply.get("promptFeedback") or {}).get("blockReason")):
        raise ProviderError(ErrorKind.CONTENT_POLICY, "the prompt was blocked", code=str(blocked), usage=reported)
    if not isinstance(candidates, list) or not all(candidate.get("finishReason") for candidate in candidates or [{}]):
        shown = orjson.dumps(reply).decode()[:200]
        raise ProviderError(ErrorKind.MALFORMED, f"expected finished candidates, got: {shown}", usage=reported)
    for candidate in candidates:
        if (reason := candidate["finishReason"]) not in FINISH_REASONS:
            why = candidate.get("finishMessage") or f"the model gave no usable answer ({reason})"
            kind = FINAL_FAULTS.get(reason, ErrorKind.UNUSABLE_REPLY)
            # The model has run, whatever the kind says of other errors.
            raise ProviderError(kind, why, code=reason, usage=reported, begun=True)
    choices = [_choice(index, candidate) for index, candidate in enumerate(candidates)]
    return chat_completion(reply.get("responseId"), reply.get("modelVersion") or model, choices, usage)


def _choice(index: int, candidate: Body) -> dict[str, Any]:
    parts = (candidate.get("content") or {}).get("parts") or []
    calls = [_tool_call(f"call_{index}_{n}", part) for n, part in enumerate(p for p in parts if "functionCall" in p)]
    texts = [part["text"] for part in parts if "text" in part and not part.get("thought")]
    thoughts = [part["text"] for part in parts if "text" in part and part.get("thought")]
    message = assistant_message(texts, calls)
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    reason = FINISH_REASONS[candidate["finishReason"]]
    return choice(message, "tool_calls" if calls and reason == "stop" else reason, index=index)


def is_stand_in(call_id: str) -> bool:
    """Whether a tool call's id stands in for one that Gemini did not give."""
    return _STAND_IN.fullmatch(call_id) is not None


def _tool_call(fallback_id: str, part: Body) -> dict[str, Any]:
    function = part["functionCall"]
    call = tool_call(function.get("id") or fallback_id, function["name"], function.get("args"))
    signature = part.get("thoughtSignature")
    return {**call, "extra_content": {"google": {"thought_signature": signature}}} if signature else call


class ReplyAssembly(StreamAssembly):
    """A streamed reply in the making: each event is a small reply of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._reply: dict[str, Any] = {}
        self._candidates: dict[int, dict[str, Any]] = {}

    @property
    def text(self) -> str:
        parts = (part for candidate in self._candidates.values() for part in candidate["content"]["parts"])
        return "".join(map(_written, parts))

    @property
    def begun(self) -> bool:
        parts = (part for candidate in self._candidates.values() for part in candidate["content"]["parts"])
        if any(part.get("text") or "functionCall" in part or "thoughtSignature" in part for part in parts):
            return True
        # Thoughts are counted, whether or not they are shown.
        return bool(usage_of(section(self._reply, "usageMetadata")).output_tokens)

    def _deltas(self, event: Any) -> Iterator[Delta]:
        told = {name: value for name, value in event.items() if name not in ("candidates", "sdkHttpResponse")}
        self._reply |= told
        if "usageMetadata" not in told and any(map(_brings_parts, event.get("candidates") or ())):
            # It had counted what was written by then.
            self._reply.pop("usageMetadata", None)
        if response := event.get("sdkHttpResponse"):
            self.headers = response.get("headers") or self.headers
        for piece in event.get("candidates") or ():
            index = piece.get("index") or 0
            candidate = self._candidates.setdefault(index, {"content": {"parts": []}})
            candidate |= {name: value for name, value in piece.items() if name != "content"}
            for part in (piece.get("content") or {}).get("parts") or ():
                candidate["content"]["parts"].append(part)
                yield from _delta(part, index, candidate)

    def reply(self) -> dict[str, Any]:
        """The whole reply. Raises ProviderError (AMBIGUOUS) when the stream was cut."""
        candidates = [self._candidates[index] for index in sorted(self._candidates)]
        blocked = not candidates and self._reply.get("promptFeedback")
        if not blocked and not all(candidate.get("finishReason") for candidate in candidates or [{}]):
            raise self.broken("the stream ended without a finishReason")
        return {**self._reply, "candidates": candidates}


def _brings_parts(candidate: Body) -> bool:
    return bool((candidate.get("content") or {}).get("parts"))


def _written(part: Body) -> str:
    if "functionCall" in part:
        return orjson.dumps(part["functionCall"].get("args") or {}).decode()
    return part.get("text") or ""


def _delta(part: Body, index: int, candidate: Body) -> Iterator[Delta]:
    if "functionCall" in part:
        position = sum("functionCall" in earlier for earlier in candidate["content"]["parts"]) - 1
        yield Delta(tool_call={"index": position, **_tool_call(f"call_{index}_{position}", part)}, choice=index)
    elif part.get("text"):
        thought = bool(part.get("thought"))
        yield Delta("" if thought else part["text"], part["text"] if thought else "", choice=index)
