"""The anthropic package works against the simulator as it does against the provider."""

from __future__ import annotations

import math

import orjson
import pytest
from anthropic import APIStatusError, AsyncAnthropic, BadRequestError

from tests.simulator.conftest import user

TOOL = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
MODEL = "claude-haiku-5-5"


async def send(client: AsyncAnthropic, text: str = "Hello", **options):
    options = {"max_tokens": 1000, **options}
    return await client.messages.create(model=MODEL, messages=user(text), **options)


async def test_a_message_has_text_and_usage(anthropic: AsyncAnthropic):
    reply = await send(anthropic, "x" * 40, system="Be brief.")
    assert reply.stop_reason == "end_turn"
    assert reply.usage.input_tokens == math.ceil((40 + 1 + len("Be brief.")) / 4)
    assert reply.usage.output_tokens == math.ceil(len(reply.content[0].text) / 4)
    assert reply._request_id.startswith("req_")


async def test_an_output_cap_ends_the_reply(anthropic: AsyncAnthropic):
    reply = await send(anthropic, max_tokens=5)
    assert (reply.stop_reason, reply.usage.output_tokens) == ("max_tokens", 5)


async def test_cached_tokens_stand_beside_the_input(simulator, anthropic: AsyncAnthropic):
    simulator.configure(cached_share=0.5, cache_write_share=0.25)
    usage = (await send(anthropic, "x" * 400)).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (25, 50, 25)
    assert simulator.bill.total.input_tokens == 100


async def test_a_stream_has_the_events_in_their_order(anthropic: AsyncAnthropic):
    events = [event async for event in await send(anthropic, "[[say:Good morning to you]]", stream=True)]
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0].message.usage.output_tokens == 1
    delta = next(event for event in events if event.type == "message_delta")
    assert (delta.usage.output_tokens, delta.delta.stop_reason) == (5, "end_turn")


async def test_a_stream_adds_up_to_the_plain_reply(anthropic: AsyncAnthropic):
    plain = await send(anthropic)
    async with anthropic.messages.stream(model=MODEL, max_tokens=1000, messages=user("Hello")) as stream:
        streamed = await stream.get_final_message()
    assert streamed.content[0].text == plain.content[0].text
    assert streamed.usage.output_tokens == plain.usage.output_tokens


async def test_a_tool_is_called_and_its_result_answered_in_words(anthropic: AsyncAnthropic):
    prompt = '[[tool:weather {"city": "Oslo"}]]'
    reply = await send(anthropic, prompt, tools=[TOOL])
    call = reply.content[0]
    assert (reply.stop_reason, call.name, call.input) == ("tool_use", "weather", {"city": "Oslo"})
    history = [
        *user(prompt),
        {"role": "assistant", "content": [{"type": "tool_use", "id": call.id, "name": "weather", "input": call.input}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}]},
    ]
    last = await anthropic.messages.create(model=MODEL, max_tokens=1000, messages=history, tools=[TOOL])
    assert last.stop_reason == "end_turn"


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "weather"}])
async def test_a_forced_tool_streams_arguments_that_fit(anthropic: AsyncAnthropic, choice):
    async with anthropic.messages.stream(
        model=MODEL, max_tokens=1000, messages=user("Hello"), tools=[TOOL], tool_choice=choice
    ) as stream:
        reply = await stream.get_final_message()
    assert isinstance(reply.content[0].input["city"], str)


async def test_a_choice_left_to_the_model_is_words(anthropic: AsyncAnthropic):
    assert (await send(anthropic, tools=[TOOL], tool_choice={"type": "auto"})).stop_reason == "end_turn"


async def test_structured_output_fits_its_schema(anthropic: AsyncAnthropic):
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 5}}, "required": ["n"]}
    reply = await send(anthropic, extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}})
    assert orjson.loads(reply.content[0].text)["n"] >= 5


async def test_a_refusal_is_a_stop_reason(anthropic: AsyncAnthropic):
    assert (await send(anthropic, "[[refuse]]")).stop_reason == "refusal"


async def test_tokens_are_counted_for_nothing(simulator, anthropic: AsyncAnthropic):
    counted = await anthropic.messages.count_tokens(model=MODEL, messages=user("x" * 400))
    assert counted.input_tokens == 100
    assert simulator.bill.total.requests == 0
    assert simulator.stats.received == 0


async def test_media_and_thinking_are_accepted(anthropic: AsyncAnthropic):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    messages = [
        {"role": "user", "content": [image, {"type": "text", "text": "What?"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": "x"}]},
        {"role": "user", "content": "Go on"},
    ]
    counted = await anthropic.messages.count_tokens(model=MODEL, messages=messages)
    assert counted.input_tokens == math.ceil(len("What?\nHm\nGo on") / 4) + 85


async def test_models_are_listed_in_their_own_shape(simulator, anthropic: AsyncAnthropic):
    simulator.configure(models=[MODEL])
    assert [model.id async for model in anthropic.models.list()] == [MODEL]
    assert (await anthropic.models.retrieve(MODEL)).display_name == MODEL


@pytest.mark.parametrize(
    "body",
    [
        {"model": MODEL, "messages": [{"role": "user", "content": "x"}]},
        {"model": MODEL, "max_tokens": 5, "messages": [{"role": "tool", "content": "x"}]},
        {"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": 7}]},
        {"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "smell"}]}]},
    ],
)
async def test_a_wrong_body_is_refused(anthropic: AsyncAnthropic, body):
    with pytest.raises(BadRequestError) as caught:
        await anthropic.post("/v1/messages", body=body, cast_to=object)
    assert caught.value.type == "invalid_request_error"


async def test_an_overload_in_mid_stream_is_an_error_of_status_200(anthropic: AsyncAnthropic):
    stream = await send(anthropic, "[[fault:stream_error]]", stream=True)
    with pytest.raises(APIStatusError) as caught:
        [event async for event in stream]
    assert (caught.value.status_code, caught.value.type) == (200, "overloaded_error")
