"""Reading the bodies of OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_workers.simulator.dialects.strict_schemas import (
    expect_object,
    expect_strict,
    expect_strict_tools,
    of_answer,
)
from homa_workers.simulator.prompt_reading import (
    ANY_OBJECT,
    Conversation,
    expect_count,
    expect_list,
    expect_text,
    json_marker,
)
from homa_workers.simulator.wire import Operation, Prompt, compact_json, invalid, on_tier

#: What a prompt of this API is told by.
SHAPE = "responses"
#: Parameters of Chat Completions that are refused here.
_UNSUPPORTED = (
    "messages", "max_tokens", "max_completion_tokens", "response_format", "reasoning_effort", "stop", "n", "seed",
    "functions", "function_call", "logprobs",
)  # fmt: skip
#: Fewer output tokens cannot be asked for.
_LEAST_OUTPUT = 16
_ENCRYPTED = "reasoning.encrypted_content"
#: Models that do not reason, and so have nothing to encrypt.
_PLAIN_MODELS = ("gpt-4", "gpt-3.5")
_ROLES = frozenset({"system", "developer", "user", "assistant"})
_TEXTS = {"input_text": "text", "output_text": "text", "refusal": "refusal"}
_MEDIA = frozenset({"input_image", "input_file"})
_OUTPUT_OF = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}


def read_response(body: Mapping[str, Any]) -> Prompt:
    """A request for a response. Raises Failure where OpenAI would answer 400."""
    _expect_own(body)
    model = expect_text(body, "model")
    include = body.get("include") or []
    if _ENCRYPTED in include and model.startswith(_PLAIN_MODELS):
        raise invalid("Encrypted content is not supported with this model.")
    items = _Items(stored=body.get("store") is not False)
    if body.get("instructions"):
        items.conversation.add(body["instructions"])
    for number, item in enumerate(_items(body)):
        items.read(number, item)
    text, tools = items.conversation.text, body.get("tools") or []
    return Prompt(
        operation=Operation.CHAT,
        model=model,
        text=text,
        last_user=items.conversation.last_user,
        after_tool=items.conversation.after_tool,
        prompt_tokens=items.conversation.tokens(text, tools),
        max_tokens=_cap(body),
        stream=bool(body.get("stream")),
        tools=_tools(tools),
        forced_tool=_forced_tool(body.get("tool_choice")),
        schema=_schema(body.get("text")),
        shape=SHAPE,
        encrypts_reasoning=_ENCRYPTED in include,
        marker=json_marker(body.get("metadata")) or str(body.get("user") or ""),
        service=on_tier(body.get("service_tier")),
    )


class _Items:
    """The items of an input, read one after another."""

    def __init__(self, *, stored: bool) -> None:
        self._stored = stored
        self._calls: set[tuple[str, Any]] = set()
        self.conversation = Conversation()

    def read(self, number: int, item: Any) -> None:
        if not isinstance(item, dict):
            raise invalid(f"'input[{number}]' is {item!r:.80}; expected an object")
        kind = str(item.get("type") or "message")
        self.conversation.after_tool = kind in _OUTPUT_OF
        match kind:
            case "message":
                self._message(number, item)
            case "function_call" | "custom_tool_call":
                self._calls.add((kind, item["call_id"]))
                self.conversation.add(compact_json([item["name"], item.get("arguments", item.get("input"))]))
            case "function_call_output" | "custom_tool_call_output":
                self._output(number, kind, item)
            case "reasoning" if not self._stored and not item.get("encrypted_content"):
                raise invalid(
                    f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false."
                )

    def _message(self, number: int, item: Mapping[str, Any]) -> None:
        role = item.get("role")
        if role not in _ROLES:
            raise invalid(f"'input[{number}].role' is {role!r}; expected one of {', '.join(sorted(_ROLES))}")
        text, media = _content(f"input[{number}].content", item.get("content"))
        self.conversation.add(text, media, by_user=role == "user")

    def _output(self, number: int, kind: str, item: Mapping[str, Any]) -> None:
        if (_OUTPUT_OF[kind], item.get("call_id")) not in self._calls:
            raise invalid(f"No tool call found for function call output with call_id {item.get('call_id')}.")
        text, media = _content(f"input[{number}].output", item.get("output"))
        self.conversation.add(text, media, tool_result=True)


def _content(name: str, content: Any) -> tuple[str, int]:
    """Text and number of media parts of a content."""
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise invalid(f"{name!r} is {content!r:.60}; expected text or parts")
    parts = [_part(name, part) for part in content]
    return "\n".join(text for text, _ in parts), sum(media for _, media in parts)


def _part(name: str, part: Any) -> tuple[str, int]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in _TEXTS:
        return str(part.get(_TEXTS[kind]) or ""), 0
    if kind not in _MEDIA:
        raise invalid(f"Invalid value: {kind!r} in {name!r}. Supported values are: 'input_text', 'input_image', …")
    return "", 1


def _expect_own(body: Mapping[str, Any]) -> None:
    found = next((name for name in _UNSUPPORTED if name in body), None)
    if found is not None:
        raise invalid(f"Unsupported parameter: '{found}'. It belongs to the Chat Completions API.")
    if body.get("previous_response_id"):
        raise invalid(f"Previous response with id '{body['previous_response_id']}' not found.")


def _items(body: Mapping[str, Any]) -> list[Any]:
    given = body.get("input")
    return [{"role": "user", "content": given}] if isinstance(given, str) and given else expect_list(body, "input")


def _cap(body: Mapping[str, Any]) -> int | None:
    cap = expect_count(body, "max_output_tokens")
    if cap is not None and cap < _LEAST_OUTPUT:
        raise invalid(
            f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {_LEAST_OUTPUT}, got {cap}."
        )
    return cap


def _tools(tools: list[Any]) -> dict[str, Any]:
    for number, tool in enumerate(tools):
        if tool.get("type") in ("function", "custom") and not tool.get("name"):
            raise invalid(f"Missing required parameter: 'tools[{number}].name'.")
    expect_strict_tools(tools, inner="")
    return {tool["name"]: tool.get("parameters") for tool in tools if tool.get("type") == "function"}


def _forced_tool(choice: Any) -> str:
    if choice == "required":
        return "*"
    return str(choice.get("name") or "") if isinstance(choice, dict) else ""


def _schema(text: Any) -> Any:
    form = (text or {}).get("format") or {}
    if form.get("type") == "json_object":
        return ANY_OBJECT
    if form.get("type") != "json_schema":
        return None
    schema, name = form.get("schema"), form.get("name")
    if not isinstance(schema, dict) or not name:
        raise invalid("Missing required parameter: 'text.format.schema' and 'text.format.name'.")
    place = of_answer(name, "text.format.schema")
    expect_object(place, schema)
    if form.get("strict"):
        expect_strict(place, schema)
    return schema
