"""Embeddings by Bedrock's InvokeModel, each family in its own shape."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Usage
from homa_workers.providers.base import Provider
from tests.providers.bedrock_shapes import REQUEST_ID
from tests.providers.stub import Stub, reply

pytest.importorskip("aiobotocore", reason="the bedrock extra is not installed")

K = ErrorKind


async def test_titan_embeds_one_text_a_call(stub: Stub, bedrock: Provider) -> None:
    stub.answer = reply(200, {"embedding": [0.5]}, {"x-amzn-bedrock-input-token-count": "4", **REQUEST_ID})
    embeddings = await bedrock.embed("amazon.titan-embed-text-v2:0", ["a", "b"], {"dimensions": 256})
    assert embeddings.vectors == [[0.5], [0.5]]
    assert (embeddings.usage.input_tokens, embeddings.request_id) == (8, "req_1")
    assert [request.json for request in stub.requests] == [
        {"inputText": "a", "dimensions": 256},
        {"inputText": "b", "dimensions": 256},
    ]


async def test_titans_own_count_stands_in_for_a_header_that_is_not_there(stub: Stub, bedrock: Provider) -> None:
    stub.answer = reply(200, {"embedding": [0.5], "inputTextTokenCount": 3})
    embeddings = await bedrock.embed("amazon.titan-embed-text-v2:0", ["a", "b"], {})
    assert (embeddings.usage.input_tokens, embeddings.metered) == (6, True)


@pytest.mark.parametrize("vectors", [[[0.25], [0.5]], {"float": [[0.25], [0.5]]}])
async def test_cohere_embeds_many_texts_a_call(stub: Stub, bedrock: Provider, vectors: Any) -> None:
    stub.answer = reply(200, {"embeddings": vectors})
    embeddings = await bedrock.embed("cohere.embed-v4", ["a", "b"], {"encoding_format": "float"})
    assert (embeddings.vectors, embeddings.metered) == ([[0.25], [0.5]], False)
    assert stub.request.json == {"texts": ["a", "b"], "input_type": "search_document"}


async def test_dimensions_go_by_the_name_that_each_family_has_for_them(stub: Stub, bedrock: Provider) -> None:
    stub.answer = reply(200, {"embeddings": [[0.5]]})
    await bedrock.embed("cohere.embed-v4", ["a"], {"dimensions": 256})
    assert stub.requests[-1].json["output_dimension"] == 256
    stub.answer = reply(200, {"embedding": [0.5]})
    await bedrock.embed("amazon.titan-embed-text-v2:0", ["a"], {"dimensions": 256})
    assert stub.requests[-1].json["dimensions"] == 256


async def test_nova_embeds_one_text_a_call_in_a_shape_of_its_own(stub: Stub, bedrock: Provider) -> None:
    stub.answer = reply(200, {"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5]}], "inputTokenCount": 3})
    model = "amazon.nova-2-multimodal-embeddings-v1:0"
    params = {"dimensions": 384, "embeddingPurpose": "TEXT_RETRIEVAL", "truncationMode": "END", "encoding_format": "x"}
    embeddings = await bedrock.embed(model, ["a", "b"], params)
    assert (embeddings.vectors, embeddings.usage.input_tokens) == ([[0.5], [0.5]], 6)
    assert [request.json for request in stub.requests] == [
        {
            "taskType": "SINGLE_EMBEDDING",
            "singleEmbeddingParams": {
                "embeddingPurpose": "TEXT_RETRIEVAL",
                "embeddingDimension": 384,
                "text": {"truncationMode": "END", "value": text},
            },
        }
        for text in ("a", "b")
    ]
    await bedrock.embed(f"us.{model}", ["a"], {})
    said = {"embeddingPurpose": "GENERIC_INDEX", "text": {"truncationMode": "NONE", "value": "a"}}
    assert stub.requests[-1].json["singleEmbeddingParams"] == said


async def test_embeddings_that_fail_half_way_are_charged_for_the_half(stub: Stub, bedrock: Provider) -> None:
    answers = [
        reply(200, {"embedding": [0.5]}, {"x-amzn-bedrock-input-token-count": "4"}),
        reply(429, {"message": "slow down"}, {"x-amzn-errortype": "ThrottlingException"}),
    ]

    async def next_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers.pop(0)(reader, writer)

    stub.answer = next_answer
    with pytest.raises(ProviderError) as caught:
        await bedrock.embed("amazon.titan-embed-text-v2:0", ["a", "b"], {})
    assert (caught.value.kind, caught.value.charge) == (K.RATE_LIMITED, Charge.ACTUAL)
    assert caught.value.usage == Usage(input_tokens=4)


async def test_embeddings_that_do_not_fit_their_inputs_are_malformed(stub: Stub, bedrock: Provider) -> None:
    stub.answer = reply(200, {})
    with pytest.raises(ProviderError, match="expected 1 vectors"):
        await bedrock.embed("amazon.titan-embed-text-v2:0", ["a"], {})
