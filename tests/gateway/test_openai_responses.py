"""Responses by the official client: plain, streamed, in the background, joined late; for any provider."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2
import openai
import pytest

from tests.fixtures.store import eventually
from tests.gateway.conftest import CLAUDE, MODEL, Cell
from tests.gateway.test_openai_chat import PIXEL
from tests.gateway.wire import JSON, post, told

BOTH = pytest.mark.parametrize("model", [MODEL, CLAUDE, "cheap"])
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@BOTH
def test_a_response_is_the_provider_s_answer(cell: Cell, model: str) -> None:
    found = cell.openai().responses.create(
        model=model, input="say this", instructions="Be brief.", max_output_tokens=50, metadata={"a": "b"}
    )
    assert found.output_text == "say this"
    assert (found.status, found.model, found.metadata) == ("completed", model, {"a": "b"})
    assert found.usage is not None
    assert found.usage.total_tokens == found.usage.input_tokens + found.usage.output_tokens > 0


@BOTH
def test_a_stream_counts_its_events_without_a_gap(cell: Cell, model: str) -> None:
    cell.simulator.configure(reply="words", output_tokens=30, token_ms=5.0)
    events = list(cell.openai().responses.create(model=model, input="tell", max_output_tokens=100, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds.count("response.output_text.delta") > 1
    last = events[-1]
    assert last.type == "response.completed"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert last.response.output_text == text


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_tools_make_the_round_trip(cell: Cell, model: str, stream: bool) -> None:
    client = cell.openai()
    asked: Any = {"model": model, "tools": [TOOL], "tool_choice": "required", "max_output_tokens": 200}
    if stream:
        with client.responses.stream(input="weather?", **asked) as events:
            for _ in events:
                pass
            found: Any = events.get_final_response()
    else:
        found = client.responses.create(input="weather?", **asked)
    call = next(item for item in found.output if item.type == "function_call")
    assert call.name == "weather"
    json.loads(call.arguments)
    items: Any = [
        {"role": "user", "content": "weather?"},
        *(item.model_dump(exclude_none=True) for item in found.output),
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
    ]
    again = client.responses.create(model=model, input=items, tools=[TOOL], max_output_tokens=200)
    assert again.status == "completed"


@BOTH
def test_images_and_schemas_go_through(cell: Cell, model: str) -> None:
    url = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    content = [{"type": "input_text", "text": "what"}, {"type": "input_image", "image_url": url, "detail": "auto"}]
    found = cell.openai().responses.create(
        model=model,
        input=[{"role": "user", "content": content}],
        max_output_tokens=50,  # type: ignore[list-item]
    )
    assert "what" in found.output_text
    fields = {"a": {"type": "string"}}
    schema = {"type": "object", "properties": fields, "required": ["a"], "additionalProperties": False}
    form: Any = {"format": {"type": "json_schema", "name": "answer", "strict": True, "schema": schema}}
    shaped = cell.openai().responses.create(model=model, input="who", max_output_tokens=200, text=form)
    assert json.loads(shaped.output_text).keys() == {"a"}


def test_a_background_response_outlives_its_gateway(bare_cell: Cell) -> None:
    cell = bare_cell
    cell.start_gateway()
    made = cell.openai().responses.create(model=MODEL, input="later", background=True, max_output_tokens=50)
    assert made.status == "queued"
    assert cell.openai().responses.retrieve(made.id).status == "queued"
    cell.stop_gateway()
    cell.start_worker("openai")
    eventually(lambda: cell.state(made.id.removeprefix("resp_")) == "succeeded")
    cell.start_gateway()
    found = cell.openai().responses.retrieve(made.id)
    assert (found.status, found.output_text, found.background) == ("completed", "later", True)


def test_a_stream_in_the_background_is_joined_after_any_event(cell: Cell) -> None:
    cell.simulator.configure(reply="words", output_tokens=60, token_ms=5.0)
    client = cell.openai()
    stream = client.responses.create(model=MODEL, input="tell", max_output_tokens=100, stream=True, background=True)
    first: list[Any] = []
    for event in stream:
        first.append(event)
        if len(first) == 7:
            break
    stream.close()
    rest = list(client.responses.retrieve(first[0].response.id, stream=True, starting_after=6))
    assert [event.sequence_number for event in [*first, *rest]] == list(range(len(first) + len(rest)))
    assert rest[-1].type == "response.completed"
    pieces = [event.delta for event in [*first, *rest] if event.type == "response.output_text.delta"]
    assert rest[-1].response.output_text == "".join(pieces)


def test_a_background_response_is_cancelled_and_again(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=30_000.0)
    client = cell.openai()
    made = client.responses.create(model=MODEL, input="later", background=True, max_output_tokens=50)
    assert client.responses.cancel(made.id).status == "cancelled"
    assert client.responses.cancel(made.id).status == "cancelled"
    assert client.responses.retrieve(made.id).status == "cancelled"


def test_only_a_background_response_is_cancelled(cell: Cell) -> None:
    made = cell.openai().responses.create(model=MODEL, input="now", max_output_tokens=50)
    assert cell.openai().responses.retrieve(made.id).output_text == "now"
    with pytest.raises(openai.BadRequestError, match="background"):
        cell.openai().responses.cancel(made.id)


def test_a_response_that_is_not_to_be_stored_cannot_be_read_again(cell: Cell) -> None:
    made = cell.openai().responses.create(model=MODEL, input="now", max_output_tokens=50, store=False)
    for unknown in (made.id, "resp_j0", "nothing"):
        with pytest.raises(openai.NotFoundError):
            cell.openai().responses.retrieve(unknown)


def test_a_failure_is_told_where_it_is_read(cell: Cell) -> None:
    cell.simulator.script("400", "400", "400")
    client = cell.openai()
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model=MODEL, input="x", max_output_tokens=50)
    events = list(client.responses.create(model=MODEL, input="x", max_output_tokens=50, stream=True))
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    made = client.responses.create(model=MODEL, input="x", max_output_tokens=50, background=True)
    eventually(lambda: client.responses.retrieve(made.id).status == "failed")
    error = client.responses.retrieve(made.id).error
    assert error is not None
    assert error.code == "invalid_prompt"


def test_a_cut_answer_is_incomplete(cell: Cell) -> None:
    cell.simulator.configure(reply="words", output_tokens=200)
    found = cell.openai().responses.create(model=MODEL, input="tell", max_output_tokens=20)
    assert found.status == "incomplete"
    assert found.incomplete_details is not None
    assert found.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    "change",
    [
        {"input": None},
        {"input": 7},
        {"input": [7]},
        {"input": [{"role": "nobody", "content": "x"}]},
        {"input": [{"role": "user", "content": [{"type": "hologram"}]}]},
        {"input": [{"type": "function_call_output", "output": "x"}]},
        {"instructions": 7},
        {"previous_response_id": "resp_j0"},
        {"conversation": "c"},
        {"text": 7},
        {"text": {"format": {"type": "xml"}}},
        {"reasoning": "hard"},
        {"stream": "yes"},
        {"background": 1},
        {"background": True, "store": False},
        {"metadata": 7},
        {"tools": 7},
        {"max_output_tokens": 0},
        {"tenant": "other"},
    ],
)
def test_bad_input_is_named(cell: Cell, change: dict[str, Any]) -> None:
    before = cell.jobs()
    body = {"model": MODEL, "input": "hi", "max_output_tokens": 20, **change}
    response = post(f"{cell.url}/v1/responses", json.dumps(body), JSON)
    assert response.status_code == 400, response.text
    assert told(response)["type"] == "invalid_request_error"
    assert cell.jobs() == before


@pytest.mark.parametrize("after", ["-1", "x", "9" * 30])
def test_an_event_that_does_not_exist_is_told(cell: Cell, after: str) -> None:
    made = cell.openai().responses.create(model=MODEL, input="x", max_output_tokens=50, background=True, stream=True)
    first = next(iter(made))
    list(made)
    assert first.type == "response.created"
    url = f"{cell.url}/v1/responses/{first.response.id}"
    response = httpx2.get(url, params={"stream": "true", "starting_after": after})
    assert response.status_code == 400
