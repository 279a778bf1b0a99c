"""An error behind work that had begun is never free: what was generated unseen, or beside it, may be billed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import RESPONSES_API, Call
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from tests.providers import responses_shapes as responses
from tests.providers.conftest import Connect
from tests.providers.shapes import CHAT, MESSAGE, anthropic_error, chunk, event, openai_error
from tests.providers.stub import Stub, events, raw, reply
from tests.providers.test_openai import Pieces


async def failure(provider: Provider, call: Call, *, streamed: bool) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await (provider.stream(call, Pieces().emit) if streamed else provider.complete(call))
    return caught.value


def data(body: Mapping[str, Any]) -> str:
    return f"data: {orjson.dumps(body).decode()}\n\n"


#: An error that says its status in its code, as routers do: whatever it is, it came in mid-stream.
REFUSALS: list[dict[str, Any]] = [
    {"error": {"message": "Provider returned error", "code": 400}},
    {"error": {"message": "Your input was flagged", "code": 403}},
    {"error": {"message": "Rate limited upstream", "code": 429}},
    openai_error("The response was filtered", "content_filter"),
]
#: What tells of thinking that nobody sees.
UNSEEN: list[str] = [
    chunk({"role": "assistant", "reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAA", "index": 0}]}),
    chunk({"content": ""}, usage={"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}),
    chunk(usage={"prompt_tokens": 9, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 7}}),
]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("unseen", UNSEEN)
async def test_an_error_behind_unseen_thinking_stays_unresolved(
    stub: Stub, connect: Connect, hello: Call, refusal: dict[str, Any], unseen: str
) -> None:
    stub.answer = events(unseen, data(refusal))
    error = await failure(connect("openai", stub.url), hello, streamed=True)
    assert (error.charge, error.partial_text) == (Charge.UNRESOLVED, "")


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_an_error_before_anything_was_generated_is_as_free_as_a_status(
    stub: Stub, connect: Connect, hello: Call, refusal: dict[str, Any]
) -> None:
    stub.answer = events(chunk({"role": "assistant", "content": ""}), data(refusal))
    error = await failure(connect("openai", stub.url), hello, streamed=True)
    is_free = refusal["error"]["code"] != "content_filter"
    assert error.charge is (Charge.NONE if is_free else Charge.UNRESOLVED)


@pytest.mark.parametrize("kind", ["rate_limit_error", "invalid_request_error", "permission_error"])
@pytest.mark.parametrize("thinks", [True, False], ids=["thinking", "message alone"])
async def test_anthropics_error_behind_the_start_of_a_message_stays_unresolved(
    stub: Stub, connect: Connect, hello: Call, kind: str, thinks: bool
) -> None:
    start = event("message_start", message={**MESSAGE, "content": [], "stop_reason": None})
    thought = event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
    stub.answer = events(start, *([thought] if thinks else []), event("error", **anthropic_error(kind, "No")))
    error = await failure(connect("anthropic", stub.url), hello, streamed=True)
    assert (error.kind, error.charge) == (ErrorKind.AMBIGUOUS, Charge.UNRESOLVED)


@pytest.mark.parametrize("code", [400, "rate_limit_exceeded", "content_policy_violation"])
async def test_an_error_behind_an_unseen_item_of_a_response_stays_unresolved(
    stub: Stub, connect: Connect, code: int | str
) -> None:
    call = Call("gpt-6-sol", [{"role": "user", "content": "Hello"}], {"max_tokens": 50}, api=RESPONSES_API)
    thought = responses.added({"id": "rs_1", "type": "reasoning", "summary": []})
    stub.answer = events(thought, responses.event("error", code=code, message="No"))
    error = await failure(connect("openai", stub.url), call, streamed=True)
    assert error.charge is Charge.UNRESOLVED


async def test_bedrocks_error_behind_the_start_of_a_message_stays_unresolved(stub: Stub, hello: Call) -> None:
    from tests.providers.bedrock_shapes import frame

    pytest.importorskip("aiobotocore", reason="the bedrock extra is not installed")

    account = {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}
    start = frame("messageStart", {"role": "assistant"})
    body = start + frame("throttlingException", {"message": "Too many requests"}, message="exception")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n\r\n"
    stub.answer = raw(head + body)
    provider = create(ProviderConfig("bedrock", "bedrock", None, stub.url, options=account))
    error = await failure(provider, hello, streamed=True)
    assert (error.kind, error.charge) == (ErrorKind.AMBIGUOUS, Charge.UNRESOLVED)
    await provider.aclose()


async def test_geminis_error_behind_unseen_thoughts_stays_unresolved(stub: Stub, connect: Connect, hello: Call) -> None:
    thought = {"usageMetadata": {"promptTokenCount": 9, "thoughtsTokenCount": 40, "totalTokenCount": 49}}
    told = {"error": {"code": 429, "message": "Too many", "status": "RESOURCE_EXHAUSTED"}}
    stub.answer = events(data(thought), data(told))
    error = await failure(connect("gemini", stub.url), hello, streamed=True)
    assert (error.kind, error.charge) == (ErrorKind.AMBIGUOUS, Charge.UNRESOLVED)


# -- an error inside a choice ----------------------------------------------------------------------------------------

#: What a choice says beside its error; the last one says nothing.
SAID: list[tuple[dict[str, Any], str]] = [
    ({"role": "assistant", "content": "Hi th"}, "Hi th"),
    ({"role": "assistant", "content": None, "reasoning": "hm"}, "hm"),
    ({"role": "assistant", "content": None, "reasoning_content": "hm"}, "hm"),
    (
        {"role": "assistant", "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]},
        "{",
    ),
    ({"role": "assistant", "content": ""}, ""),
]


def routed(said: dict[str, Any], place: str, code: int) -> dict[str, Any]:
    """A reply or chunk of a router whose upstream broke down; the error stands in the choice, or beside it."""
    error = {"code": code, "message": "Upstream failed"}
    choice = {"index": 0, "delta": said, "message": said, "finish_reason": "error"}
    body = {**CHAT, "usage": None, "choices": [choice]}
    return {**body, "choices": [{**choice, "error": error}]} if place == "in the choice" else {**body, "error": error}


@pytest.mark.parametrize("code", [400, 403, 429, 502])
@pytest.mark.parametrize("place", ["in the choice", "beside it"])
@pytest.mark.parametrize(("said", "text"), SAID)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_an_error_of_a_choice_that_said_something_stays_unresolved(
    stub: Stub,
    connect: Connect,
    hello: Call,
    said: dict[str, Any],
    text: str,
    place: str,
    code: int,
    streamed: bool,
) -> None:
    body = routed(said, place, code)
    stub.answer = events(data(body)) if streamed else reply(200, body)
    error = await failure(connect("openai", stub.url), hello, streamed=streamed)
    assert error.partial_text == text
    if text:
        assert (error.kind, error.charge) == (ErrorKind.AMBIGUOUS, Charge.UNRESOLVED)
    else:
        assert error.charge is (Charge.NONE if code < 500 else Charge.UNRESOLVED)


async def test_an_error_of_one_choice_counts_what_the_others_said(stub: Stub, connect: Connect, hello: Call) -> None:
    broken = {"index": 1, "message": {"content": ""}, "error": {"code": 429, "message": "Too many"}}
    stub.answer = reply(200, {**CHAT, "usage": None, "choices": [CHAT["choices"][0], broken]})
    error = await failure(connect("openai", stub.url), hello, streamed=False)
    assert (error.kind, error.charge, error.partial_text) == (ErrorKind.AMBIGUOUS, Charge.UNRESOLVED, "Hi there")


async def test_a_failed_response_with_items_stays_unresolved(stub: Stub, connect: Connect) -> None:
    call = Call("gpt-6-sol", [{"role": "user", "content": "Hello"}], {"max_tokens": 50}, api=RESPONSES_API)
    stub.answer = reply(200, {**responses.failed("rate_limit_exceeded"), "output": [responses.message()]})
    error = await failure(connect("openai", stub.url), call, streamed=False)
    assert (error.kind, error.charge, error.partial_text) == (ErrorKind.AMBIGUOUS, Charge.UNRESOLVED, "Hi there")
    stub.answer = reply(200, responses.failed("rate_limit_exceeded"))
    error = await failure(connect("openai", stub.url), call, streamed=False)
    assert (error.kind, error.charge) == (ErrorKind.RATE_LIMITED, Charge.NONE)


@pytest.mark.parametrize("reason", ["TOO_MANY_TOOL_CALLS", "PUP_LIMITED_DISABLED", "MALFORMED_FUNCTION_CALL"])
async def test_a_candidate_that_ended_by_a_fault_stays_unresolved(
    stub: Stub, connect: Connect, hello: Call, reason: str
) -> None:
    stub.answer = reply(200, {"candidates": [{"finishReason": reason, "index": 0}]})
    error = await failure(connect("gemini", stub.url), hello, streamed=False)
    assert (error.code, error.charge) == (reason, Charge.UNRESOLVED)
