"""Each way in which a call fails, told by a server to the real SDK, becomes one signal for retry and reroute."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Delta
from homa_workers.providers.base import Provider, ProviderConfig
from tests.providers.conftest import Connect
from tests.providers.shapes import CHAT, MESSAGE, anthropic_error, openai_error
from tests.providers.stub import Answer, Stub, drop, raw, reply

K = ErrorKind

OPENAI_ROWS: list[tuple[str, int, Any, ErrorKind]] = [
    (
        "context_length_exceeded",
        400,
        openai_error("This model's maximum context length is 8192 tokens.", "context_length_exceeded"),
        K.CONTEXT_TOO_LONG,
    ),
    ("context told in words only", 400, openai_error("maximum context length is 4096 tokens"), K.CONTEXT_TOO_LONG),
    ("content_filter", 400, openai_error("The response was filtered", "content_filter"), K.CONTENT_POLICY),
    (
        "azure's inner code",
        400,
        {"error": {"message": "x", "code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        K.CONTENT_POLICY,
    ),
    ("plain 400", 400, openai_error("Invalid value: 'x'", "invalid_value"), K.INVALID_REQUEST),
    ("a wrong schema", 400, openai_error("Invalid schema for response_format 'x'"), K.INVALID_REQUEST),
    *(
        (text[:40], status, body, K.UNSUPPORTED_BY_MODEL)
        for text, status, body in (
            ("above the range", 400, openai_error("Invalid 'n': integer above maximum", "integer_above_max_value")),
            ("too many stops", 400, openai_error("Invalid 'stop': array too long", "array_above_max_length")),
            ("vllm", 400, openai_error("temperature must be non-negative, got -1.0.", "400", "BadRequestError")),
            ("vllm's top_p", 400, openai_error("top_p must be in (0, 1], got 1.5.")),
            ("tgi", 422, {"error": "Input validation error: `temperature` must be strictly positive"}),
            ("fastapi", 422, {"detail": [{"loc": ["body", "temperature"], "msg": "Input should be less than 1.5"}]}),
            ("quoted", 400, openai_error("'stop' must be at most 4 sequences")),
        )
    ),
    ("a word in the text", 400, openai_error("messages.0.content: the seed of a stop"), K.INVALID_REQUEST),
    ("a wrong function", 400, openai_error("Invalid schema", "invalid_function_parameters"), K.INVALID_REQUEST),
    *(
        (text[:40], status, openai_error(text, code), K.UNSUPPORTED_BY_MODEL)
        for status, code, text in (
            (400, "unsupported_parameter", "Unsupported parameter: 'max_tokens' is not supported with this model."),
            (400, "unsupported_value", "Unsupported value: 'temperature' does not support 0.2 with this model."),
            (400, "unknown_parameter", "Unknown parameter: 'stop'. Did you mean 'store'?"),
            (400, None, "Unsupported parameter: 'temperature' is not supported with this model."),
            (
                400,
                None,
                "Function tools with reasoning_effort are not supported for gpt-6-sol in /v1/chat.",
            ),
            (400, None, "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
            (400, None, "Unrecognized request argument supplied: reasoning_effort"),
            (400, None, "This model is compatible only with 24h extended prompt caching"),
            (400, None, "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas"),
            (400, None, "Invalid service_tier argument: The requested service tier is not allowed for this project."),
            (400, None, "registry.ollama.ai/library/x does not support tools"),
            (400, None, "This model does not support specifying dimensions."),
            (404, None, "This is not a chat model and thus not supported in the v1/chat/completions endpoint."),
        )
    ),
    (
        "cohere's unknown field",
        422,
        {"message": "unknown field: parameter 'strict' is not a valid field. For proper usage, please refer to"},
        K.UNSUPPORTED_BY_MODEL,
    ),
    ("bad key", 401, openai_error("Incorrect API key provided", "invalid_api_key"), K.UNAUTHORIZED),
    ("payment required", 402, openai_error("Insufficient credits"), K.QUOTA_EXHAUSTED),
    ("forbidden", 403, openai_error("Country not supported", "unsupported_country_region_territory"), K.UNAUTHORIZED),
    ("model by code", 403, openai_error("Project does not have access", "model_not_found"), K.MODEL_NOT_FOUND),
    ("model", 404, openai_error("The model `gpt-9` does not exist", "model_not_found"), K.MODEL_NOT_FOUND),
    ("ollama's model", 404, {"error": "model 'x' not found"}, K.MODEL_NOT_FOUND),
    ("request timeout", 408, openai_error("Request timed out"), K.CONFLICT),
    ("conflict", 409, openai_error("Conflict"), K.CONFLICT),
    ("too large", 413, b"<html>Request Entity Too Large</html>", K.CONTEXT_TOO_LONG),
    ("unprocessable", 422, {"detail": [{"msg": "field required"}]}, K.INVALID_REQUEST),
    ("rate limit", 429, openai_error("Rate limit reached on RPM", "rate_limit_exceeded", "requests"), K.RATE_LIMITED),
    ("bare 429", 429, b"", K.RATE_LIMITED),
    (
        "insufficient_quota",
        429,
        openai_error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
        K.QUOTA_EXHAUSTED,
    ),
    *(
        (code, 429, openai_error("No money is left", code, "billing_error"), K.QUOTA_EXHAUSTED)
        for code in (
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
        )
    ),
    ("ramp too steep", 429, openai_error("Slow down", "slow_down", "rate_limit_error"), K.RATE_LIMITED),
    ("ramp too steep, as told before", 503, openai_error("Slow Down", "slow_down", None), K.RATE_LIMITED),
    (
        "daily limit",
        429,
        openai_error("Rate limit reached on requests per day (RPD): Limit 200", "rate_limit_exceeded", "requests"),
        K.QUOTA_EXHAUSTED,
    ),
    (
        "larger than the limit",
        429,
        openai_error("Request too large for gpt-4o on TPM: Limit 10000, Requested 20000", "rate_limit_exceeded"),
        K.CONTEXT_TOO_LONG,
    ),
    ("google's array", 429, [openai_error("Resource exhausted", None, None)], K.RATE_LIMITED),
    ("server error", 500, openai_error("The server had an error", None, "server_error"), K.AMBIGUOUS),
    ("bad gateway", 502, b"<html>Bad gateway</html>", K.AMBIGUOUS),
    ("unavailable", 503, openai_error("The engine is overloaded", None, "server_error"), K.OVERLOADED),
    (
        "no capacity",
        503,
        openai_error("Selected model is at capacity.", "server_is_overloaded", "service_unavailable_error"),
        K.OVERLOADED,
    ),
    ("gateway timeout", 504, b"upstream request timeout", K.AMBIGUOUS),
    ("cloudflare origin down", 521, b"Web server is down", K.OVERLOADED),
    ("moved", 307, b"", K.INVALID_REQUEST),
    ("empty object", 200, {}, K.MALFORMED),
    ("no choices", 200, {**CHAT, "choices": None}, K.MALFORMED),
    ("empty choices", 200, {**CHAT, "choices": []}, K.MALFORMED),
    ("unfinished choice", 200, {**CHAT, "choices": [{"message": {}, "finish_reason": None}]}, K.MALFORMED),
    ("error body", 200, openai_error("Rate limit reached", "rate_limit_exceeded"), K.RATE_LIMITED),
    ("router's error", 200, {"error": {"message": "No credits", "code": 402}}, K.QUOTA_EXHAUSTED),
    ("unknown error body", 200, openai_error("Something odd"), K.MALFORMED),
    ("garbage", 200, b"<html>login</html>", K.MALFORMED),
    ("truncated JSON", 200, b'{"id": "chatcmpl-1", "choices": [{"ind', K.MALFORMED),
]

ANTHROPIC_ROWS: list[tuple[str, int, Any, ErrorKind]] = [
    (
        "prompt too long",
        400,
        anthropic_error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        K.CONTEXT_TOO_LONG,
    ),
    (
        "content filter",
        400,
        anthropic_error("invalid_request_error", "Output blocked by content filtering policy"),
        K.CONTENT_POLICY,
    ),
    (
        "credit balance",
        400,
        anthropic_error("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        K.QUOTA_EXHAUSTED,
    ),
    ("plain 400", 400, anthropic_error("invalid_request_error", "messages: at least one"), K.INVALID_REQUEST),
    ("schema", 400, anthropic_error("invalid_request_error", "Schema is too complex."), K.INVALID_REQUEST),
    *(
        (text[:40], 400, anthropic_error("invalid_request_error", text), K.UNSUPPORTED_BY_MODEL)
        for text in (
            "temperature: Extra inputs are not permitted",
            "`temperature` is deprecated for this model.",
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
            "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
            '"thinking.type.disabled" is not supported for this model.',
            "adaptive thinking is not supported on this model",
            'To turn thinking off on this model, send "thinking": {"type": "between_tools"} instead of',
            "This model does not support the effort parameter.",
            'tool_choice: type "tool" and "any" are not supported for this model.',
            "This model does not support assistant message prefill.",
            "messages.1.content.0: Invalid `signature` in block. The block is bound to a different conversation.",
        )
    ),
    ("bad key", 401, anthropic_error("authentication_error", "invalid x-api-key"), K.UNAUTHORIZED),
    ("billing", 402, anthropic_error("billing_error", "Payment required"), K.QUOTA_EXHAUSTED),
    ("forbidden", 403, anthropic_error("permission_error", "Not allowed"), K.UNAUTHORIZED),
    ("model", 404, anthropic_error("not_found_error", "model: claude-9"), K.MODEL_NOT_FOUND),
    ("request timeout", 408, anthropic_error("timeout_error", "Request timeout"), K.CONFLICT),
    ("conflict", 409, anthropic_error("conflict_error", "Conflict"), K.CONFLICT),
    ("too large", 413, anthropic_error("request_too_large", "Request exceeds the maximum size"), K.CONTEXT_TOO_LONG),
    ("unprocessable", 422, anthropic_error("invalid_request_error", "Unprocessable"), K.INVALID_REQUEST),
    ("rate limit", 429, anthropic_error("rate_limit_error", "This request would exceed"), K.RATE_LIMITED),
    (
        "a workspace's spend limit",
        429,
        anthropic_error("rate_limit_error", "This workspace has reached its monthly spend limit."),
        K.QUOTA_EXHAUSTED,
    ),
    (
        "ramp limit",
        429,
        anthropic_error("rate_limit_error", "Usage grows too fast", "ramp_limit_exceeded"),
        K.RATE_LIMITED,
    ),
    (
        "EnforcedSpendLimitReachedError",
        429,
        anthropic_error("rate_limit_error", "Monthly threshold crossed", "enforced_spend_limit_reached"),
        K.QUOTA_EXHAUSTED,
    ),
    ("api error", 500, anthropic_error("api_error", "Internal server error"), K.AMBIGUOUS),
    ("bad gateway", 502, b"<html>Bad gateway</html>", K.AMBIGUOUS),
    ("unavailable", 503, b"", K.OVERLOADED),
    ("gateway timeout", 504, anthropic_error("timeout_error", "Timed out"), K.AMBIGUOUS),
    ("overloaded", 529, anthropic_error("overloaded_error", "Overloaded"), K.OVERLOADED),
    ("empty object", 200, {}, K.MALFORMED),
    ("no stop reason", 200, {**MESSAGE, "stop_reason": None}, K.MALFORMED),
    ("error body", 200, anthropic_error("overloaded_error", "Overloaded"), K.OVERLOADED),
    ("garbage", 200, b"not json", K.MALFORMED),
    ("truncated JSON", 200, b'{"id": "msg_1", "content": [{"ty', K.MALFORMED),
]

ROWS = [
    pytest.param(kind, status, body, expected, id=f"{kind}: {status} {name}")
    for kind, rows in (("openai", OPENAI_ROWS), ("anthropic", ANTHROPIC_ROWS))
    for name, status, body, expected in rows
]


async def failure(call: Awaitable[object]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize(("kind", "status", "body", "expected"), ROWS)
async def test_a_refusal_is_classified(
    stub: Stub, connect: Connect, hello: Call, kind: str, status: int, body: Any, expected: ErrorKind
) -> None:
    stub.answer = reply(status, body, {"x-request-id": "req_9"})
    error = await failure(connect(kind, stub.url).complete(hello))
    assert error.kind is expected
    assert error.request_id == "req_9"
    assert len(stub.requests) == 1, "the adapter must leave retries to the pipeline"


@pytest.mark.parametrize(("kind", "status", "body", "expected"), [row for row in ROWS if row.values[1] != 200])
async def test_a_refused_stream_is_classified_alike(
    stub: Stub, connect: Connect, hello: Call, kind: str, status: int, body: Any, expected: ErrorKind
) -> None:
    stub.answer = reply(status, body)
    error = await failure(connect(kind, stub.url).stream(hello, ignore))
    assert (error.kind, error.status) == (expected, status)


@pytest.mark.parametrize(
    ("kind", "status", "body", "expected", "setting"),
    [
        (
            "anthropic",
            400,
            anthropic_error("invalid_request_error", "anthropic-version: 2023-06-01 is not a valid version"),
            K.UNAUTHORIZED,
            '[providers.<name>.options] headers = { "anthropic-version" = "…" }',
        ),
        (
            "gemini",
            404,
            {
                "error": {
                    "code": 404,
                    "message": "models/gemini-9 is not found for API version v1",
                    "status": "NOT_FOUND",
                }
            },
            K.MODEL_NOT_FOUND,
            "see `api_version` in [providers.<name>.options]",
        ),
        (
            "gemini",
            404,
            b"The requested URL /v1beta/models/gemini-9:generateContent was not found on this server.",
            K.UNAUTHORIZED,
            "set `api_version` in [providers.<name>.options]",
        ),
        (
            "azure",
            400,
            openai_error("Missing required query parameter: api-version"),
            K.UNAUTHORIZED,
            "expected https://<resource>.openai.azure.com/openai/v1",
        ),
    ],
)
async def test_a_refused_version_of_the_api_names_its_setting(
    stub: Stub, connect: Connect, hello: Call, kind: str, status: int, body: Any, expected: ErrorKind, setting: str
) -> None:
    stub.answer = reply(status, body)
    error = await failure(connect(kind, stub.url).complete(hello))
    assert (error.kind, error.charge) == (expected, Charge.NONE)
    assert setting in error.message


async def ignore(_: Delta) -> None:
    """Take a piece and do nothing."""


BOTH = pytest.mark.parametrize("kind", ["openai", "anthropic"])


@BOTH
@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_a_refused_connection_cost_nothing(connect: Connect, hello: Call, kind: str, way: str) -> None:
    error = await failure(_call(connect(kind, f"http://127.0.0.1:{_closed_port()}"), way, hello))
    assert (error.kind, error.charge) == (K.UNREACHABLE, Charge.NONE)
    assert "127.0.0.1" in error.message


@BOTH
async def test_an_unknown_host_cost_nothing(connect: Connect, hello: Call, kind: str) -> None:
    error = await failure(connect(kind, "http://nowhere.invalid").complete(hello))
    assert (error.kind, error.charge) == (K.UNREACHABLE, Charge.NONE)


@BOTH
async def test_an_address_that_is_none_is_unreachable(connect: Connect, hello: Call, kind: str) -> None:
    error = await failure(connect(kind, "ftp://127.0.0.1").complete(hello))
    assert error.kind is K.UNREACHABLE


HALF_A_REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n" + b'{"id": "x", '


@BOTH
@pytest.mark.parametrize("way", ["complete", "stream"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(drop(), id="dropped before the reply"),
        pytest.param(raw(HALF_A_REPLY), id="dropped in mid-body"),
        pytest.param(raw(b"SSH-2.0-OpenSSH\r\n\r\n"), id="no HTTP"),
    ],
)
async def test_what_breaks_after_sending_is_ambiguous(
    stub: Stub, connect: Connect, hello: Call, kind: str, way: str, answer: Answer
) -> None:
    stub.answer = answer
    error = await failure(_call(connect(kind, stub.url), way, hello))
    assert (error.kind, error.charge) == (K.AMBIGUOUS, Charge.UNRESOLVED)
    assert len(stub.requests) == 1, "a request that may have been charged must not be sent again unseen"


@BOTH
async def test_a_silent_server_is_ambiguous(
    stub: Stub, connect: Connect, hello: Call, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProviderConfig, "read_timeout_s", 0.1)
    stub.answer = stub.hang
    error = await failure(connect(kind, stub.url).complete(hello))
    assert (error.kind, error.charge) == (K.AMBIGUOUS, Charge.UNRESOLVED)


@BOTH
async def test_a_reply_that_cannot_be_decompressed_is_malformed(
    stub: Stub, connect: Connect, hello: Call, kind: str
) -> None:
    stub.answer = reply(200, b"no gzip at all", {"content-encoding": "gzip"})
    error = await failure(connect(kind, stub.url).complete(hello))
    assert (error.kind, error.charge) == (K.MALFORMED, Charge.UNRESOLVED)


@BOTH
@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_cancelling_a_call_closes_its_connection(
    stub: Stub, connect: Connect, hello: Call, kind: str, way: str
) -> None:
    stub.answer = stub.hang
    task = asyncio.ensure_future(_call(connect(kind, stub.url), way, hello))
    await stub.asked.wait()
    task.cancel()
    async with asyncio.timeout(1):
        await stub.left.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


@BOTH
async def test_a_malformed_reply_with_usage_is_charged_at_it(
    stub: Stub, connect: Connect, hello: Call, kind: str
) -> None:
    unfinished = {"openai": {**CHAT, "choices": []}, "anthropic": {**MESSAGE, "stop_reason": None}}
    stub.answer = reply(200, unfinished[kind])
    error = await failure(connect(kind, stub.url).complete(hello))
    assert (error.kind, error.charge) == (K.MALFORMED, Charge.ACTUAL)
    assert error.usage is not None
    assert (error.usage.input_tokens, error.usage.output_tokens) == (100, 40)


def _date(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def _unix(seconds: int) -> str:
    return str(int(time.time()) + seconds)


def _iso(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@BOTH
@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        pytest.param({"retry-after-ms": "1500", "retry-after": "60"}, 1.5, 1.5, id="milliseconds first"),
        pytest.param({"retry-after": "20"}, 20, 20, id="seconds"),
        pytest.param({"retry-after": "0.25"}, 0.25, 0.25, id="parts of a second"),
        pytest.param({"retry-after": _date(3600)}, 3000, 3600, id="a date"),
        pytest.param({"retry-after": "Sun, 06 Nov 1994 08:49:37 -0000"}, 0, 0, id="a date long past"),
        pytest.param({"retry-after": "-5"}, 0, 0, id="less than nothing"),
        pytest.param({"retry-after": "soon"}, None, None, id="words"),
        pytest.param({"retry-after": "nan"}, None, None, id="no number"),
        pytest.param({"retry-after": _unix(3600)}, 3000, 3600, id="a Unix time"),
        pytest.param({"retry-after": _unix(3600) + "500"}, 3000, 3601, id="a Unix time in ms"),
        pytest.param({"retry-after-ms": _unix(3600) + "500"}, 3000, 3601, id="a Unix time in ms where ms are meant"),
        pytest.param({"retry-after": _unix(-3600)}, 0, 0, id="a Unix time that has passed"),
        pytest.param({"retry-after": _iso(3600)}, 3000, 3600, id="a date of ISO 8601"),
        pytest.param({"retry-after": "1m30s"}, 90, 90, id="minutes and seconds"),
        pytest.param({"retry-after": "500ms"}, 0.5, 0.5, id="with its unit"),
        pytest.param({"retry-after": "1e30"}, 2_678_400, 2_678_400, id="longer than anything turns"),
        pytest.param({"retry-after": "inf"}, None, None, id="for ever"),
        pytest.param({}, None, None, id="nothing"),
    ],
)
async def test_the_wait_that_a_provider_asks_for_is_read(
    stub: Stub, connect: Connect, hello: Call, kind: str, headers: dict[str, str], low: float, high: float
) -> None:
    stub.answer = reply(429, b"slow down", headers)
    error = await failure(connect(kind, stub.url).complete(hello))
    if low is None:
        assert error.retry_after_s is None
    else:
        assert error.retry_after_s is not None
        assert low <= error.retry_after_s <= high


async def test_a_long_error_page_is_cut(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(502, b"x" * 100_000)
    error = await failure(connect("openai", stub.url).complete(hello))
    assert len(error.message) == 1000


def _call(provider: Provider, way: str, call: Call) -> Awaitable[object]:
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "complete": lambda: provider.complete(call),
        "stream": lambda: provider.stream(call, ignore),
    }
    return ways[way]()


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
