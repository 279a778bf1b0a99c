"""The official Anthropic client's messages, plain and streamed, against whichever provider is behind the model."""

from __future__ import annotations

import base64
import json
from typing import Any

import anthropic
import httpx2
import pytest

from tests.gateway.conftest import CLAUDE, MODEL, Cell
from tests.gateway.test_openai_chat import PIXEL
from tests.gateway.wire import JSON, post

BOTH = pytest.mark.parametrize("model", [MODEL, CLAUDE, "cheap"])
TOOL: Any = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def user(content: Any) -> Any:
    return [{"role": "user", "content": content}]


@BOTH
def test_a_message_is_the_provider_s_answer_in_anthropic_s_shape(cell: Cell, model: str) -> None:
    found = cell.anthropic().messages.create(model=model, max_tokens=50, messages=user("say this"), system="Be brief.")
    assert [block.text for block in found.content if block.type == "text"] == ["say this"]
    assert found.stop_reason == "end_turn"
    assert found.usage.input_tokens > 0
    assert found.usage.output_tokens > 0
    # Clients that check types take no null where the API says nothing.
    assert "citations" not in found.content[0].model_fields_set


@BOTH
def test_a_stream_gives_the_text_piece_by_piece(cell: Cell, model: str) -> None:
    cell.simulator.configure(reply="words", output_tokens=30, token_ms=5.0)
    with cell.anthropic().messages.stream(model=model, max_tokens=100, messages=user("tell")) as stream:
        pieces = list(stream.text_stream)
        found = stream.get_final_message()
    assert len(pieces) > 1
    assert found.content[0].type == "text"
    assert found.content[0].text == "".join(pieces)
    assert found.stop_reason == "end_turn"
    assert found.usage.input_tokens > 0


def test_events_come_in_anthropic_s_order(cell: Cell) -> None:
    events = cell.anthropic().messages.create(model=CLAUDE, max_tokens=50, messages=user("tell"), stream=True)
    kinds = [event.type for event in events]
    assert kinds[:3] == ["message_start", "content_block_start", "content_block_delta"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_tools_make_the_round_trip(cell: Cell, model: str, stream: bool) -> None:
    client = cell.anthropic()
    asked: Any = {"model": model, "max_tokens": 200, "tools": [TOOL], "tool_choice": {"type": "any"}}
    if stream:
        with client.messages.stream(messages=user("weather?"), **asked) as events:
            found = events.get_final_message()
    else:
        found = client.messages.create(messages=user("weather?"), **asked)
    call = next(block for block in found.content if block.type == "tool_use")
    assert call.name == "weather"
    assert found.stop_reason == "tool_use"
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]}
    said: Any = [block.model_dump(exclude_none=True) for block in found.content]
    again = client.messages.create(
        model=model,
        max_tokens=200,
        tools=[TOOL],
        messages=[*user("weather?"), {"role": "assistant", "content": said}, *user([result])],
    )
    assert again.role == "assistant"


@BOTH
def test_images_and_schemas_go_through(cell: Cell, model: str) -> None:
    image = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PIXEL).decode()}
    content = [{"type": "image", "source": image}, {"type": "text", "text": "what is this"}]
    found = cell.anthropic().messages.create(model=model, max_tokens=50, messages=user(content))
    assert "what is this" in next(block.text for block in found.content if block.type == "text")
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    form: Any = {"format": {"type": "json_schema", "schema": schema}}
    shaped = cell.anthropic().messages.create(model=model, max_tokens=200, messages=user("who"), output_config=form)
    assert json.loads(next(block.text for block in shaped.content if block.type == "text")).keys() == {"a"}


def test_thinking_is_given_back_with_its_signature(cell: Cell) -> None:
    cell.simulator.configure(reasoning_tokens=20)
    asked: Any = {"model": CLAUDE, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    found = cell.anthropic().messages.create(messages=user("think"), **asked)
    cell.simulator.configure(reasoning_tokens=0)
    thoughts = [block for block in found.content if block.type == "thinking"]
    said: Any = [block.model_dump(exclude_none=True) for block in found.content]
    again = cell.anthropic().messages.create(
        messages=[*user("think"), {"role": "assistant", "content": said}, *user("more")], **asked
    )
    assert again.content
    assert all(block.signature for block in thoughts)


def test_tokens_are_counted_without_a_call(cell: Cell) -> None:
    before = cell.billed()
    short = cell.anthropic().messages.count_tokens(model="cheap", messages=user("one"))
    long = cell.anthropic().messages.count_tokens(model="cheap", messages=user("one " * 100), tools=[TOOL])
    assert 0 < short.input_tokens < 20 < 100 < long.input_tokens
    assert cell.billed() == before


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"messages": []}, 400, "invalid_request_error"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, 400, "invalid_request_error"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, 400, "invalid_request_error"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, 400, "invalid_request_error"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": 1}]}]},
            400,
            "invalid_request_error",
        ),
        ({"system": 7}, 400, "invalid_request_error"),
        ({"max_tokens": None}, 400, "invalid_request_error"),
        ({"max_tokens": 0}, 400, "invalid_request_error"),
        ({"tools": [7]}, 400, "invalid_request_error"),
        ({"tools": [{"name": 7, "input_schema": {}}]}, 400, "invalid_request_error"),
        ({"tool_choice": {"type": "some"}}, 400, "invalid_request_error"),
        ({"metadata": 7}, 400, "invalid_request_error"),
        ({"output_config": {"format": {"type": "xml"}}}, 400, "invalid_request_error"),
        ({"tenant": "other"}, 400, "invalid_request_error"),
        ({"model": "nobody:knows"}, 404, "not_found_error"),
    ],
)
def test_bad_input_is_told_in_anthropic_s_shape(cell: Cell, change: dict[str, Any], status: int, kind: str) -> None:
    before = cell.jobs()
    body = {"model": CLAUDE, "max_tokens": 20, "messages": user("hi"), **change}
    response = post(f"{cell.url}/v1/messages", json.dumps(body), JSON)
    assert response.status_code == status, response.text
    told = response.json()
    assert (told["type"], told["error"]["type"]) == ("error", kind)
    assert told["request_id"] == response.headers["request-id"]
    assert cell.jobs() == before


def test_a_failure_in_a_stream_is_raised_by_the_client(cell: Cell) -> None:
    cell.simulator.script("400")
    asked = cell.anthropic().messages.create(model=CLAUDE, max_tokens=20, messages=user("hi"), stream=True)
    with pytest.raises(anthropic.APIStatusError, match="invalid"):
        list(asked)


def test_a_key_is_shown_as_anthropic_s_clients_do(cell: Cell) -> None:
    headers = {**JSON, "x-api-key": "any"}
    body = {"model": CLAUDE, "max_tokens": 20, "messages": user("hi")}
    assert post(f"{cell.url}/v1/messages", json.dumps(body), headers).status_code == 200
    assert httpx2.get(f"{cell.url}/v1/messages").json()["error"]["type"] == "invalid_request_error"
