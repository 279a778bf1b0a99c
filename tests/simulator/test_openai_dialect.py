"""The openai package works against the simulator as it does against the provider."""

from __future__ import annotations

import math

import orjson
import pytest
from aiohttp import ClientSession
from openai import APIConnectionError, APIError, AsyncOpenAI, BadRequestError, NotFoundError
from pydantic import BaseModel

from homa_workers.simulator import Simulator
from homa_workers.simulator.dialects.openai import duration
from tests.simulator.conftest import user

#: A current model that Chat Completions gives tools to, whatever it is told of its effort.
TOOLS_ON_CHAT = "gpt-5.4-mini"
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


async def test_a_chat_completion_is_a_function_of_its_request(ask):
    first, second, other = await ask("Hello"), await ask("Hello"), await ask("Goodbye")
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.choices[0].message.content != other.choices[0].message.content
    assert first.choices[0].finish_reason == "stop"
    assert first.id != second.id


async def test_tokens_are_a_quarter_of_the_bytes_rounded_up(ask):
    reply = await ask("Größe")  # seven bytes
    assert reply.usage.prompt_tokens == 2
    assert reply.usage.completion_tokens == math.ceil(len(reply.choices[0].message.content.encode()) / 4)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


async def test_an_output_cap_ends_the_reply(ask):
    reply = await ask("Hello", max_completion_tokens=7)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 7


async def test_replies_vary_around_the_mean_length(simulator, ask):
    simulator.configure(output_tokens=40, output_spread=0.5)
    lengths = [(await ask(f"prompt {number}")).usage.completion_tokens for number in range(30)]
    assert min(lengths) >= 20
    assert max(lengths) <= 60
    assert len(set(lengths)) > 5


async def test_replies_may_be_longer_than_the_text_they_are_cut_from(ask):
    reply = await ask("[[tokens:40000]]")
    assert reply.usage.completion_tokens == 40_000


async def test_the_simulator_can_echo(simulator, ask):
    simulator.configure(reply="echo")
    assert (await ask("Say it again")).choices[0].message.content == "Say it again"


async def test_a_marker_says_what_to_answer(ask):
    assert (await ask("Please [[say:[1, [2]]]] now")).choices[0].message.content == "[1, [2]]"


async def test_a_refusal_is_a_content_filter_finish_and_billed(simulator, ask):
    reply = await ask("[[refuse]]")
    assert reply.choices[0].finish_reason == "content_filter"
    assert reply.choices[0].message.refusal
    assert simulator.bill.total.requests == 1


async def test_several_choices_are_all_paid_for(ask):
    one, three = await ask("Hello"), await ask("Hello", n=3)
    assert len(three.choices) == 3
    assert three.usage.completion_tokens == 3 * one.usage.completion_tokens


