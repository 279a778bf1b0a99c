"""What Bedrock's failures mean, and what they may have cost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from homa_shared.calls.failures import Charge, ErrorKind
from homa_shared.calls.reply import Call
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from tests.providers.bedrock_shapes import ACCOUNT, REQUEST_ID, answer, failure
from tests.providers.failing_calls import HALF_A_REPLY, closed_port, ignore
from tests.providers.stub import Answer, Stub, drop, raw, reply

pytest.importorskip("aiobotocore", reason="the bedrock extra is not installed")

import botocore.exceptions
from aiobotocore.credentials import AioCredentials
from aiobotocore.signers import AioRequestSigner

K = ErrorKind


ROWS = [
    (400, "ValidationException", "The provided value is bad", K.INVALID_REQUEST),
    *(
        (400, "ValidationException", text, K.UNSUPPORTED_BY_MODEL)
        for text in (
            "The model returned the following errors: `temperature` is deprecated for this model.",
            "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
            "This model doesn't support tool use in streaming mode.",
            "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat your input",
        )
    ),
    (400, "ValidationException", "Input is too long for requested model.", K.CONTEXT_TOO_LONG),
    (400, "ValidationException", "The provided model identifier is invalid.", K.MODEL_NOT_FOUND),
    (400, "ServiceQuotaExceededException", "Quota", K.QUOTA_EXHAUSTED),
    (403, "AccessDeniedException", "No", K.UNAUTHORIZED),
    (403, "ExpiredTokenException", "Expired", K.UNAUTHORIZED),
    (404, "ResourceNotFoundException", "Could not resolve the foundation model", K.MODEL_NOT_FOUND),
    (408, "ModelTimeoutException", "Model has timed out", K.AMBIGUOUS),
    (424, "ModelErrorException", "The model failed", K.AMBIGUOUS),
    (429, "ThrottlingException", "Too many requests", K.RATE_LIMITED),
    (429, "ThrottlingException", "Too many tokens per day", K.QUOTA_EXHAUSTED),
    (429, "ModelNotReadyException", "Not ready", K.OVERLOADED),
    (500, "InternalServerException", "Oops", K.AMBIGUOUS),
    (503, "ServiceUnavailableException", "Busy", K.OVERLOADED),
]


@pytest.mark.parametrize("way", ["complete", "stream"])
@pytest.mark.parametrize(("status", "code", "message", "expected"), ROWS)
async def test_a_refusal_is_classified(
    stub: Stub, bedrock: Provider, hello: Call, way: str, status: int, code: str, message: str, expected: ErrorKind
) -> None:
    stub.answer = reply(status, {"message": message}, {"x-amzn-errortype": code, "retry-after": "3", **REQUEST_ID})
    error = await failure(bedrock, way, hello)
    assert (error.kind, error.status, error.request_id) == (expected, status, "req_1")
    assert error.retry_after_s == 3
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("body", "kind", "charge"),
    [
        (answer(reason="malformed_tool_use"), K.UNUSABLE_REPLY, Charge.ACTUAL),
        ({"stopReason": "end_turn"}, K.MALFORMED, Charge.UNRESOLVED),
    ],
)
async def test_a_reply_that_is_none_is_malformed(
    stub: Stub, bedrock: Provider, hello: Call, body: Any, kind: ErrorKind, charge: Charge
) -> None:
    stub.answer = reply(200, body)
    error = await failure(bedrock, "complete", hello)
    assert (error.kind, error.charge) == (kind, charge)


@pytest.mark.parametrize("way", ["complete", "stream"])
@pytest.mark.parametrize("how", [drop(), raw(HALF_A_REPLY), raw(b"SSH-2.0\r\n\r\n"), reply(200, b"not json")])
async def test_what_breaks_after_sending_is_not_free(
    stub: Stub, bedrock: Provider, hello: Call, way: str, how: Answer
) -> None:
    stub.answer = how
    error = await failure(bedrock, way, hello)
    assert error.charge is Charge.UNRESOLVED
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NoCredentialsError", K.UNAUTHORIZED),
        ("UnauthorizedSSOTokenError", K.UNAUTHORIZED),
        ("SSOTokenLoadError", K.UNAUTHORIZED),
        ("RefreshWithMFAUnsupportedError", K.UNAUTHORIZED),
        ("CredentialRetrievalError", K.UNREACHABLE),
        ("MetadataRetrievalError", K.UNREACHABLE),
    ],
)
@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_what_fails_before_the_signature_cost_nothing(
    stub: Stub,
    bedrock: Provider,
    hello: Call,
    way: str,
    name: str,
    expected: ErrorKind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise getattr(botocore.exceptions, name)(provider="p", error_msg="no")

    monkeypatch.setattr(AioRequestSigner, "get_auth_instance", fail)
    monkeypatch.setattr(AioCredentials, "get_frozen_credentials", fail)
    error = await failure(bedrock, way, hello)
    assert (error.kind, error.charge, stub.requests) == (expected, Charge.NONE, [])


async def test_a_command_that_gives_no_credentials_cost_nothing(
    stub: Stub, hello: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[default]\ncredential_process = false\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    provider = create(ProviderConfig("bedrock", "bedrock", None, stub.url, options={"region": "eu-west-1"}))
    error = await failure(provider, "complete", hello)
    assert (error.kind, error.charge, stub.requests) == (K.UNREACHABLE, Charge.NONE, [])
    await provider.aclose()


async def test_a_refused_connection_cost_nothing(hello: Call) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    provider = create(ProviderConfig("bedrock", "bedrock", None, url, options=ACCOUNT))
    error = await failure(provider, "complete", hello)
    assert (error.kind, error.charge) == (K.UNREACHABLE, Charge.NONE)
    await provider.aclose()


async def test_missing_credentials_are_named(stub: Stub, hello: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    provider = create(ProviderConfig("bedrock", "bedrock", None, stub.url, options={"region": "us-east-1"}))
    error = await failure(provider, "complete", hello)
    assert (error.kind, stub.requests) == (K.UNAUTHORIZED, [])
    await provider.aclose()


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_cancelling_a_call_closes_its_connection(stub: Stub, bedrock: Provider, hello: Call, way: str) -> None:
    stub.answer = stub.hang
    task = asyncio.ensure_future(bedrock.complete(hello) if way == "complete" else bedrock.stream(hello, ignore))
    await stub.asked.wait()
    task.cancel()
    async with asyncio.timeout(1):
        await stub.left.wait()
