"""The official OpenAI client completes chats, plain and streamed, against whichever provider is behind the model."""

from __future__ import annotations

import base64

import openai
import pytest

from tests.gateway.conftest import CLAUDE, MODEL, Cell

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
#: A PNG of one pixel.
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")


def user(text: str) -> list[dict[str, object]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", [MODEL, CLAUDE, "cheap", "claude"])
def test_a_completion_is_the_provider_s_answer_in_openai_s_shape(cell: Cell, model: str) -> None:
    found = cell.openai().chat.completions.create(model=model, messages=user("say this"), max_tokens=50)
    assert found.choices[0].message.content == "say this"
    assert found.choices[0].finish_reason == "stop"
    assert found.usage is not None
    assert found.usage.prompt_tokens > 0
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens


def test_headers_name_the_job_and_what_it_cost(cell: Cell) -> None:
    raw = cell.openai().chat.completions.with_raw_response.create(model=MODEL, messages=user("hello"), max_tokens=50)
    assert cell.state(raw.headers["x-homa-job"]) == "succeeded"
    assert raw.headers["x-homa-provider"] == "openai"
    assert float(raw.headers["x-homa-cost-usd"]) > 0
    assert raw.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("model", [MODEL, CLAUDE])
def test_a_stream_gives_the_text_piece_by_piece_and_then_why_it_ended(cell: Cell, model: str) -> None:
    cell.simulator.configure(reply="words", output_tokens=30, token_ms=5.0)
    stream = cell.openai().chat.completions.create(model=model, messages=user("tell"), max_tokens=100, stream=True)
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert len(pieces) > 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_usage_of_a_stream_comes_last_where_it_is_asked_for(cell: Cell) -> None:
    asked = {"include_usage": True}
    stream = cell.openai().chat.completions.create(
        model=MODEL, messages=user("tell"), max_tokens=100, stream=True, stream_options=asked
    )
    *others, last = list(stream)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in others)


@pytest.mark.parametrize("model", [MODEL, CLAUDE])
@pytest.mark.parametrize("stream", [False, True])
def test_tools_make_the_round_trip(cell: Cell, model: str, stream: bool) -> None:
    client = cell.openai()
    options = {"model": model, "tools": [TOOL], "tool_choice": "required", "max_tokens": 200}
    if stream:
        with client.chat.completions.stream(messages=user("weather?"), **options) as events:
            for _ in events:
                pass
            message = events.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(messages=user("weather?"), **options).choices[0].message
    assert message.tool_calls
    call = message.tool_calls[0]
    assert call.function.name == "weather"
    answers = [
        *user("weather?"),
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.arguments},
                }
            ],
        },
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    again = client.chat.completions.create(model=model, messages=answers, tools=[TOOL], max_tokens=200)
    assert again.choices[0].message.role == "assistant"


@pytest.mark.parametrize("model", [MODEL, CLAUDE])
def test_an_image_is_shown_to_the_provider(cell: Cell, model: str) -> None:
    url = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    content = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": url}}]
    found = cell.openai().chat.completions.create(
        model=model, messages=[{"role": "user", "content": content}], max_tokens=50
    )
    assert "what is this" in (found.choices[0].message.content or "")


@pytest.mark.parametrize("model", [MODEL, CLAUDE])
def test_an_answer_by_schema_fits_it(cell: Cell, model: str) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}}
    found = cell.openai().chat.completions.create(
        model=model, messages=user("who"), max_tokens=200, response_format=form
    )
    assert (found.choices[0].message.content or "").startswith("{")


def test_a_key_makes_a_repeated_request_the_same_job(cell: Cell) -> None:
    billed = cell.billed()
    headers = {"idempotency-key": "order-7"}
    create = cell.openai().chat.completions.with_raw_response.create
    first = create(model=MODEL, messages=user("once"), max_tokens=50, extra_headers=headers)
    second = create(model=MODEL, messages=user("once"), max_tokens=50, extra_headers=headers)
    assert first.headers["x-homa-job"] == second.headers["x-homa-job"]
    assert cell.billed() == billed + 1
    streamed = cell.openai().chat.completions.create(
        model=MODEL, messages=user("once"), max_tokens=50, extra_headers=headers, stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == "once"
    assert cell.billed() == billed + 1


def test_a_key_of_another_request_is_refused_and_the_first_job_named(cell: Cell) -> None:
    headers = {"idempotency-key": "order-8"}
    client = cell.openai(max_retries=2)
    first = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=user("one"), max_tokens=50, extra_headers=headers
    )
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.chat.completions.create(model=MODEL, messages=user("two"), max_tokens=50, extra_headers=headers)
    assert refused.value.code == "idempotency_key_reused"
    assert refused.value.response.headers["x-homa-job"] == first.headers["x-homa-job"]


def test_fallbacks_tags_and_lane_come_by_headers(cell: Cell) -> None:
    headers = {"x-homa-fallbacks": CLAUDE, "x-homa-tags": "team=blue, stage=test", "x-homa-lane": "high"}
    cell.simulator.configure(faults={})
    raw = cell.openai().chat.completions.with_raw_response.create(
        model=MODEL, messages=user("hi"), max_tokens=50, extra_headers=headers
    )
    job = cell.openai().get(f"/jobs/{raw.headers['x-homa-job']}", cast_to=dict[str, object])
    assert job["lane"] == "high"
    assert job["tags"] == {"team": "blue", "stage": "test"}


def test_an_unknown_parameter_goes_to_the_provider(cell: Cell) -> None:
    raw = cell.openai().chat.completions.with_raw_response.create(
        model=MODEL, messages=user("hi"), max_tokens=50, extra_body={"min_p": 0.1}
    )
    assert cell.state(raw.headers["x-homa-job"]) == "succeeded"


def test_several_answers_to_one_prompt_are_all_streamed(cell: Cell) -> None:
    cell.simulator.configure(reply="words")
    with cell.openai().chat.completions.stream(model=MODEL, messages=user("hi"), max_tokens=50, n=2) as events:
        for _ in events:
            pass
        found = events.get_final_completion()
    assert [choice.index for choice in found.choices] == [0, 1]
    assert all(choice.message.content for choice in found.choices)
