"""The google-genai package works against the simulator as it does against the provider."""

from __future__ import annotations

from collections.abc import AsyncIterator

import genai_prices
import orjson
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from homa_workers.simulator import Limits, Simulator

MODEL = "gemini-3.5-flash-lite"

# The package subclasses aiohttp's session, which aiohttp discourages with a warning.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


@pytest.fixture
async def gemini(simulator: Simulator) -> AsyncIterator[genai.client.AsyncClient]:
    options = types.HttpOptions(
        base_url=f"{simulator.url}/gemini", retry_options=types.HttpRetryOptions(attempts=1), timeout=10_000
    )
    client = genai.Client(api_key="any", http_options=options)
    async with client.aio as aio:
        yield aio
    client.close()


async def generate(gemini, prompt: object = "Hello", **config):
    config.setdefault("automatic_function_calling", types.AutomaticFunctionCallingConfig(disable=True))
    return await gemini.models.generate_content(
        model=MODEL, contents=prompt, config=types.GenerateContentConfig(**config)
    )


async def test_a_reply_has_text_and_usage_and_its_price(simulator, gemini):
    simulator.configure(reasoning_tokens=9, cached_share=0.5)
    reply = await generate(gemini, "x" * 391, system_instruction="Be brief")
    usage = reply.usage_metadata
    assert reply.text
    assert (usage.prompt_token_count, usage.cached_content_token_count, usage.thoughts_token_count) == (100, 50, 9)
    assert usage.total_token_count == 100 + usage.candidates_token_count + 9
    price = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=100, cache_read_tokens=50, output_tokens=usage.candidates_token_count + 9),
        MODEL,
        provider_id="google",
    )
    assert simulator.bill.total.nano_usd == round(price.total_price * 10**9)


async def test_an_output_cap_ends_the_reply(gemini):
    reply = await generate(gemini, max_output_tokens=3)
    assert reply.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert reply.usage_metadata.candidates_token_count == 3


async def test_a_stream_adds_up_to_the_plain_reply(gemini):
    plain = await generate(gemini)
    chunks = [chunk async for chunk in await gemini.models.generate_content_stream(model=MODEL, contents="Hello")]
    assert len(chunks) > 2
    assert "".join(chunk.text or "" for chunk in chunks) == plain.text
    assert chunks[-1].usage_metadata == plain.usage_metadata


class Invoice(BaseModel):
    number: str
    total: float


async def test_structured_output_fits_its_schema(gemini):
    reply = await generate(gemini, response_mime_type="application/json", response_schema=Invoice)
    assert isinstance(reply.parsed, Invoice)
    reply = await generate(gemini, response_mime_type="application/json")
    assert isinstance(orjson.loads(reply.text), dict)


async def test_a_tool_is_called_and_its_result_answered_in_words(gemini):
    weather = types.FunctionDeclaration(
        name="weather",
        parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}},
    )
    tools = [types.Tool(function_declarations=[weather])]
    reply = await generate(gemini, '[[tool:weather {"city": "Oslo"}]]', tools=tools)
    call = reply.function_calls[0]
    assert (call.name, call.args) == ("weather", {"city": "Oslo"})
    result = types.FunctionResponse(id=call.id, name="weather", response={"degrees": 12})
    history = [
        types.Content(role="user", parts=[types.Part(text='[[tool:weather {"city": "Oslo"}]]')]),
        reply.candidates[0].content,
        types.Content(role="user", parts=[types.Part(function_response=result)]),
    ]
    assert (await generate(gemini, history, tools=tools)).text
    result.id = "another"
    with pytest.raises(errors.ClientError, match="has the id of no call: 'another'"):
        await generate(gemini, history, tools=tools)
    calling = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["weather"])
    stream = await gemini.models.generate_content_stream(
        model=MODEL,
        contents="Hello",
        config=types.GenerateContentConfig(tools=tools, tool_config=types.ToolConfig(function_calling_config=calling)),
    )
    calls = [call async for chunk in stream for call in chunk.function_calls or []]
    assert isinstance(calls[0].args["city"], str)