async def test_a_stream_brings_the_same_text_and_usage_as_a_plain_reply(openai: AsyncOpenAI, ask):
    plain = await ask("Hello")
    stream = await ask("Hello", stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage == plain.usage
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_a_stream_tells_its_usage_only_when_asked(ask):
    chunks = [chunk async for chunk in await ask("Hello", stream=True)]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


async def test_a_paced_stream_arrives_in_pieces(simulator, ask):
    simulator.configure(token_ms=0.1, output_tokens=40)
    chunks = [chunk async for chunk in await ask("Hello", stream=True)]
    assert len(chunks) > 4
    assert simulator.bill.total.requests == 1


async def test_a_marker_calls_a_tool_and_its_result_is_answered_in_words(openai: AsyncOpenAI, ask):
    prompt = '[[tool:weather {"city": "Oslo"}]]'
    reply = await ask(prompt, model=TOOLS_ON_CHAT, tools=[TOOL])
    call = reply.choices[0].message.tool_calls[0]
    assert reply.choices[0].finish_reason == "tool_calls"
    assert (call.function.name, orjson.loads(call.function.arguments)) == ("weather", {"city": "Oslo"})
    history = [
        *user(prompt),
        reply.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"},
    ]
    last = await openai.chat.completions.create(model=TOOLS_ON_CHAT, messages=history, tools=[TOOL])
    assert last.choices[0].message.content
    assert last.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_forced_tool_gets_arguments_that_fit_its_schema(ask, choice):
    reply = await ask("Hello", model=TOOLS_ON_CHAT, tools=[TOOL], tool_choice=choice)
    arguments = orjson.loads(reply.choices[0].message.tool_calls[0].function.arguments)
    assert isinstance(arguments["city"], str)


async def test_tool_calls_stream_in_fragments(ask):
    stream = await ask(
        '[[tool:weather {"city": "Llanfairpwllgwyngyll"}]]', model=TOOLS_ON_CHAT, tools=[TOOL], stream=True
    )
    calls = [chunk.choices[0].delta.tool_calls[0] async for chunk in stream if chunk.choices[0].delta.tool_calls]
    assert calls[0].function.name == "weather"
    assert calls[0].id
    assert "".join(call.function.arguments for call in calls) == '{"city":"Llanfairpwllgwyngyll"}'


class Invoice(BaseModel):
    number: str
    total: float
    paid: bool
    lines: list[str]


async def test_structured_output_fits_its_schema(openai: AsyncOpenAI):
    reply = await openai.chat.completions.parse(
        model="gpt-6-luna", messages=user("Read the invoice"), response_format=Invoice
    )
    assert isinstance(reply.choices[0].message.parsed, Invoice)


async def test_json_mode_answers_with_an_object(ask):
    reply = await ask("Answer in JSON", response_format={"type": "json_object"})
    assert isinstance(orjson.loads(reply.choices[0].message.content), dict)


async def test_images_are_accepted_and_counted(openai: AsyncOpenAI):
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    reply = await openai.chat.completions.create(
        model="gpt-6-luna", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    )
    assert reply.usage.prompt_tokens == math.ceil(len("Be brief.\nWhat is this?") / 4) + 85


async def test_cached_and_reasoning_tokens_are_parts_of_their_totals(simulator, ask):
    simulator.configure(cached_share=0.5, reasoning_tokens=11)
    usage = (await ask("x" * 400)).usage
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (100, 50)
    assert usage.completion_tokens_details.reasoning_tokens == 11
    assert usage.completion_tokens > 11


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_embeddings_are_unit_vectors_equal_for_equal_texts(openai: AsyncOpenAI, encoding):
    reply = await openai.embeddings.create(
        model="text-embedding-3-small", input=["one", "two", "one"], encoding_format=encoding
    )
    vectors = [item.embedding for item in reply.data]
    if encoding == "float":
        assert len(vectors[0]) == 1536
        assert math.isclose(math.hypot(*vectors[0]), 1, abs_tol=1e-6)
    assert vectors[0] == vectors[2] != vectors[1]
    assert reply.usage.prompt_tokens == 3


async def test_embeddings_come_decoded_by_the_package_itself(openai: AsyncOpenAI):
    reply = await openai.embeddings.create(model="text-embedding-3-large", input="one", dimensions=8)
    assert math.isclose(math.hypot(*reply.data[0].embedding), 1, abs_tol=1e-6)
    wide = await openai.embeddings.create(model="text-embedding-3-large", input=[[1, 2, 3], [4]])
    assert [len(item.embedding) for item in wide.data] == [3072, 3072]
    other = await openai.embeddings.create(model="my-embedder", input=[1, 2, 3])
    assert len(other.data[0].embedding) == 256


async def test_models_are_listed_and_others_do_not_exist(simulator, openai: AsyncOpenAI, ask):
    assert "gpt-6-luna" in [model.id async for model in openai.models.list()]
    simulator.configure(models=["gpt-9"])
    assert [model.id async for model in openai.models.list()] == ["gpt-9"]
    assert (await openai.models.retrieve("gpt-9")).id == "gpt-9"
    with pytest.raises(NotFoundError) as caught:
        await ask()
    assert caught.value.code == "model_not_found"
    with pytest.raises(NotFoundError):
        await openai.models.retrieve("gpt-6-luna")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "m"}, "'messages'"),
        ({"model": "m", "messages": []}, "'messages'"),
        ({"messages": [{"role": "user", "content": "x"}]}, "'model'"),
        ({"model": "m", "messages": ["x"]}, "messages[0]"),
        ({"model": "m", "messages": [{"role": "king", "content": "x"}]}, "messages[0]"),
        ({"model": "m", "messages": [{"role": "user", "content": None}]}, "content"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "'smell'"),
        ({"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 0}, "'max_tokens'"),
        ({"model": "m", "messages": [{"role": "user", "content": "[[fault:nonsense]]"}]}, "nonsense"),
        ({"model": "m", "messages": [{"role": "user", "content": "[[tool:f {]]"}]}, "not valid JSON"),
        ({"model": "m", "messages": [{"role": "user", "content": "[[tool:f [1]]]"}]}, "not a JSON object"),
        (
            {
                "model": "m",
                "messages": [{"role": "user", "content": "x"}],
                "response_format": {"type": "json_schema", "json_schema": {}},
            },
            "schema",
        ),
        (
            {
                "model": "m",
                "messages": [{"role": "user", "content": "x"}],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"schema": {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}},
                },
            },
            "nowhere",
        ),
        ({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream_options": "yes"}, "wrong type"),
    ],
)
async def test_a_wrong_body_is_refused_with_its_fault_named(simulator, openai: AsyncOpenAI, body, words):
    with pytest.raises(BadRequestError) as caught:
        await openai.post("/chat/completions", body=body, cast_to=object)
    assert words in caught.value.message
    assert simulator.bill.total.requests == 0


