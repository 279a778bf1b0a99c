"""Reading Gemini's request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_workers.simulator.dialects.gemini_models import refuse_unknown_of_embedding, refuse_what_models_lack
from homa_workers.simulator.prompt_reading import (
    ANY_OBJECT,
    Conversation,
    embedding_prompt,
    expect_count,
    expect_list,
    json_marker,
)
from homa_workers.simulator.wire import Prompt, Route, compact_json, invalid, on_tier


def read_contents(route: Route, body: Mapping[str, Any]) -> Prompt:
    """The body of generateContent, of its stream, or of countTokens. Raises Failure where Gemini would answer 400."""
    body = body.get("generateContentRequest") or body
    refuse_what_models_lack(route.model, body)
    conversation = Conversation()
    if system := body.get("systemInstruction") or body.get("system_instruction"):
        text, media, _ = _content(system)
        conversation.add(text, media)
    _expect_ids_of_calls(expect_list(body, "contents"))
    for content in expect_list(body, "contents"):
        text, media, tool_result = _content(content)
        conversation.add(text, media, by_user=content.get("role", "user") == "user", tool_result=tool_result)
    text, tools = conversation.text, body.get("tools") or []
    config = body.get("generationConfig") or {}
    return Prompt(
        operation=route.operation,
        model=route.model,
        text=text,
        last_user=conversation.last_user,
        after_tool=conversation.after_tool,
        prompt_tokens=conversation.tokens(text, tools),
        max_tokens=expect_count(config, "maxOutputTokens"),
        stream=route.stream,
        tools=_tools(tools),
        forced_tool=_forced_tool(body.get("toolConfig") or {}),
        schema=_schema(config),
        marker=json_marker(body.get("labels")),
        service=on_tier(body.get("serviceTier")),
    )


def read_embeddings(route: Route, body: Mapping[str, Any]) -> Prompt:
    """The body of embedContent or batchEmbedContents. Raises Failure where Gemini would answer 400."""
    requests = expect_list(body, "requests") if route.shape == "batchEmbedContents" else [body]
    for request in requests:
        refuse_unknown_of_embedding(request)
    inputs = [_content(request.get("content"))[0] for request in requests]
    dimensions = requests[0].get("outputDimensionality")
    if dimensions is None:
        dimensions = (requests[0].get("embedContentConfig") or {}).get("outputDimensionality")
    return embedding_prompt(route.model, inputs, dimensions or 3072, shape=route.shape)


def _content(content: Any) -> tuple[str, int, bool]:
    """Text, number of media parts, and whether a function's result is among the parts."""
    if not isinstance(content, dict):
        raise invalid(f"a content is {content!r:.60}; expected an object with parts")
    texts: list[str] = []
    media, result = 0, False
    for part in expect_list(content, "parts"):
        if "text" in part:
            texts.append(str(part["text"]))
        elif "inlineData" in part or "fileData" in part:
            media += 1
        elif "functionCall" in part:
            texts.append(compact_json(without_id(part["functionCall"])))
        elif "functionResponse" in part:
            texts.append(compact_json(without_id(part["functionResponse"])))
            result = True
        else:
            raise invalid(f"a part has none of text, data or function: {part!r:.80}")
    return "\n".join(texts), media, result


def without_id(call: Mapping[str, Any]) -> dict[str, Any]:
    """A function's call or result, as it is counted."""
    return {name: value for name, value in call.items() if name != "id"}


def _expect_ids_of_calls(contents: list[Any]) -> None:
    """Raises Failure where a result has not the id of a call of its function."""
    calls: set[tuple[str, str | None]] = set()
    for part in (part for content in contents if isinstance(content, dict) for part in content.get("parts") or ()):
        if not isinstance(part, dict):
            continue
        if call := part.get("functionCall"):
            calls.add((call.get("name"), call.get("id")))
        result = part.get("functionResponse")
        if result and (result.get("name"), result.get("id")) not in calls:
            raise invalid(f"function response {result.get('name')!r} has the id of no call: {result.get('id')!r}")


def _tools(tools: list[Any]) -> dict[str, Any]:
    functions = [function for tool in tools for function in tool.get("functionDeclarations") or []]
    return {
        str(function.get("name")): _either(function, "parametersJsonSchema", "parameters_json_schema", "parameters")
        for function in functions
    }


def _forced_tool(config: Mapping[str, Any]) -> str:
    calling = config.get("functionCallingConfig") or {}
    if calling.get("mode") != "ANY":
        return ""
    return str(next(iter(calling.get("allowedFunctionNames") or []), "*"))


def _schema(config: Mapping[str, Any]) -> Any:
    schema = _either(config, "responseJsonSchema", "response_json_schema", "responseSchema")
    if schema is None and config.get("responseMimeType") == "application/json":
        return ANY_OBJECT
    return schema


def _either(fields: Mapping[str, Any], *names: str) -> Any:
    """The first of several names that is there: Google takes camelCase and snake_case, and its package sends both."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)
