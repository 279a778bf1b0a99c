"""Each way in which a response fails becomes one signal for retry and reroute: refused, failed later, in mid-stream."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import RESPONSES_API, Call
from tests.providers.conftest import Connect
from tests.providers.failing_calls import failure, ignore
from tests.providers.refusals import OPENAI_ROWS
from tests.providers.responses_shapes import USAGE, ended, event, failed, message, response, text
from tests.providers.shapes import openai_error
from tests.providers.stub import Stub, drop, events, reply

K = ErrorKind
HELLO = Call("gpt-6-luna", [{"role": "user", "content": "Hello"}], {"max_tokens": 50}, api=RESPONSES_API)

#: 404 that does not speak of a model, and what only this API answers.
OWN_ROWS: list[tuple[str, int, Any, ErrorKind]] = [
    ("model", 404, openai_error("The model `gpt-9` does not exist", "model_not_found"), K.MODEL_NOT_FOUND),
    ("model in words only", 404, {"error": {"message": "The model `x` does not exist."}}, K.MODEL_NOT_FOUND),
    ("azure's deployment", 404, {"error": {"code": "DeploymentNotFound", "message": "x"}}, K.MODEL_NOT_FOUND),
    ("an item that is not kept", 404, openai_error("Item with id 'rs_1' not found."), K.NOT_FOUND),
    ("a server without this API", 404, {"detail": "Not Found"}, K.NOT_FOUND),
    (
        "an earlier response",
        400,
        openai_error("Previous response with id 'resp_1' not found.", "previous_response_not_found"),
        K.INVALID_REQUEST,
    ),
    ("a forbidden prompt", 400, openai_error("Your prompt was flagged", "invalid_prompt"), K.CONTENT_POLICY),
    ("an empty object", 200, {}, K.MALFORMED),
    ("a page", 200, b"<html></html>", K.MALFORMED),
    ("an error body", 200, openai_error("Rate limit reached", "rate_limit_exceeded"), K.RATE_LIMITED),
    ("no output", 200, response(output=None), K.MALFORMED),
    ("one that still runs", 200, response(status="in_progress"), K.MALFORMED),
    ("a failed one", 200, failed("server_error"), K.AMBIGUOUS),
    ("one that failed without a word", 200, response(status="failed", usage=None), K.AMBIGUOUS),
    ("an image that is none", 200, failed("invalid_image"), K.INVALID_REQUEST),
]  # fmt: skip
#: What Chat Completions and Responses answer alike: all but 404, and bodies of 200.
SHARED_ROWS = [row for row in OPENAI_ROWS if row[1] not in (200, 404)]
ROWS = [pytest.param(*row[1:], id=row[0]) for row in (*SHARED_ROWS, *OWN_ROWS)]


@pytest.mark.parametrize(("status", "body", "expected"), ROWS)
async def test_a_refusal_is_classified_as_with_chat_completions(
    stub: Stub, connect: Connect, status: int, body: Any, expected: ErrorKind
) -> None:
    stub.answer = reply(status, body)
    error = await failure(connect("openai", stub.url).complete(HELLO))
    assert error.kind is expected
    assert error.status == (None if status == 200 and error.kind in (K.AMBIGUOUS, K.INVALID_REQUEST) else status)


@pytest.mark.parametrize(("status", "body", "expected"), [row for row in ROWS if row.values[0] != 200])
async def test_a_refused_stream_is_classified_alike(
    stub: Stub, connect: Connect, status: int, body: Any, expected: ErrorKind
) -> None:
    stub.answer = reply(status, body)
    error = await failure(connect("openai", stub.url).stream(HELLO, ignore))
    assert (error.kind, error.status) == (expected, status)


#: How an error is told inside a stream: as an event of its own (flat, or as some servers nest it), or as the end.
TOLD = {
    "event": lambda code: event("error", code=code, message="It failed", param=None),
    "nested": lambda code: event("error", error={"code": code, "message": "It failed", "type": "x"}),
    "response.failed": lambda code: ended(failed(code)),
}


@pytest.mark.parametrize("told", list(TOLD))
@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("server_error", K.AMBIGUOUS, K.AMBIGUOUS),
        ("rate_limit_exceeded", K.RATE_LIMITED, K.AMBIGUOUS),
        ("insufficient_quota", K.QUOTA_EXHAUSTED, K.AMBIGUOUS),
        ("context_length_exceeded", K.CONTEXT_TOO_LONG, K.AMBIGUOUS),
        ("invalid_prompt", K.CONTENT_POLICY, K.CONTENT_POLICY),
        ("bio_policy", K.CONTENT_POLICY, K.CONTENT_POLICY),
        ("image_content_policy_violation", K.CONTENT_POLICY, K.CONTENT_POLICY),
        ("failed_to_download_image", K.INVALID_REQUEST, K.AMBIGUOUS),
        ("credit_balance_exhausted", K.QUOTA_EXHAUSTED, K.AMBIGUOUS),
        ("slow_down", K.RATE_LIMITED, K.AMBIGUOUS),
        ("engine_overloaded", K.OVERLOADED, K.OVERLOADED),
        ("server_is_overloaded", K.OVERLOADED, K.OVERLOADED),
        ("vector_store_timeout", K.AMBIGUOUS, K.AMBIGUOUS),
    ],
)
async def test_a_failure_in_mid_stream_never_makes_delivered_tokens_free(
    stub: Stub, connect: Connect, told: str, code: str, before: ErrorKind, after: ErrorKind
) -> None:
    provider = connect("openai", stub.url)
    stub.answer = events(TOLD[told](code))
    error = await failure(provider.stream(HELLO, ignore))
    assert (error.kind, error.partial_text, error.message, error.code) == (before, "", "It failed", code)
    stub.answer = events(text("Hi"), TOLD[told](code))
    error = await failure(provider.stream(HELLO, ignore))
    assert (error.kind, error.partial_text, error.charge) == (after, "Hi", Charge.UNRESOLVED)


async def test_what_a_failed_response_used_is_charged(stub: Stub, connect: Connect) -> None:
    provider = connect("openai", stub.url)
    for body in (failed("server_error", usage=USAGE), response(status="cancelled")):
        stub.answer = reply(200, body)
        error = await failure(provider.complete(HELLO))
        assert error.charge is Charge.ACTUAL
        assert error.usage is not None
        assert error.usage.output_tokens == 40


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_a_dropped_connection_is_ambiguous(stub: Stub, connect: Connect, way: str) -> None:
    stub.answer = drop()
    provider = connect("openai", stub.url)
    call = provider.complete(HELLO) if way == "complete" else provider.stream(HELLO, ignore)
    assert (await failure(call)).kind is K.AMBIGUOUS


async def test_what_json_cannot_hold_is_an_invalid_request(stub: Stub, connect: Connect) -> None:
    unsayable = Call("m", [{"role": "user", "content": [{"type": "input_text", "text": {1}}]}], api=RESPONSES_API)
    with pytest.raises(ProviderError, match="cannot be written as JSON"):
        await connect("openai", stub.url).complete(unsayable)
    assert not stub.requests


async def test_the_wait_that_is_asked_for_is_read(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(429, openai_error("slow down", "rate_limit_exceeded"), {"retry-after-ms": "1500"})
    error = await failure(connect("openai", stub.url).complete(HELLO))
    assert error.retry_after_s == 1.5


@pytest.mark.parametrize("item", [{"type": "function_call"}, message(content=[{"type": "output_text"}])])
async def test_an_item_of_no_known_shape_is_malformed_and_paid_for(
    stub: Stub, connect: Connect, item: dict[str, Any]
) -> None:
    stub.answer = reply(200, response(item))
    error = await failure(connect("openai", stub.url).complete(HELLO))
    assert (error.kind, error.charge) == (K.MALFORMED, Charge.ACTUAL)


@pytest.mark.parametrize("kind", ["response.completed", "response.output_item.done", "response.failed"])
async def test_an_event_of_no_known_shape_breaks_the_stream(stub: Stub, connect: Connect, kind: str) -> None:
    stub.answer = events(text("Hi"), event(kind))
    error = await failure(connect("openai", stub.url).stream(HELLO, ignore))
    assert (error.kind, error.partial_text) == (K.AMBIGUOUS, "Hi")
    assert kind in error.message
