"""Azure, Ollama and Cohere speak OpenAI's protocol, each with its own accent."""

from __future__ import annotations

import openai as openai_sdk
import pytest
from openai import AsyncOpenAI

from homa_workers.simulator import Limits
from tests.simulator.conftest import user

ENDPOINTS = {"azure": "/azure/openai/v1", "ollama": "/ollama/v1", "cohere": "/cohere/compatibility/v1"}


@pytest.fixture
def client_of(simulator, openai: AsyncOpenAI):
    def client_of(kind: str) -> AsyncOpenAI:
        return openai.with_options(base_url=f"{simulator.url}{ENDPOINTS[kind]}")

    return client_of


async def ask(client: AsyncOpenAI, text: str = "Hello", **options):
    return await client.chat.completions.create(model="some-model", messages=user(text), **options)


@pytest.mark.parametrize("kind", ENDPOINTS)
async def test_they_answer_stream_embed_and_list_models(simulator, client_of, kind):
    client = client_of(kind)
    plain = await ask(client)
    chunks = [chunk async for chunk in await ask(client, stream=True)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == plain.choices[0].message.content
    embedded = await client.embeddings.create(model="some-model", input="Hello", encoding_format="float")
    assert len(embedded.data[0].embedding) == 256
    assert [model.id async for model in client.models.list()]
    assert list(simulator.bill.as_json()["accounts"]) == [kind]


@pytest.mark.parametrize(("kind", "unpriced"), [("azure", 1), ("cohere", 1), ("ollama", 0)])
async def test_ollama_alone_is_free(simulator, client_of, kind, unpriced):
    await ask(client_of(kind))
    assert simulator.bill.total.unpriced_requests == unpriced
    assert simulator.bill.total.nano_usd == 0


async def test_azure_reserves_prompt_and_cap_and_gives_nothing_back(simulator, client_of):
    simulator.configure(limits=Limits(tpm=6000), burst_s=10)
    await ask(client_of("azure"), "[[tokens:1]]", max_completion_tokens=600)
    with pytest.raises(openai_sdk.RateLimitError) as caught:
        await ask(client_of("azure"), "[[tokens:1]]", max_completion_tokens=600)
    assert caught.value.code == "429"
    assert "retry-after-ms" in caught.value.response.headers


async def test_azure_tells_what_it_filtered(client_of):
    with pytest.raises(openai_sdk.BadRequestError) as caught:
        await ask(client_of("azure"), "[[fault:content_filter]]")
    assert caught.value.code == "content_filter"
    assert caught.value.body["innererror"]["code"] == "ResponsibleAIPolicyViolation"
    with pytest.raises(openai_sdk.BadRequestError):
        await ask(client_of("azure"), "[[fault:400]]")


async def test_cohere_has_errors_of_its_own_shape(client_of):
    with pytest.raises(openai_sdk.APIStatusError) as caught:
        await ask(client_of("cohere"), "[[fault:quota]]")
    assert caught.value.status_code == 402
    assert set(caught.value.response.json()) == {"id", "message"}
    with pytest.raises(openai_sdk.NotFoundError):
        await ask(client_of("cohere"), "[[fault:404]]")


async def test_ollama_has_no_codes_and_no_headers_of_quota(simulator, client_of):
    simulator.configure(limits=Limits(concurrency=1, rpm=60))
    with pytest.raises(openai_sdk.NotFoundError) as caught:
        await ask(client_of("ollama"), "[[fault:404]]")
    assert (caught.value.type, caught.value.code) == ("not_found_error", None)
    assert not [name for name in caught.value.response.headers if name.startswith("x-")]
