"""aiobotocore works against the simulator as it does against Bedrock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError, EventStreamError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from homa_workers.simulator import Limits, Simulator

MODEL = "anthropic.claude-3-5-sonnet-20241022-v2:0"
TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "weather",
                "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
            }
        }
    ]
}


@pytest.fixture
async def bedrock(simulator: Simulator) -> AsyncIterator[Any]:
    config = AioConfig(retries={"total_max_attempts": 1})
    async with get_session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=f"{simulator.url}/bedrock",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=config,
    ) as client:
        yield client


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": text}]}]


async def converse(bedrock, text: str = "Hello", **options):
    return await bedrock.converse(modelId=MODEL, messages=user(text), **options)


async def events_of(bedrock, text: str, **options) -> list[dict[str, Any]]:
    reply = await bedrock.converse_stream(modelId=MODEL, messages=user(text), **options)
    return [event async for event in reply["stream"]]


async def test_a_reply_has_text_usage_and_a_price(simulator, bedrock):
    simulator.configure(cached_share=0.5, cache_write_share=0.25)
    reply = await converse(bedrock, "x" * 391, system=[{"text": "Be brief"}])
    assert reply["output"]["message"]["content"][0]["text"]
    assert reply["stopReason"] == "end_turn"
    usage = reply["usage"]
    assert (usage["inputTokens"], usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]) == (25, 50, 25)
    assert simulator.bill.total.input_tokens == 100
    # 3, 0.30, 3.75 and 15 dollars per million: plain, read, written, put out.
    assert simulator.bill.total.nano_usd == 25 * 3000 + 50 * 300 + 25 * 3750 + usage["outputTokens"] * 15_000


async def test_a_stream_adds_up_to_the_plain_reply(bedrock):
    plain = await converse(bedrock)
    events = await events_of(bedrock, "Hello")
    text = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert text == plain["output"]["message"]["content"][0]["text"]
    assert next(iter(events[0])) == "messageStart"
    assert [next(iter(event)) for event in events[-3:]] == ["contentBlockStop", "messageStop", "metadata"]
    assert events[-1]["metadata"]["usage"] == plain["usage"]


async def test_a_tool_is_called_and_its_result_answered_in_words(bedrock):
    prompt = '[[tool:weather {"city": "Oslo"}]]'
    reply = await converse(bedrock, prompt, toolConfig=TOOLS)
    message = reply["output"]["message"]
    call = message["content"][0]["toolUse"]
    assert (reply["stopReason"], call["name"], call["input"]) == ("tool_use", "weather", {"city": "Oslo"})
    result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "12 degrees"}]}}
    history = [*user(prompt), message, {"role": "user", "content": [result]}]
    last = await bedrock.converse(modelId=MODEL, messages=history, toolConfig=TOOLS)
    assert last["stopReason"] == "end_turn"


@pytest.mark.parametrize("choice", [{"any": {}}, {"tool": {"name": "weather"}}])
async def test_a_forced_tool_streams_its_arguments(bedrock, choice):
    events = await events_of(bedrock, "Hello", toolConfig={**TOOLS, "toolChoice": choice})
    start = next(event["contentBlockStart"] for event in events if "contentBlockStart" in event)
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert start["start"]["toolUse"]["name"] == "weather"
    assert "city" in orjson.loads("".join(delta["toolUse"]["input"] for delta in deltas))


async def test_images_are_accepted_and_the_output_cap_holds(bedrock):
    image = {"image": {"format": "png", "source": {"bytes": b"PNG"}}}
    messages = [{"role": "user", "content": [image, {"text": "What?"}]}]
    reply = await bedrock.converse(modelId=MODEL, messages=messages, inferenceConfig={"maxTokens": 4})
    assert (reply["stopReason"], reply["usage"]["inputTokens"], reply["usage"]["outputTokens"]) == ("max_tokens", 87, 4)


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("429", "ThrottlingException", 429),
        ("quota", "ServiceQuotaExceededException", 400),
        ("context", "ValidationException", 400),
        ("403", "AccessDeniedException", 403),
        ("503", "ServiceUnavailableException", 503),
        ("500", "InternalServerException", 500),
        ("502", "ModelErrorException", 424),
    ],
)
async def test_the_kind_of_an_error_is_aws_s_own(simulator, bedrock, fault, code, status):
    simulator.configure(headers=False)
    with pytest.raises(ClientError) as caught:
        await converse(bedrock, f"[[fault:{fault}]]")
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


async def test_an_error_in_mid_stream_is_an_event(bedrock):
    with pytest.raises(EventStreamError, match="serviceUnavailableException"):
        await events_of(bedrock, "[[fault:stream_error]]")


async def test_a_dropped_connection_is_one(simulator, bedrock):
    with pytest.raises((BotoConnectionError, HTTPClientError)):
        await converse(bedrock, "[[fault:drop]]")
    assert simulator.bill.total.requests == 1


async def test_quota_is_settled_by_use(simulator, bedrock):
    simulator.configure(limits=Limits(tpm=6000), burst_s=10)
    for _ in range(4):
        await converse(bedrock, "[[tokens:1]]", inferenceConfig={"maxTokens": 900})


async def test_tokens_are_counted_for_nothing(simulator, bedrock):
    counted = await bedrock.count_tokens(modelId=MODEL, input={"converse": {"messages": user("x" * 40)}})
    assert counted["inputTokens"] == 10
    assert simulator.bill.total.requests == 0


async def test_embeddings_of_titan_and_cohere(bedrock):
    body = orjson.dumps({"inputText": "one", "dimensions": 8})
    titan = await bedrock.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=body)
    reply = orjson.loads(await titan["body"].read())
    assert (len(reply["embedding"]), reply["inputTextTokenCount"]) == (8, 1)
    body = orjson.dumps({"texts": ["one", "two"], "input_type": "search_document"})
    cohere = await bedrock.invoke_model(modelId="cohere.embed-english-v3", body=body)
    reply = orjson.loads(await cohere["body"].read())
    assert [len(vector) for vector in reply["embeddings"]] == [1024, 1024]


async def test_embeddings_of_nova(bedrock):
    model = "amazon.nova-2-multimodal-embeddings-v1:0"
    text = {"truncationMode": "END", "value": "one"}
    params = {"embeddingPurpose": "GENERIC_INDEX", "embeddingDimension": 256, "text": text}
    body = orjson.dumps({"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params})
    nova = await bedrock.invoke_model(modelId=model, body=body)
    reply = orjson.loads(await nova["body"].read())
    assert (len(reply["embeddings"][0]["embedding"]), reply["inputTokenCount"]) == (256, 1)
    with pytest.raises(ClientError, match="Malformed input request"):
        await bedrock.invoke_model(modelId=model, body=orjson.dumps({"inputText": "one"}))


@pytest.mark.parametrize("content", [[{"smell": 1}], []])
async def test_a_wrong_body_is_refused(simulator, bedrock, content):
    from aiohttp import ClientSession

    body = {"messages": [{"role": "user", "content": content}]}
    async with ClientSession() as session:
        async with session.post(f"{simulator.url}/bedrock/model/{MODEL}/converse", json=body) as reply:
            assert reply.status == 400
            assert reply.headers["x-amzn-errortype"] == "ValidationException"
        async with session.post(f"{simulator.url}/model/{MODEL}/converse", json={"messages": [7]}) as reply:
            assert reply.status == 400
