"""A `Call` in the shape of Gemini's generateContent.

Parameters that Gemini knows under another name are translated; what only tunes OpenAI's storage is left out; all others
go into `GenerateContentConfig` as they are, which refuses what it doesn't know.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Any

import orjson

from homa_shared.calls.reply import Call
from homa_shared.kinds.builtin.gemini import PROFILE
from homa_shared.kinds.model_families import gemini_thinks_by_budget, gemini_wants_signatures
from homa_workers.providers.conversation import Block, File, Given, Renderer, ToolCall, ToolResult
from homa_workers.providers.data_url import DataUrl, is_data_url
from homa_workers.providers.gemini.answer_schema import answer_schema
from homa_workers.providers.gemini.reply import is_stand_in
from homa_workers.providers.invalid_request import refused
from homa_workers.providers.parameters import ToolChoice, given_params, stop_sequences, tool_choice

#: Parameters of OpenAI's that have no counterpart and change nothing that a caller relies on.
LEFT_OUT = frozenset(
    {
        "logit_bias", "metadata", "parallel_tool_calls", "prediction", "prompt_cache_key", "safety_identifier",
        "store", "stream", "stream_options", "user", "verbosity",
    }
)  # fmt: skip

#: Parameters that only go by another name.
RENAMED = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "n": "candidate_count",
    "logprobs": "response_logprobs",
    "top_logprobs": "logprobs",
}

MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}

#: Tokens of thinking for OpenAI's efforts, as Google's own compatible endpoint maps them.
THINKING_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}


#: Stands for a signature that a call does not have because another model made it:
#: ai.google.dev/gemini-api/docs/thought-signatures.
UNSIGNED = "skip_thought_signature_validator"


def contents(messages: list[dict[str, Any]], model: str = "") -> list[dict[str, Any]]:
    """The conversation without its system messages.

    Args:
        model: one that wants signatures gets a stand-in in the first call of each answer that has none.
    """
    turns = RENDERER.turns(messages)
    if gemini_wants_signatures(model):
        for turn in turns:
            call = next((part for part in turn["parts"] if "function_call" in part), None)
            if call is not None:
                call.setdefault("thought_signature", UNSIGNED)
    return turns


def config(call: Call) -> dict[str, Any]:
    """The arguments of a `GenerateContentConfig`."""
    params = given_params(call, LEFT_OUT)
    body: dict[str, Any] = {}
    if system := RENDERER.system(call.messages):
        body["system_instruction"] = {"parts": system}
    body |= {new: params.pop(old) for old, new in RENAMED.items() if old in params}
    if stop := stop_sequences(params):
        body["stop_sequences"] = stop
    if tier := PROFILE.service_tier(params.pop("service_tier", None) or ""):
        body["service_tier"] = tier
    body |= _tools(params) | _format(params.pop("response_format", None) or {}) | _thinking(params, call.model)
    return {**body, **params}


class _GeminiRenderer(Renderer):
    assistant = "model"
    assistant_shows = True
    content = "parts"

    def text(self, text: str, part: Given) -> Block:
        return {"text": text}

    def image(self, url: str) -> Block:
        return _media(url, "image/jpeg")

    def file(self, file: File) -> Block:
        return _media(file.url or file.file_id, "application/pdf")

    def audio(self, part: Given) -> Block:
        audio = part["input_audio"]
        return _inline(DataUrl(f"audio/{audio['format']}", audio["data"]))

    def other(self, part: Given) -> Block:
        if part.get("type") is not None:
            raise refused(f"messages: a part of type {part['type']!r}", "expected text, image_url, input_audio or file")
        return dict(part)

    def tool_call(self, call: ToolCall) -> Block:
        """A tool call; its thought signature goes back unchanged, since Gemini 3 refuses a call without."""
        part: Block = {"function_call": {**_id(call.id), "name": call.name, "args": call.arguments}}
        signature = ((call.given.get("extra_content") or {}).get("google") or {}).get("thought_signature")
        return {**part, "thought_signature": signature} if signature else part

    def tool_result(self, result: ToolResult) -> Block:
        """A tool's result. Gemini wants the function's name and an object; OpenAI's messages hold an id and a text."""
        if result.name is None:
            raise refused(f"messages: tool_call_id {result.call_id!r}", "no earlier message calls it")
        text = "".join(block.get("text", "") for block in result.blocks)
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = text
        response = value if isinstance(value, dict) else {"result": value}
        return {"function_response": {**_id(result.call_id), "name": result.name, "response": response}}


RENDERER = _GeminiRenderer()


def _id(call_id: str | None) -> Block:
    """The id by which Gemini finds the call of a result: parallel calls of one function share their name."""
    return {} if call_id is None or is_stand_in(call_id) else {"id": call_id}


def _media(url: str, default_type: str) -> Block:
    """Media inline (`data:` URL) or by address (any other, a file of Google's among them)."""
    if is_data_url(url):
        return _inline(DataUrl.parse(url))
    kind = mimetypes.guess_type(url.partition("?")[0])[0]
    return {"file_data": {"file_uri": url, "mime_type": kind or default_type}}


def _inline(url: DataUrl) -> Block:
    return {"inline_data": {"mime_type": url.media_type, "data": url.decoded()}}


def _tools(params: dict[str, Any]) -> dict[str, Any]:
    tools = params.pop("tools", None) or []
    choice = params.pop("tool_choice", None)
    functions = [tool["function"] for tool in tools if tool.get("type") == "function"]
    own = [tool for tool in tools if tool.get("type") != "function"]
    declared = [{"function_declarations": [_declaration(function) for function in functions]}] if functions else []
    body: dict[str, Any] = {"tools": declared + own} if tools else {}
    if choice is not None and functions:
        body["tool_config"] = {"function_calling_config": _choice(tool_choice(choice))}
    return body


def _declaration(function: dict[str, Any]) -> dict[str, Any]:
    declaration = {"name": function["name"], "description": function.get("description")}
    schema = function.get("parameters")
    return {**declaration, "parameters_json_schema": schema} if schema else declaration


def _choice(choice: ToolChoice) -> dict[str, Any]:
    config: dict[str, Any] = {"mode": MODES[choice.mode]}
    return {**config, "allowed_function_names": [choice.name]} if choice.name else config


def _format(response_format: Mapping[str, Any]) -> dict[str, Any]:
    match response_format.get("type"):
        case "json_schema":
            schema = answer_schema(response_format["json_schema"]["schema"])
            return {"response_mime_type": "application/json", "response_json_schema": schema}
        case "json_object":
            return {"response_mime_type": "application/json"}
    return {}


def _thinking(params: dict[str, Any], model: str) -> dict[str, Any]:
    effort = params.pop("reasoning_effort", None)
    if effort is None:
        return {}
    if gemini_thinks_by_budget(model):
        return {"thinking_config": {"thinking_budget": THINKING_BUDGETS.get(effort, THINKING_BUDGETS["high"])}}
    return {"thinking_config": {"thinking_level": {"none": "minimal", "max": "xhigh"}.get(effort, effort)}}
