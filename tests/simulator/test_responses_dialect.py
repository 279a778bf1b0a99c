"""The openai package works against the simulated Responses API as it does against the provider's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, RateLimitError
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from homa_workers.simulator import Simulator

TOOL = {
    "type": "function",
    "name": "weather",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
Ask = Callable[..., Any]


@pytest.fixture
def ask(openai: AsyncOpenAI) -> Ask:
    """One response of gpt-6-luna."""

    async def ask(given: object = "Hello", **options: Any) -> Any:
        return await openai.responses.create(**{"model": "gpt-6-luna", "input": given, **options})

    return ask


@pytest.mark.parametrize("prompt", ["Hello", "[[refuse]]", '[[tool:weather {"city": "Oslo"}]]'])
async def test_a_response_is_of_the_shape_that_the_sdk_knows(ask: Ask, simulator: Simulator, prompt: str) -> None:
    simulator.configure(reasoning_tokens=5)
    reply = await ask(prompt, tools=[TOOL])
    Response.model_validate(reply.to_dict())
    assert reply.status == "completed"
    assert reply.output[0].type == "reasoning"
    assert reply.usage.output_tokens_details.reasoning_tokens == 5
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens
    assert simulator.bill.total.requests == 1


@pytest.mark.parametrize("prompt", ["Hello", "[[refuse]]", '[[tool:weather {"city": "Oslo"}]]'])
async def test_events_of_a_stream_come_to_the_same_response(ask: Ask, simulator: Simulator, prompt: str) -> None:
    whole = await ask(prompt, tools=[TOOL])
    events = [event async for event in await ask(prompt, tools=[TOOL], stream=True)]
    for event in events:
        EVENT.validate_python(event.to_dict())
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    last = events[-1].response
    assert events[-1].type == "response.completed"
    assert [item.type for item in last.output] == [item.type for item in whole.output]
    assert last.usage == whole.usage
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == last.output_text
    assert simulator.bill.total.requests == 2


async def test_an_output_cap_leaves_the_response_incomplete(ask: Ask) -> None:
    reply = await ask("[[tokens:100]]", max_output_tokens=20)
    assert (reply.status, reply.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert reply.usage.output_tokens == 20
    events = [event async for event in await ask("[[tokens:100]]", max_output_tokens=20, stream=True)]
    assert events[-1].type == "response.incomplete"


async def test_a_schema_is_followed(openai: AsyncOpenAI) -> None:
    class City(BaseModel):
        name: str
        people: int

    reply = await openai.responses.parse(model="gpt-6-luna", input="The largest city of Norway", text_format=City)
    assert isinstance(reply.output_parsed, City)
    loose = await openai.responses.create(model="gpt-6-luna", input="Any", text={"format": {"type": "json_object"}})
    assert loose.output_text.startswith('{"answer":')


async def test_a_tool_is_called_and_its_result_answered(ask: Ask) -> None:
    asked = {"role": "user", "content": "The weather in Oslo?"}
    for choice in ("required", {"type": "function", "name": "weather"}):
        first = await ask([asked], tools=[TOOL], tool_choice=choice)
        (call,) = first.output
        assert (call.type, call.name) == ("function_call", "weather")
        told = {"type": "function_call_output", "call_id": call.call_id, "output": "3 degrees"}
        answer = await ask([asked, call.to_dict(), told], tools=[TOOL], tool_choice=choice)
        assert answer.output_text


async def test_media_and_instructions_count_as_tokens(ask: Ask) -> None:
    parts = [
        {"type": "input_text", "text": "Hello"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
    ]
    plain, shown = await ask("Hello"), await ask([{"role": "user", "content": parts}])
    assert shown.usage.input_tokens == plain.usage.input_tokens + 2 * 85
    assert (await ask("Hello", instructions="Be brief.")).usage.input_tokens > plain.usage.input_tokens


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extra_body": {"max_tokens": 9}}, "Unsupported parameter: 'max_tokens'"),
        ({"max_output_tokens": 5}, "Expected a value >= 16"),
        ({"previous_response_id": "resp_1"}, "Previous response with id 'resp_1' not found"),
        ({"model": "gpt-4o", "include": ["reasoning.encrypted_content"]}, "not supported with this model"),
        ({"tools": [{"type": "function", "function": {"name": "weather"}}]}, r"tools\[0\].name"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format"),
        ({"given": []}, "'input'"),
        ({"given": ["Hello"]}, "expected an object"),
        ({"given": [{"role": "tool", "content": "x"}]}, "role' is 'tool'"),
        ({"given": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "Invalid value: 'text'"),
        ({"given": [{"role": "user", "content": 1}]}, "expected text or parts"),
        ({"given": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "No tool call found"),
        ({"given": [{"type": "reasoning", "id": "rs_1", "summary": []}], "store": False}, "Item with id 'rs_1'"),
    ],
)
async def test_what_the_provider_refuses_is_refused(ask: Ask, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        await ask(**options)


async def test_reasoning_is_encrypted_where_that_is_asked_for(ask: Ask, simulator: Simulator) -> None:
    simulator.configure(reasoning_tokens=5)
    assert (await ask()).output[0].encrypted_content is None
    reply = await ask(include=["reasoning.encrypted_content"], store=False)
    assert reply.output[0].encrypted_content


async def test_limits_and_faults_hold_here_too(ask: Ask, simulator: Simulator) -> None:
    with pytest.raises(RateLimitError):
        await ask("[[fault:429]]")
    events = [event async for event in await ask("[[fault:stream_error]]", stream=True)]
    EVENT.validate_python({**events[-1].to_dict(), "sequence_number": len(events)})
    assert (events[-1].type, events[-1].code) == ("error", "server_is_overloaded")
    assert simulator.bill.total.requests == 1


@pytest.mark.parametrize("path", ["/resource/openai/v1", "/openai/v1"])
async def test_azure_has_it_too(simulator: Simulator, path: str) -> None:
    async with AsyncOpenAI(base_url=simulator.url + path, api_key="any", max_retries=0) as client:
        reply = await client.responses.create(
            model="gpt-6-luna", input="Hello", metadata={"job": "7"}, tools=[{"type": "web_search"}]
        )
    assert reply.output_text
    assert simulator.bill.charges()[-1].marker == '{"job":"7"}'