async def test_more_choices_and_wider_vectors_than_any_model_gives_are_refused(ask, openai: AsyncOpenAI):
    with pytest.raises(BadRequestError, match="'n' is 1000000000; expected at most 128"):
        await ask("x", n=10**9)
    with pytest.raises(BadRequestError, match="'dimensions' is 1000000000; expected at most 65536"):
        await openai.embeddings.create(model="m", input="x", dimensions=10**9)


@pytest.mark.parametrize("body", [b"{", b"[]"])
async def test_a_body_that_is_no_json_object_is_refused(simulator, body):
    async with ClientSession() as session, session.post(f"{simulator.url}/v1/chat/completions", data=body) as reply:
        assert reply.status == 400


async def test_a_body_may_be_many_megabytes(openai: AsyncOpenAI):
    reply = await openai.embeddings.create(model="m", input="x" * 5_000_000, encoding_format="float")
    assert reply.usage.prompt_tokens == 1_250_000


async def test_a_context_that_is_too_long_has_its_code(simulator, ask):
    simulator.configure(context_window=100)
    with pytest.raises(BadRequestError) as caught:
        await ask("x" * 400, max_completion_tokens=1)
    assert caught.value.code == "context_length_exceeded"
    await ask("x" * 40, max_completion_tokens=1)


async def test_the_request_id_is_in_the_header(openai: AsyncOpenAI):
    raw = await openai.chat.completions.with_raw_response.create(model="gpt-6-luna", messages=user("Hello"))
    assert raw.headers["x-request-id"].startswith("req_")
    assert "x-ratelimit-limit-requests" not in raw.headers


async def test_nothing_listens_after_it_has_stopped():
    async with Simulator() as simulator:
        url = simulator.url
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        with pytest.raises(APIConnectionError):
            await client.models.list()


async def test_an_error_in_mid_stream_has_no_status(ask):
    stream = await ask("[[fault:stream_error]]", stream=True)
    with pytest.raises(APIError) as caught:
        [chunk async for chunk in stream]
    assert not hasattr(caught.value, "status_code")


@pytest.mark.parametrize(("seconds", "text"), [(0.1201, "120ms"), (6.5, "6.5s"), (7, "7s"), (361, "6m1s")])
def test_reset_headers_are_durations(seconds, text):
    assert duration(seconds) == text
