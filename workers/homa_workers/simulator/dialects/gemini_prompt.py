"""Reading Gemini's request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_workers.simulator.dialect import expect_count, expect_list
from homa_workers.simulator.wire import (
    MEDIA_TOKENS,
    Failure,
    FailureKind,
    Operation,
    Prompt,
    Route,
    byte_length,
    compact_json,
    tokens_of_bytes,
)


def read_contents(route: Route, body: Mapping[str, Any]) -> Prompt:
    """The body of generateContent, of its stream, or of countTokens.

    Raises:
        Failure: of kind INVALID, where Gemini would answer 400.
    """
    body = body.get("generateContentRequest") or body
    texts: list[str] = []
    media, last_user, after_tool = 0, "", False
    system = body.get("systemInstruction") or body.get("system_instruction")
    if system:
        text, media, _ = _content(system)
        texts.append(text)
    for content in expect_list(body, "contents"):
        text, n_media, after_tool = _content(content)
        texts.append(text)
        media += n_media
        if content.get("role", "user") == "user" and not after_tool:
            last_user = text
    text = "\n".join(texts)
    n_bytes = byte_length(text)
    if body.get("tools"):
        n_bytes += len(compact_json(body["tools"]).encode())
    config = body.get("generationConfig") or {}
    return Prompt(
        operation=route.operation,
        model=route.model,
        text=text,
        last_user=last_user,
        after_tool=after_tool,
        prompt_tokens=tokens_of_bytes(n_bytes) + media * MEDIA_TOKENS,
        max_tokens=expect_count(config, "maxOutputTokens"),
        stream=route.stream,
        tools=_tools(body.get("tools") or []),
        forced_tool=_forced_tool(body.get("toolConfig") or {}),
        schema=_schema(config),
        marker=compact_json(body["labels"]) if body.get("labels") else "",
    )


def read_embeddings(route: Route, body: Mapping[str, Any]) -> Prompt:
    """The body of embedContent or batchEmbedContents.

    Raises:
        Failure: of kind INVALID.
    """
    requests = expect_list(body, "requests") if route.shape == "batchEmbedContents" else [body]
    inputs = tuple(_content(request.get("content"))[0] for request in requests)
    dimensions = requests[0].get("outputDimensionality")
    if dimensions is None:
        dimensions = (requests[0].get("embedContentConfig") or {}).get("outputDimensionality")
    return Prompt(
        operation=Operation.EMBED,
        model=route.model,
        text="\n".join(inputs),
        last_user=inputs[-1],
        prompt_tokens=sum(tokens_of_bytes(byte_length(text)) for text in inputs),
        inputs=inputs,
        dimensions=dimensions or 3072,
        shape=route.shape,
    )


def _content(content: Any) -> tuple[str, int, bool]:
    """Text, number of media parts, and whether a function's result is among the parts."""
    if not isinstance(content, dict):
        raise Failure(FailureKind.INVALID, f"a content is {content!r:.60}; expected an object with parts")
    texts: list[str] = []
    media, result = 0, False
    for part in expect_list(content, "parts"):
        if "text" in part:
            texts.append(str(part["text"]))
        elif "inlineData" in part or "fileData" in part:
            media += 1
        elif "functionCall" in part:
            texts.append(compact_json(part["functionCall"]))
        elif "functionResponse" in part:
            texts.append(compact_json(part["functionResponse"]))
            result = True
        else:
            raise Failure(FailureKind.INVALID, f"a part has none of text, data or function: {part!r:.80}")
    return "\n".join(texts), media, result


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
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return schema


def _either(fields: Mapping[str, Any], *names: str) -> Any:
    """The first of several names that is there: Google takes camelCase and snake_case, and its package sends both."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)
