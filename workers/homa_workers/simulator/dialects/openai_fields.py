"""Fields that OpenAI's APIs know: each other one is refused. A table of the simulator's own.

Source: platform.openai.com/docs/api-reference (chat, responses, embeddings).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from homa_workers.simulator.wire import Failure, invalid

_SHARED = (
    "model metadata service_tier temperature top_p top_logprobs stream stream_options tools tool_choice "
    "parallel_tool_calls user safety_identifier prompt_cache_key prompt_cache_retention prompt_cache_options store "
    "moderation "
)
_CHAT = frozenset(
    (
        _SHARED + "messages audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens "
        "max_tokens modalities n prediction presence_penalty reasoning_effort response_format seed stop verbosity "
        "web_search_options"
    ).split()
)
_RESPONSES = frozenset(
    (
        _SHARED
        + "input instructions include max_output_tokens max_tool_calls previous_response_id conversation prompt "
        "reasoning text truncation background background_options context_management "
        # Refused in words of their own, as those that have moved.
        "messages max_tokens max_completion_tokens response_format reasoning_effort stop n seed functions "
        "function_call logprobs"
    ).split()
)
_EMBEDDINGS = frozenset("model input dimensions encoding_format user".split())
_MESSAGE = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "audio", "function_call", "annotations"}
)
_PLAIN_MESSAGE = frozenset({"role", "content"})
_CALL = frozenset({"id", "type", "function", "custom"})
#: Type of a part -> its fields.
_PARTS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"type", "text", "prompt_cache_breakpoint"}),
    "refusal": frozenset({"type", "refusal"}),
    "image_url": frozenset({"type", "image_url", "prompt_cache_breakpoint"}),
    "input_audio": frozenset({"type", "input_audio", "prompt_cache_breakpoint"}),
    "file": frozenset({"type", "file", "prompt_cache_breakpoint"}),
}
_OF_ASSISTANTS = ("text", "refusal")
#: OpenAI's own models, wherever they are served.
_OWN = re.compile(r"(?:ft:)?(?:openai[/.]|(?:us|eu|global)\.openai\.)?(?:gpt-(?!oss)|chatgpt-|o\d|text-embedding-)")


def is_own(model: object) -> bool:
    """Whether a model is OpenAI's; compatible servers know fields of their own for others."""
    return _OWN.match(str(model)) is not None


def refuse_unknown_of_chat(body: Mapping[str, Any]) -> None:
    """Raises Failure for a field of a chat completion's request that is unknown."""
    _refuse(body, _CHAT)
    for number, message in enumerate(body.get("messages") or ()):
        if isinstance(message, dict) and not (
            message.keys() <= _PLAIN_MESSAGE and isinstance(message.get("content"), str)
        ):
            for place in _unknown_in(message):
                raise _unknown(f"messages[{number}]{place}")


def refuse_unknown_of_response(body: Mapping[str, Any]) -> None:
    """Raises Failure for a field of a request for a response that is unknown."""
    _refuse(body, _RESPONSES)


def refuse_unknown_of_embeddings(body: Mapping[str, Any]) -> None:
    """Raises Failure for a field of a request for embeddings that is unknown."""
    _refuse(body, _EMBEDDINGS)


def _refuse(body: Mapping[str, Any], fields: frozenset[str]) -> None:
    for name in body.keys() - fields:
        raise _unknown(name)


def _unknown(name: str) -> Failure:
    return invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def _unknown_in(message: Mapping[str, Any]) -> Iterator[str]:
    yield from (f".{name}" for name in message.keys() - _MESSAGE)
    for number, call in enumerate(message.get("tool_calls") or ()):
        yield from (f".tool_calls[{number}].{name}" for name in call.keys() - _CALL)
    content = message.get("content")
    for number, part in enumerate(content if isinstance(content, Sequence) and not isinstance(content, str) else ()):
        if not isinstance(part, dict):
            yield f".content[{number}]"
            continue
        fields = _PARTS.get(str(part.get("type")), frozenset(part))
        yield from (f".content[{number}].{name}" for name in part.keys() - fields)
        if message.get("role") == "assistant" and part.get("type") not in _OF_ASSISTANTS:
            yield f".content[{number}].type"