async def test_images_are_accepted_and_tokens_counted_for_nothing(simulator, gemini):
    parts = [types.Part.from_bytes(data=b"PNG", mime_type="image/png"), types.Part(text="What?")]
    content = types.Content(role="user", parts=parts)
    assert (await gemini.models.count_tokens(model=MODEL, contents=content)).total_tokens == 87
    assert simulator.bill.total.requests == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_blocked_prompt_is_a_reply_without_candidates(simulator, gemini, stream):
    prompt = "[[fault:content_filter]]"
    if stream:
        chunks = [one async for one in await gemini.models.generate_content_stream(model=MODEL, contents=prompt)]
        reply = chunks[-1]
    else:
        reply = await generate(gemini, prompt)
    assert reply.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    assert not reply.candidates
    assert simulator.bill.total.requests == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_is_a_finish_reason(gemini, stream):
    if stream:
        chunks = [one async for one in await gemini.models.generate_content_stream(model=MODEL, contents="[[refuse]]")]
        reply = chunks[-1]
    else:
        reply = await generate(gemini, "[[refuse]]")
    assert reply.candidates[0].finish_reason == types.FinishReason.SAFETY
    assert not reply.text


async def test_a_rate_limit_names_its_quota_and_when_to_come_back(simulator, gemini):
    simulator.configure(limits=Limits(rpm=30), burst_s=2)
    await generate(gemini)
    with pytest.raises(errors.ClientError) as caught:
        await generate(gemini)
    failure, retry = caught.value.details["error"]["details"]
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert "PerMinute" in failure["violations"][0]["quotaId"]
    assert retry["retryDelay"] == "2s"


async def test_only_input_counts_towards_token_quota(simulator, gemini):
    simulator.configure(limits=Limits(tpm=60), burst_s=60)
    await generate(gemini, "[[tokens:900]]" + "x" * 186, max_output_tokens=5000)
    with pytest.raises(errors.ClientError) as caught:
        await generate(gemini, "x" * 60)
    assert "InputTokensPerMinute" in caught.value.details["error"]["details"][0]["violations"][0]["quotaId"]
    await generate(gemini, "x" * 40)


@pytest.mark.parametrize(
    ("fault", "code", "words"), [("quota", 429, "prepayment credits"), ("503", 503, "UNAVAILABLE")]
)
async def test_faults_have_google_s_words(gemini, fault, code, words):
    with pytest.raises(errors.APIError) as caught:
        await generate(gemini, f"[[fault:{fault}]]")
    assert caught.value.code == code
    assert words in str(caught.value)


async def test_an_error_in_mid_stream_is_an_error(gemini):
    stream = await gemini.models.generate_content_stream(model=MODEL, contents="[[fault:stream_error]]")

    async def receive() -> None:
        async for _ in stream:
            pass

    with pytest.raises(errors.APIError):
        await receive()


async def test_embeddings_and_models(simulator, gemini):
    reply = await gemini.models.embed_content(
        model="gemini-embedding-001",
        contents=["one", "two"],
        config=types.EmbedContentConfig(output_dimensionality=16),
    )
    assert [len(one.values) for one in reply.embeddings] == [16, 16]
    assert reply.usage_metadata.prompt_token_count == 2
    simulator.configure(models=[MODEL])
    assert [model.name async for model in await gemini.models.list()] == [f"models/{MODEL}"]
    assert (await gemini.models.get(model=MODEL)).input_token_limit == 1_048_576


@pytest.mark.parametrize("contents", [[], [7], [{"parts": []}], [{"parts": [{"smell": 1}]}]])
async def test_a_wrong_body_is_refused(gemini, contents):
    with pytest.raises(errors.ClientError) as caught:
        await gemini._api_client.async_request("post", f"models/{MODEL}:generateContent", {"contents": contents})
    assert caught.value.status == "INVALID_ARGUMENT"
