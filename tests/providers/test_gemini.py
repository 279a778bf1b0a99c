"""Calls to Gemini, asked and answered in the shape of chat completions."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Delta, Usage
from homa_shared.model.errors import ConfigError
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from tests.providers.failing_calls import closed_port, ignore
from tests.providers.stub import Stub, drop, events, reply
from tests.providers.test_openai import Pieces

pytest.importorskip("google.genai", reason="the gemini extra is not installed")

K = ErrorKind

USAGE = {
    "promptTokenCount": 90,
    "toolUsePromptTokenCount": 10,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 10,
    "thoughtsTokenCount": 30,
}


def candidate(*parts: dict[str, Any], reason: str | None = "STOP") -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    return {"content": content, "index": 0} | ({"finishReason": reason} if reason else {})


def answer(*parts: dict[str, Any], reason: str | None = "STOP", **fields: Any) -> dict[str, Any]:
    return {
        "candidates": [candidate(*parts, reason=reason)],
        "usageMetadata": USAGE,
        "modelVersion": "gemini-3-flash",
        "responseId": "resp_1",
        **fields,
    }


def chunks(*bodies: dict[str, Any]) -> list[str]:
    return [f"data: {orjson.dumps(body).decode()}\r\n\r\n" for body in bodies]


def refusal(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


async def test_a_reply_is_a_chat_completion(stub: Stub, gemini: Provider, hello: Call) -> None:
    stub.answer = reply(200, answer({"text": "hm", "thought": True}, {"text": "Hi "}, {"text": "there"}))
    completion = await gemini.complete(hello)
    assert completion.text == "Hi there"
    assert completion.finish_reason == "stop"
    assert completion.body["choices"][0]["message"]["reasoning_content"] == "hm"
    assert completion.usage == Usage(100, 40, cached_tokens=60, reasoning_tokens=30, model="gemini-3-flash")
    assert completion.body["usage"]["total_tokens"] == 140
    assert (completion.request_id, completion.body["model"]) == ("resp_1", "gemini-3-flash")
    assert stub.request.path.endswith("/models/some-model:generateContent")
    assert stub.request.headers["x-team"] == "a"
    assert stub.request.json["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]
    assert stub.request.json["generationConfig"] == {"maxOutputTokens": 50}


@pytest.mark.parametrize(
    ("options", "version"), [({}, "v1beta"), ({"api_version": "v1"}, "v1"), ({"api_version": "v1alpha"}, "v1alpha")]
)
async def test_the_apis_version_is_the_adapters_and_not_the_sdks(
    stub: Stub, hello: Call, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], version: str
) -> None:
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v7")
    provider = create(ProviderConfig("gemini", "gemini", None, stub.url, options=options))
    stub.answer = reply(200, answer({"text": "Hi"}))
    await provider.complete(hello)
    stub.answer = reply(200, {"embeddings": [{"values": [0.25]}]})
    await provider.embed("m", ["a"], {})
    await provider.aclose()
    assert [request.path.split("/")[1] for request in stub.requests] == [version, version]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        *(("MAX_TOKENS", "length"), ("CONTINUATION", "length"), ("SAFETY", "content_filter")),
        *(("RECITATION", "content_filter"), ("ESCALATION", "content_filter")),
    ],
)
async def test_finish_reasons_are_translated(
    stub: Stub, gemini: Provider, hello: Call, reason: str, finish: str
) -> None:
    stub.answer = reply(200, answer({"text": "x"}, reason=reason))
    assert (await gemini.complete(hello)).finish_reason == finish


async def test_function_calls_come_back_as_they_went(stub: Stub, gemini: Provider, hello: Call) -> None:
    call = {"functionCall": {"name": "weather", "args": {"city": "Rome"}}, "thoughtSignature": "c2ln"}
    stub.answer = reply(200, answer(call))
    completion = await gemini.complete(hello)
    message = completion.body["choices"][0]["message"]
    assert completion.finish_reason == "tool_calls"
    assert message["content"] is None
    (tool_call,) = message["tool_calls"]
    assert tool_call["function"] == {"name": "weather", "arguments": '{"city":"Rome"}'}
    result = {"role": "tool", "tool_call_id": tool_call["id"], "content": '{"celsius": 21}'}
    await gemini.complete(Call("m", [{"role": "user", "content": "Weather?"}, message, result]))
    assert stub.requests[1].json["contents"][1:] == [
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"celsius": 21}}}]},
    ]


async def test_results_of_parallel_calls_find_theirs_by_the_ids_that_gemini_gave(
    stub: Stub, gemini: Provider, hello: Call
) -> None:
    calls = [{"functionCall": {"id": name, "name": "weather", "args": {"city": name}}} for name in ("Rome", "Oslo")]
    stub.answer = reply(200, answer(*calls))
    message = (await gemini.complete(hello)).body["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": name, "content": '{"celsius": 1}'} for name in ("Oslo", "Rome")]
    await gemini.complete(Call("m", [{"role": "user", "content": "Weather?"}, message, *results]))
    _, called, answered = stub.requests[1].json["contents"]
    assert called["parts"] == calls
    told = [part["functionResponse"] for part in answered["parts"]]
    assert [(result["id"], result["name"]) for result in told] == [("Oslo", "weather"), ("Rome", "weather")]


PER_DAY = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
PER_MINUTE = {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]}
TOO_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."

ROWS = [
    (400, refusal(400, "INVALID_ARGUMENT", "Invalid value"), K.INVALID_REQUEST),
    (400, refusal(400, "INVALID_ARGUMENT", TOO_LONG), K.CONTEXT_TOO_LONG),
    *(
        (400, refusal(400, "INVALID_ARGUMENT", text), K.UNSUPPORTED_BY_MODEL)
        for text in (
            "Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.",
            "The thinking budget 0 is invalid. Please choose a value between 128 and 32768.",
            "Budget 0 is invalid. This model only works in thinking mode.",
            "Penalty is not enabled for models/gemini-3.8-flash",
            "Invalid JSON payload received. Unknown name \"x\" at 'generation_config': Cannot find field.",
            "Function calling with a response mime type: 'application/json' is unsupported",
            "Function call `x` in the `1.` content block is missing a `thought_signature`.",
        )
    ),
    (400, refusal(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}), K.UNAUTHORIZED),
    (400, refusal(400, "FAILED_PRECONDITION", "Please enable billing on your project"), K.QUOTA_EXHAUSTED),
    (400, refusal(400, "FAILED_PRECONDITION", "User location is not supported"), K.UNAUTHORIZED),
    (402, refusal(402, "PAYMENT_REQUIRED", "Prepaid credits are used up"), K.QUOTA_EXHAUSTED),
    (403, refusal(403, "PERMISSION_DENIED", "No"), K.UNAUTHORIZED),
    (404, refusal(404, "NOT_FOUND", "models/x is not found"), K.MODEL_NOT_FOUND),
    (429, refusal(429, "RESOURCE_EXHAUSTED", "Quota", PER_MINUTE), K.RATE_LIMITED),
    (429, refusal(429, "RESOURCE_EXHAUSTED", "Quota", PER_DAY), K.QUOTA_EXHAUSTED),
    (429, refusal(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go to"), K.QUOTA_EXHAUSTED),
    (
        429,
        refusal(429, "RESOURCE_EXHAUSTED", "Your account has exceeded its monthly spending cap"),
        K.QUOTA_EXHAUSTED,
    ),
    (429, refusal(429, "RESOURCE_EXHAUSTED", "The project's spend cap is reached", PER_MINUTE), K.QUOTA_EXHAUSTED),
    (429, refusal(429, "RESOURCE_EXHAUSTED", "Your spend rate is too high", PER_MINUTE), K.RATE_LIMITED),
    (429, refusal(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."), K.RATE_LIMITED),
    (429, refusal(429, "RESOURCE_EXHAUSTED", "No room", {"reason": "MODEL_CAPACITY_EXHAUSTED"}), K.OVERLOADED),
    (500, refusal(500, "INTERNAL", "An internal error"), K.AMBIGUOUS),
    (502, b"<html>Bad gateway</html>", K.AMBIGUOUS),
    (503, refusal(503, "UNAVAILABLE", "The model is overloaded"), K.OVERLOADED),
    (504, refusal(504, "DEADLINE_EXCEEDED", "Deadline"), K.AMBIGUOUS),
    (200, b"not json", K.MALFORMED),
    (200, {}, K.MALFORMED),
    (200, answer({"text": "x"}, reason=None), K.MALFORMED),
    *(
        (200, answer(reason=reason), K.UNUSABLE_REPLY)
        for reason in (
            "MALFORMED_FUNCTION_CALL",
            "UNEXPECTED_TOOL_CALL",
            "MALFORMED_RESPONSE",
            "OTHER",
            "NEW",
        )
    ),
    (200, answer(reason="MISSING_THOUGHT_SIGNATURE"), K.UNSUPPORTED_BY_MODEL),
    (200, answer(reason="TOO_MANY_TOOL_CALLS"), K.UNSUPPORTED_BY_MODEL),
    (200, answer(reason="PUP_LIMITED_DISABLED"), K.UNAUTHORIZED),
    (200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": USAGE}, K.CONTENT_POLICY),
]


@pytest.mark.parametrize(("status", "body", "expected"), ROWS)
async def test_a_failure_is_classified(
    stub: Stub, gemini: Provider, hello: Call, status: int, body: Any, expected: ErrorKind
) -> None:
    stub.answer = reply(status, body)
    with pytest.raises(ProviderError) as caught:
        await gemini.complete(hello)
    assert caught.value.kind is expected
    assert len(stub.requests) == 1
    if isinstance(body, dict) and "usageMetadata" in body:
        assert caught.value.charge is Charge.ACTUAL


async def test_the_wait_stands_in_the_details(stub: Stub, gemini: Provider, hello: Call) -> None:
    stub.answer = reply(429, refusal(429, "RESOURCE_EXHAUSTED", "Quota", PER_MINUTE, {"retryDelay": "34.5s"}))
    with pytest.raises(ProviderError) as caught:
        await gemini.complete(hello)
    assert caught.value.retry_after_s == 34.5


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_a_dropped_connection_is_ambiguous_and_not_tried_again(
    stub: Stub, gemini: Provider, hello: Call, way: str
) -> None:
    stub.answer = drop()
    with pytest.raises(ProviderError) as caught:
        await (gemini.complete(hello) if way == "complete" else gemini.stream(hello, ignore))
    assert caught.value.kind is K.AMBIGUOUS
    assert len(stub.requests) == 1


async def test_a_password_in_an_address_is_in_no_message(hello: Call) -> None:
    provider = create(ProviderConfig("gemini", "gemini", None, f"http://me:hunter2@127.0.0.1:{closed_port()}"))
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1") as caught:
        await provider.complete(hello)
    assert "hunter2" not in caught.value.message
    await provider.aclose()


async def test_a_refused_connection_cost_nothing(hello: Call) -> None:
    provider = create(ProviderConfig("gemini", "gemini", None, f"http://127.0.0.1:{closed_port()}"))
    with pytest.raises(ProviderError) as caught:
        await provider.complete(hello)
    assert (caught.value.kind, caught.value.charge) == (K.UNREACHABLE, Charge.NONE)
    await provider.aclose()


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_cancelling_a_call_closes_its_connection(stub: Stub, gemini: Provider, hello: Call, way: str) -> None:
    stub.answer = stub.hang
    task = asyncio.ensure_future(gemini.complete(hello) if way == "complete" else gemini.stream(hello, ignore))
    await stub.asked.wait()
    task.cancel()
    async with asyncio.timeout(1):
        await stub.left.wait()


async def test_a_stream_gives_its_pieces_and_the_whole(stub: Stub, gemini: Provider, hello: Call) -> None:
    stub.answer = events(
        *chunks(
            answer({"text": "hm", "thought": True}, reason=None),
            answer({"text": "Hi "}, reason=None),
            answer({"text": "there"}, {"functionCall": {"name": "f", "args": {}}}),
        )
    )
    pieces = Pieces()
    completion = await gemini.stream(hello, pieces.emit)
    assert pieces.text == "Hi there" == completion.text
    assert pieces.taken[0] == Delta(reasoning="hm")
    assert pieces.taken[-1].tool_call is not None
    assert completion.finish_reason == "tool_calls"
    assert completion.usage.output_tokens == 40
    assert "streamGenerateContent" in stub.request.path


@pytest.mark.parametrize("end", [True, False])
async def test_a_stream_that_ends_early_is_ambiguous_and_keeps_its_text(
    stub: Stub, gemini: Provider, hello: Call, end: bool
) -> None:
    stub.answer = events(*chunks(answer({"text": "Hi"}, reason=None)), end=end)
    with pytest.raises(ProviderError) as caught:
        await gemini.stream(hello, ignore)
    assert (caught.value.kind, caught.value.partial_text) == (K.AMBIGUOUS, "Hi")


async def test_a_cut_chunk_is_ambiguous(stub: Stub, gemini: Provider, hello: Call) -> None:
    stub.answer = events(*chunks(answer({"text": "Hi"}, reason=None)), 'data: {"candidates": [{"con\r\n\r\n')
    with pytest.raises(ProviderError) as caught:
        await gemini.stream(hello, ignore)
    assert (caught.value.kind, caught.value.partial_text) == (K.AMBIGUOUS, "Hi")


async def test_a_blocked_stream_is_a_matter_of_policy(stub: Stub, gemini: Provider, hello: Call) -> None:
    stub.answer = events(*chunks({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": USAGE}))
    with pytest.raises(ProviderError) as caught:
        await gemini.stream(hello, ignore)
    assert caught.value.kind is K.CONTENT_POLICY


@pytest.mark.parametrize("model", ["gemini-embedding-001", "gemini-embedding-2", "text-embedding-005"])
async def test_each_text_is_embedded_by_itself(stub: Stub, gemini: Provider, model: str) -> None:
    stub.answer = reply(200, {"embeddings": [{"values": [0.25]}, {"values": [0.5]}]})
    embeddings = await gemini.embed(model, ["a", "b"], {"dimensions": 1, "encoding_format": "float"})
    assert embeddings.vectors == [[0.25], [0.5]]
    asked = stub.request.json["requests"]
    assert [one["content"]["parts"] for one in asked] == [[{"text": "a"}], [{"text": "b"}]]
    assert [one["outputDimensionality"] for one in asked] == [1, 1]


@pytest.mark.parametrize(
    ("told", "tokens", "metered"),
    [({"usageMetadata": {"promptTokenCount": 7}}, 7, True), ({"usageMetadata": {}}, 0, False), ({}, 0, False)],
)
async def test_tokens_of_embeddings_are_read_where_they_are_told(
    stub: Stub, gemini: Provider, told: dict[str, Any], tokens: int, metered: bool
) -> None:
    stub.answer = reply(200, {"embeddings": [{"values": [0.25]}], **told})
    embeddings = await gemini.embed("gemini-embedding-2", ["a"], {})
    assert (embeddings.usage.input_tokens, embeddings.metered) == (tokens, metered)


@pytest.mark.parametrize(
    ("status", "body", "params", "expected"),
    [
        (200, {"embeddings": []}, {}, K.MALFORMED),
        (404, refusal(404, "NOT_FOUND", "no"), {}, K.MODEL_NOT_FOUND),
        (200, {}, {"colour": "red"}, K.UNSUPPORTED_BY_MODEL),
    ],
)
async def test_embeddings_that_fail_are_classified(
    stub: Stub, gemini: Provider, status: int, body: Any, params: dict[str, Any], expected: ErrorKind
) -> None:
    stub.answer = reply(status, body)
    with pytest.raises(ProviderError) as caught:
        await gemini.embed("m", ["a"], params)
    assert caught.value.kind is expected


async def test_gemini_counts_tokens(stub: Stub, gemini: Provider) -> None:
    stub.answer = reply(200, {"totalTokens": 14})
    call = Call("m", [{"role": "system", "content": "A"}, {"role": "user", "content": "B"}])
    assert await gemini.count(call) == 14
    assert stub.request.json["contents"] == [{"role": "user", "parts": [{"text": "A"}, {"text": "B"}]}]
    stub.answer = reply(503, b"")
    with pytest.raises(ProviderError):
        await gemini.count(call)


def test_a_missing_key_names_its_setting() -> None:
    with pytest.raises(ConfigError, match="HOMA_PROVIDERS__MINE__API_KEY"):
        create(ProviderConfig("mine", "gemini"))


@pytest.mark.parametrize("odd", [7, "one", {"a": 1}, [7], [{}]])
@pytest.mark.parametrize("name", ["webSearchQueries", "imageSearchQueries", "retrievalQueries", "groundingChunks"])
async def test_a_grounding_of_another_shape_loses_no_reply(
    stub: Stub, gemini: Provider, hello: Call, name: str, odd: object
) -> None:
    body = answer({"text": "Hi"})
    body["candidates"][0]["groundingMetadata"] = {name: odd}
    stub.answer = reply(200, body)
    completion = await gemini.complete(hello)
    assert (completion.text, completion.usage.output_tokens > 0) == ("Hi", True)
    assert all(type(count) is int for _, count in completion.usage.fees)
