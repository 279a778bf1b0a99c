"""A chat completion request in Mistral's shape.

What has another name or value there is translated, what only tunes or tracks at OpenAI is left out, everything else is
passed on, so that Mistral's own parameters (`safe_prompt`, `prompt_mode`, `guardrails`) can be given as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from string import ascii_letters, digits
from typing import Any

from homa_shared.calls.failures import ErrorKind, NotSent
from homa_workers.providers.assistant_media import shown_by_users

#: Parameters of OpenAI's that it refuses, and that an answer can do without.
LEFT_OUT = frozenset(
    {
        "logit_bias", "logprobs", "modalities", "prompt_cache_retention", "safety_identifier", "service_tier", "store",
        "top_logprobs", "user", "verbosity",
    }
)  # fmt: skip
#: The ids of tool calls that its server takes; github.com/mistralai/mistral-common, protocol/instruct/validator.py.
_TOOL_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")
#: Reasoning is on or off: docs.mistral.ai/studio-api/conversations/reasoning.
_NO_REASONING = frozenset({"none", "minimal"})
_ALPHABET = digits + ascii_letters

Body = dict[str, Any]


def chat_request(body: Body) -> Body:
    """The body of a `/v1/chat/completions` request, from that of OpenAI's.

    Raises ProviderError (INVALID_REQUEST) for messages or parameters of another shape than those.
    """
    try:
        return _translated(body)
    except (AttributeError, KeyError, TypeError) as error:
        why = f"messages or params: not in the shape of a chat completion request ({error!r})"
        raise NotSent(ErrorKind.INVALID_REQUEST, why) from error


def _translated(body: Body) -> Body:
    own = {**body, "messages": [_message(message) for message in shown_by_users(body["messages"])]}
    if "seed" in own:
        own["random_seed"] = own.pop("seed")
    if own.get("tool_choice") == "required":
        own["tool_choice"] = "any"
    if effort := own.get("reasoning_effort"):
        own["reasoning_effort"] = "none" if effort in _NO_REASONING else "high"
    if own.get("tools"):
        own["tools"] = [_tool(tool) for tool in own["tools"]]
    return own


def tool_call_id(foreign: str) -> str:
    """The id of a tool call as Mistral takes it: its own ones as they are, others by their digest.

    A call and its result get the same id, whoever numbered them.
    """
    if _TOOL_CALL_ID.fullmatch(foreign):
        return foreign
    number = int.from_bytes(blake2b(foreign.encode(), digest_size=8).digest(), "big")
    return "".join(_ALPHABET[number // len(_ALPHABET) ** place % len(_ALPHABET)] for place in range(9))


def _message(message: Body) -> Body:
    """A message with the fields that its role has there: any other is refused."""
    content = _content(message.get("content"))
    match message.get("role"):
        case "system" | "developer":
            return {"role": "system", "content": content}
        case "user":
            return {"role": "user", "content": content}
        case "assistant":
            return _assistant(message, content)
        case "tool":
            named = {"name": message["name"]} if message.get("name") else {}
            return {"role": "tool", "content": content, "tool_call_id": tool_call_id(message["tool_call_id"]), **named}
    return message


def _assistant(message: Body, content: object) -> Body:
    """An answer of before. Its reasoning goes back with it: without, the model's next answer is worse."""
    own: Body = {"role": "assistant", "content": content or message.get("refusal") or ""}
    thought = message.get("reasoning_content")
    if thought:
        said = own["content"]
        parts = said if isinstance(said, list) else [{"type": "text", "text": said}] if said else []
        own["content"] = [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}, *parts]
    if calls := message.get("tool_calls"):
        own["tool_calls"] = [_tool_call(call) for call in calls]
    return {**own, "prefix": True} if message.get("prefix") else own


def _tool_call(call: Body) -> Body:
    function = call["function"]
    return {
        "id": tool_call_id(call["id"]),
        "type": "function",
        "function": {"name": function["name"], "arguments": function.get("arguments") or "{}"},
    }


def _content(content: object) -> object:
    return [_part(part) for part in content] if isinstance(content, list) else content


def _part(part: object) -> object:
    match part:
        case str():
            return {"type": "text", "text": part}
        case {"type": "text", "text": text}:
            return {"type": "text", "text": text}
        case {"type": "refusal", "refusal": text}:
            return {"type": "text", "text": text}
        case {"type": "image_url", "image_url": image}:
            return {"type": "image_url", "image_url": image}
        case {"type": "input_audio", "input_audio": {"data": data}}:
            return {"type": "input_audio", "input_audio": data}
    return part


def _tool(tool: Body) -> Body:
    """A definition, whose function must have parameters there."""
    function = tool.get("function")
    if not isinstance(function, Mapping) or function.get("parameters"):
        return tool
    return {**tool, "function": {**function, "parameters": {"type": "object", "properties": {}}}}
