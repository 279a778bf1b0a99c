"""Each way in which a server refuses a call, told to the real SDK, becomes one signal for retry and reroute."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import Charge, ErrorKind
from homa_shared.calls.reply import Call
from tests.providers.conftest import Connect
from tests.providers.failing_calls import failure, ignore
from tests.providers.refusals import ANTHROPIC_ROWS, OPENAI_ROWS
from tests.providers.shapes import anthropic_error, openai_error
from tests.providers.stub import Stub, reply

K = ErrorKind

ROWS = [
    pytest.param(kind, status, body, expected, id=f"{kind}: {status} {name}")
    for kind, rows in (("openai", OPENAI_ROWS), ("anthropic", ANTHROPIC_ROWS))
    for name, status, body, expected in rows
]


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


async def test_a_long_error_page_is_cut(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(502, b"x" * 100_000)
    error = await failure(connect("openai", stub.url).complete(hello))
    assert len(error.message) == 1000
