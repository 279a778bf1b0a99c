"""What a provider takes of a request, by sources that nobody here wrote: the types of its own SDK, or its reference.

An adapter's author and the simulator's may remember the same thing wrongly; these do not ask them. Whatever differs
from a source stands in `ALLOWED`, with its reason.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from anthropic.types.thinking_config_param import ThinkingConfigParam
from botocore.session import get_session
from botocore.validate import ParamValidator
from google.genai import types
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.embedding_create_params import EmbeddingCreateParams
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import BaseModel, ValidationError

from tests.providers.sdk_types import faults

Body = Mapping[str, Any]


class Allowed(NamedTuple):
    """A fault that is none, and why."""

    #: Found in the fault.
    pattern: str
    reason: str
    kinds: frozenset[str] = frozenset()


_OPENAI_SHAPED = frozenset({"openai", "azure", "ollama", "cohere", "mistral"})
ALLOWED = (
    Allowed(
        r"^body\.(?:temperature|top_p|top_k): unknown to MessageCreateParams",
        "requests name version 2023-06-01 of the API, which has them; the SDK's types are those of 2026-10-21",
        frozenset({"anthropic"}),
    ),
    Allowed(
        r"\.id: missing in ResponseReasoningItemParam",
        "where nothing is stored, an id is of an item that the API does not know: encrypted_content stands for it",
        frozenset({"openai", "azure"}),
    ),
    Allowed(
        r"unknown to ChatCompletion", "Go's decoder of JSON ignores fields that it does not know", frozenset({"ollama"})
    ),
    Allowed(r"x_unknown", "a parameter that nobody knows is passed on, so that new ones can be used at once"),
)


def faults_of(kind: str, path: str, body: Body) -> list[str]:
    """What of a request its provider would not take.

    Args:
        kind: of provider.
        path: that it was sent to.
    """
    # Many models are sent the same.
    return list(_faults_of(kind, path, orjson.dumps({**body, "model": "m"} if "model" in body else body)))


@lru_cache(maxsize=100_000)
def _faults_of(kind: str, path: str, content: bytes) -> tuple[str, ...]:
    found = list(_JUDGES[kind](path, decoded(content)))
    return tuple(fault for fault in found if not any(_allows(allowed, kind, fault) for allowed in ALLOWED))


def _allows(allowed: Allowed, kind: str, fault: str) -> bool:
    return (not allowed.kinds or kind in allowed.kinds) and re.search(allowed.pattern, fault) is not None


def _openai(path: str, body: Body) -> Iterable[str]:
    if path.endswith("/embeddings"):
        return faults(EmbeddingCreateParams, body)
    streamed = bool(body.get("stream"))
    if path.endswith("/responses"):
        return faults(ResponseCreateParamsStreaming if streamed else ResponseCreateParamsNonStreaming, body)
    return faults(CompletionCreateParamsStreaming if streamed else CompletionCreateParamsNonStreaming, body)


def _anthropic(path: str, body: Body) -> Iterable[str]:
    if path.endswith("/count_tokens"):
        return faults(MessageCountTokensParams, body)
    return faults(MessageCreateParamsStreaming if body.get("stream") else MessageCreateParamsNonStreaming, body)


#: docs.cohere.com/docs/compatibility-api: "Supported parameters" of chat and of embeddings. A tool's choice and options
#: of a stream are not on its list, and taken all the same.
_COHERE_CHAT = frozenset(
    "model messages stream stream_options reasoning_effort response_format tools tool_choice temperature max_tokens "
    "stop seed top_p frequency_penalty presence_penalty".split()
)
_COHERE_EMBED = frozenset("model input encoding_format".split())


def _cohere(path: str, body: Body) -> Iterable[str]:
    yield from _openai(path, body)
    embeds = path.endswith("/embeddings")
    for name in body.keys() - (_COHERE_EMBED if embeds else _COHERE_CHAT):
        yield f"body.{name}: not supported by Cohere's compatibility API"
    if body.get("reasoning_effort") not in (None, "none", "high"):
        yield f"body.reasoning_effort: {body['reasoning_effort']!r} is neither none nor high"
    for number, tool in enumerate(body.get("tools") or ()):
        if "strict" in tool.get("function", {}):
            yield f"body.tools[{number}].function.strict: not a valid field at Cohere"
    for name in ("top_p", "frequency_penalty", "presence_penalty"):
        if not 0 <= (body.get(name) or 0) <= 1:
            yield f"body.{name}: {body[name]} is not between 0 and 1"


#: github.com/ollama/ollama, openai/openai.go: the fields of ChatCompletionRequest and EmbedRequest; others are ignored.
_OLLAMA_CHAT = frozenset(
    "model messages stream stream_options max_tokens seed stop temperature frequency_penalty presence_penalty top_p "
    "response_format tools reasoning reasoning_effort logprobs top_logprobs".split()
)
_OLLAMA_EMBED = frozenset("model input dimensions encoding_format".split())


def _ollama(path: str, body: Body) -> Iterable[str]:
    yield from _openai(path, body)
    for name in body.keys() - (_OLLAMA_EMBED if path.endswith("/embeddings") else _OLLAMA_CHAT):
        yield f"body.{name}: ignored by Ollama"


#: docs.mistral.ai/api, its OpenAPI document: ChatCompletionRequest and EmbeddingRequest, additionalProperties: false.
_MISTRAL_CHAT = frozenset(
    "model messages temperature top_p max_tokens stream stop random_seed metadata response_format tools tool_choice "
    "presence_penalty frequency_penalty n prediction parallel_tool_calls prompt_mode reasoning_effort guardrails "
    "prompt_cache_key safe_prompt".split()
)
_MISTRAL_EMBED = frozenset("model input metadata output_dimension output_dtype encoding_format".split())
#: Role of a message -> its fields there.
_MISTRAL_FIELDS = {
    "system": frozenset({"role", "content"}),
    "user": frozenset({"role", "content"}),
    "assistant": frozenset({"role", "content", "tool_calls", "prefix"}),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),
}


def _mistral(path: str, body: Body) -> Iterable[str]:
    for name in body.keys() - (_MISTRAL_EMBED if path.endswith("/embeddings") else _MISTRAL_CHAT):
        yield f"body.{name}: Extra inputs are not permitted"
    for number, message in enumerate(body.get("messages") or ()):
        fields = _MISTRAL_FIELDS.get(message["role"])
        if fields is None:
            yield f"body.messages[{number}].role: {message['role']!r} is unknown"
        else:
            yield from (f"body.messages[{number}].{name}: not permitted" for name in message.keys() - fields)
    if body.get("tool_choice") not in (None, "auto", "none", "any", "required") and not isinstance(
        body["tool_choice"], dict
    ):
        yield f"body.tool_choice: {body['tool_choice']!r}"
    if body.get("reasoning_effort") not in (None, "none", "high"):
        yield f"body.reasoning_effort: {body['reasoning_effort']!r}"
    for number, tool in enumerate(body.get("tools") or ()):
        if tool.get("type") == "function" and not tool["function"].keys() <= {
            "name", "description", "strict", "parameters",
        }:  # fmt: skip
            yield f"body.tools[{number}].function: {sorted(tool['function'])}"


# -- Gemini ------------------------------------------------------------------------------------------------------------

#: ai.google.dev/api/generate-content: fields of the request beside those that are checked by their types.
_GEMINI_FIELDS: Mapping[str, tuple[type[BaseModel], bool] | None] = {
    "contents": (types.Content, True),
    "systemInstruction": (types.Content, False),
    "generationConfig": (types.GenerationConfig, False),
    "tools": (types.Tool, True),
    "toolConfig": (types.ToolConfig, False),
    "safetySettings": (types.SafetySetting, True),
    "cachedContent": None,
    "serviceTier": None,
    "store": None,
}
#: ai.google.dev/api/embeddings: EmbedContentRequest.
_GEMINI_EMBED = frozenset({"model", "content", "taskType", "title", "outputDimensionality"})


def _gemini(path: str, body: Body) -> Iterable[str]:
    if path.endswith(":batchEmbedContents"):
        for number, request in enumerate(body["requests"]):
            for name in request.keys() - _GEMINI_EMBED:
                yield f"Unknown name \"{name}\" at 'requests[{number}]': Cannot find field."
            yield from _of_model(types.Content, request["content"], f"requests[{number}].content")
        return
    if path.endswith(":countTokens"):
        body = body.get("generateContentRequest") or body
    for name, value in body.items():
        if name not in _GEMINI_FIELDS:
            yield f'Unknown name "{name}": Cannot find field.'
        elif (known := _GEMINI_FIELDS[name]) is not None:
            model, several = known
            for item in value if several else [value]:
                yield from _of_model(model, item, name)


def _of_model(model: type[BaseModel], value: object, place: str) -> Iterable[str]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        for fault in error.errors():
            yield f"{place}.{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


# -- Bedrock -----------------------------------------------------------------------------------------------------------

_MODEL_PATH = re.compile(r"/model/(.+)/(converse|converse-stream|count-tokens|invoke)$")
_OPERATIONS = {"converse": "Converse", "converse-stream": "ConverseStream", "count-tokens": "CountTokens"}


@cache
def _shape(operation: str) -> Any:
    model = get_session().get_service_model("bedrock-runtime")
    return model.operation_model(operation).input_shape


def _bedrock(path: str, body: Body) -> Iterable[str]:
    found = _MODEL_PATH.search(path)
    assert found is not None, path
    model, verb = unquote(found[1]), found[2]
    if verb == "invoke":
        yield from _invoked(model, body)
        return
    report = ParamValidator().validate({**body, "modelId": model}, _shape(_OPERATIONS[verb]))
    if report.has_errors():
        yield from report.generate_report().splitlines()
    yield from _own_fields(model, body.get("additionalModelRequestFields") or {})
    for message in body.get("messages") or ():
        for block in message["content"]:
            for name in ("image", "document"):
                if name in block:
                    base64.b64decode(block[name]["source"]["bytes"], validate=True)


#: A name in a model's id -> what that maker's models take beside Converse's own fields, and the type of each.
_OWN_FIELDS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    # docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
    ("anthropic.claude", {"thinking": ThinkingConfigParam, "top_k": int, "anthropic_beta": list[str]}),
    # docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
    ("amazon.nova-2", {"reasoningConfig": dict, "inferenceConfig": dict}),
    ("amazon.nova", {"inferenceConfig": dict}),
    ("openai.gpt-oss", {"reasoning_effort": str}),
)


def _own_fields(model: str, fields: Body) -> Iterable[str]:
    if model.startswith("arn:"):  # It may be anybody's.
        return
    known = next((known for name, known in _OWN_FIELDS if name in model), {})
    for name, value in fields.items():
        if name not in known:
            yield f"additionalModelRequestFields.{name}: extraneous key is not permitted at {model}"
        elif known[name] is dict:
            yield from _nova(name, value)
        else:
            yield from faults(known[name], value, f"additionalModelRequestFields.{name}")


def _nova(name: str, value: Body) -> Iterable[str]:
    if name == "inferenceConfig" and value.keys() - {"topK"}:
        yield f"additionalModelRequestFields.inferenceConfig: {sorted(value)}"
    if name == "reasoningConfig":
        effort = value.get("maxReasoningEffort")
        if value.get("type") not in ("enabled", "disabled") or effort not in (None, "low", "medium", "high"):
            yield f"additionalModelRequestFields.reasoningConfig: {value}"


#: A name in a model's id -> fields of its body, those that must be there first.
_INVOKED: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    ("cohere.embed-v4", frozenset({"input_type"}), frozenset(
        "texts images inputs truncate output_dimension max_tokens embedding_types".split())),
    ("cohere.embed", frozenset({"input_type"}), frozenset("texts images truncate embedding_types".split())),
    ("titan-embed-text-v1", frozenset({"inputText"}), frozenset()),
    ("titan-embed-text-v2", frozenset({"inputText"}), frozenset({"dimensions", "normalize", "embeddingTypes"})),
    ("amazon.nova", frozenset({"taskType", "singleEmbeddingParams"}), frozenset({"schemaVersion"})),
)  # fmt: skip


def _invoked(model: str, body: Body) -> Iterable[str]:
    """docs.aws.amazon.com/bedrock/latest/userguide/: model-parameters-embed.html, titan-embedding-models.html."""
    must, may = next((must, may) for name, must, may in _INVOKED if name in model)
    yield from (f"{name}: required at {model}" for name in must - body.keys())
    yield from (f"extraneous key [{name}] is not permitted at {model}" for name in body.keys() - must - may)


_JUDGES: Mapping[str, Callable[[str, Body], Iterable[str]]] = {
    "openai": _openai,
    "azure": _openai,
    "ollama": _ollama,
    "cohere": _cohere,
    "mistral": _mistral,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock": _bedrock,
}


def decoded(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(content)
    return found
