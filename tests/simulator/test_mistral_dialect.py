"""Mistral, simulated: strict about what it does not know, with parts, errors and headers of its own."""

from __future__ import annotations

import openai as openai_sdk
import pytest
from openai import AsyncOpenAI

from homa_workers.simulator import Limits
from tests.simulator.conftest import user


@pytest.fixture
def mistral(simulator, openai: AsyncOpenAI) -> AsyncOpenAI:
    return openai.with_options(base_url=f"{simulator.url}/mistral/v1")


async def ask(client: AsyncOpenAI, text: str = "Hello", **options):
    return await client.chat.completions.create(model="mistral-small-latest", messages=user(text), **options)


async def test_it_refuses_what_it_does_not_know(mistral):
    with pytest.raises(openai_sdk.UnprocessableEntityError) as caught:
        await ask(mistral, stream=True, stream_options={"include_usage": True})
    (fault,) = caught.value.response.json()["message"]["detail"]
    assert (fault["type"], fault["loc"]) == ("extra_forbidden", ["body", "stream_options"])
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    with pytest.raises(openai_sdk.BadRequestError, match="with a length of 9"):
        await mistral.chat.completions.create(
            model="m", messages=[*user("Hi"), {"role": "assistant", "content": "", "tool_calls": [call]}]
        )


async def test_a_stream_tells_its_usage_with_the_last_chunk(mistral):
    chunks = [chunk async for chunk in await ask(mistral, stream=True)]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_a_model_that_reasons_answers_in_parts(mistral):
    reply = await ask(mistral, extra_body={"reasoning_effort": "high"})
    thought, said = reply.choices[0].message.content
    assert thought["type"] == "thinking"
    assert said["text"]


async def test_its_errors_have_its_shape(mistral):
    with pytest.raises(openai_sdk.BadRequestError) as caught:
        await ask(mistral, "[[fault:404]]")
    assert caught.value.response.json()["type"] == "invalid_model"
    with pytest.raises(openai_sdk.AuthenticationError) as refused:
        await ask(mistral, "[[fault:401]]")
    assert refused.value.response.json() == {"detail": "Unauthorized"}


async def test_its_headers_count_by_the_minute(simulator, mistral):
    simulator.configure(limits=Limits(rpm=60, tpm=6000))
    raw = await mistral.chat.completions.with_raw_response.create(model="m", messages=user("Hi"))
    assert raw.headers["x-ratelimit-limit-req-minute"] == "60"
    assert raw.headers["x-ratelimit-limit-tokens-minute"] == "6000"
    assert raw.headers["mistral-correlation-id"]
    assert list(simulator.bill.as_json()["accounts"]) == ["mistral"]
