"""Reading Bedrock's request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from homa_workers.simulator.dialects.bedrock_models import refuse_at_converse, refuse_at_invoke
from homa_workers.simulator.prompt_cache import PointFinder
from homa_workers.simulator.prompt_reading import (
    Conversation,
    embedding_prompt,
    expect_count,
    expect_list,
    json_marker,
)
from homa_workers.simulator.wire import (
    STANDARD,
    CachePoint,
    Operation,
    Prompt,
    Route,
    Service,
    compact_json,
    invalid,
    tier_asked,
)

_MEDIA = frozenset({"image", "document", "video"})


def read_converse(route: Route, body: Mapping[str, Any]) -> Prompt:
    """The body of Converse, of its stream, or of CountTokens. Raises Failure for a ValidationException."""
    if route.operation is Operation.COUNT:
        body = (body.get("input") or {}).get("converse") or {}
    refuse_at_converse(route.model, body)
    conversation = Conversation()
    for block in body.get("system") or []:
        conversation.add(str(block.get("text") or ""))
    for message in expect_list(body, "messages"):
        text, media, tool_result = _content(message)
        conversation.add(text, media, by_user=message.get("role") == "user", tool_result=tool_result)
    text, tool_config, points = conversation.text, body.get("toolConfig") or {}, _cache_points(body)
    return Prompt(
        operation=route.operation,
        model=route.model,
        text=text,
        last_user=conversation.last_user,
        after_tool=conversation.after_tool,
        prompt_tokens=conversation.tokens(text, tool_config),
        max_tokens=expect_count(body.get("inferenceConfig") or {}, "maxTokens"),
        stream=route.stream,
        tools=_tools(tool_config),
        forced_tool=_forced_tool(tool_config.get("toolChoice") or {}),
        schema=_schema(body),
        cache_points=points,
        marker=json_marker(body.get("requestMetadata")),
        service=_service(body, points),
    )


def _service(body: Mapping[str, Any], points: tuple[CachePoint, ...]) -> Service:
    tier = tier_asked((body.get("serviceTier") or {}).get("type"))
    marks = (body.get("system"), body.get("messages"), body.get("toolConfig")) if points else ()
    long = any('"ttl":"1h"' in compact_json(part) for part in marks)
    return Service(tier=tier, keeps_long=long) if tier or long else STANDARD


def read_invoke(route: Route, body: Mapping[str, Any]) -> Prompt:
    """The body of InvokeModel for an embedding model of Titan's, Nova's or Cohere's. Raises Failure."""
    refuse_at_invoke(route.model, body)
    if "amazon.nova-" in route.model:
        return _nova_embedding(route, body)
    titan = "inputText" in body
    inputs = [str(body["inputText"])] if titan else [str(text) for text in expect_list(body, "texts")]
    dimensions = body.get("dimensions") or body.get("output_dimension") or 1024
    return embedding_prompt(route.model, inputs, dimensions, shape="titan" if titan else "cohere")


def _nova_embedding(route: Route, body: Mapping[str, Any]) -> Prompt:
    match body:
        case {
            "taskType": "SINGLE_EMBEDDING",
            "singleEmbeddingParams": {"embeddingPurpose": str(), "text": {"truncationMode": str(), "value": str(text)}},
        }:
            dimensions = body["singleEmbeddingParams"].get("embeddingDimension", 3072)
            if dimensions not in (256, 384, 1024, 3072):
                raise invalid(f"embeddingDimension: {dimensions!r}; expected 256, 384, 1024 or 3072")
            return embedding_prompt(route.model, [text], dimensions, shape="nova")
    raise invalid("Malformed input request: expected taskType and singleEmbeddingParams with a purpose and a text")


def _content(message: Any) -> tuple[str, int, bool]:
    """Text, number of media blocks, and whether a tool's result is among the blocks."""
    if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
        raise invalid(f"a message is {message!r:.80}; expected a role of 'user' or 'assistant'")
    texts: list[str] = []
    media, result = 0, False
    for block in expect_list(message, "content"):
        if "text" in block:
            texts.append(str(block["text"]))
        elif "toolUse" in block:
            texts.append(compact_json(block["toolUse"]))
        elif "toolResult" in block:
            texts.append(compact_json(block["toolResult"].get("content")))
            result = True
        elif _MEDIA & block.keys():
            media += 1
        elif "reasoningContent" in block:
            texts.append(str((block["reasoningContent"].get("reasoningText") or {}).get("text") or ""))
        elif "cachePoint" not in block:
            raise invalid(f"a block of content is of no known kind: {list(block)}")
    return "\n".join(texts), media, result


def _cache_points(body: Mapping[str, Any]) -> tuple[CachePoint, ...]:
    """Prefixes that the body marks: tools come first, then the system prompt, then the messages."""
    contents = [body.get("system") or [], *(message["content"] for message in body["messages"])]
    if not any("cachePoint" in block for content in contents for block in content):
        return ()
    finder = PointFinder((body.get("toolConfig") or {}).get("tools"))
    for content in contents:
        for block in content:
            if "cachePoint" in block:
                finder.end()
            else:
                finder.add(*_content({"role": "user", "content": [block]})[:2])
    return finder.points


def _tools(config: Mapping[str, Any]) -> dict[str, Any]:
    specs = [tool["toolSpec"] for tool in config.get("tools") or [] if "toolSpec" in tool]
    return {str(spec.get("name")): (spec.get("inputSchema") or {}).get("json") for spec in specs}


def _schema(body: Mapping[str, Any]) -> Any:
    """The schema that a reply must fit; Converse takes it as JSON text."""
    text_format = (body.get("outputConfig") or {}).get("textFormat") or {}
    text = ((text_format.get("structure") or {}).get("jsonSchema") or {}).get("schema")
    try:
        return orjson.loads(text) if text else None
    except (orjson.JSONDecodeError, TypeError) as error:
        raise invalid(f"outputConfig.textFormat: its schema is not valid JSON ({error})") from error


def _forced_tool(choice: Mapping[str, Any]) -> str:
    return "*" if "any" in choice else str((choice.get("tool") or {}).get("name") or "")
