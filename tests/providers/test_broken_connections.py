"""What a call that got no whole reply means, and what it may have cost."""

from __future__ import annotations

import asyncio

import pytest

from homa_shared.calls.failures import Charge, ErrorKind
from homa_shared.calls.reply import Call
from homa_workers.providers.base import ProviderConfig
from tests.providers.conftest import Connect
from tests.providers.failing_calls import BOTH, HALF_A_REPLY, call_by, closed_port, failure
from tests.providers.shapes import CHAT, MESSAGE
from tests.providers.stub import Answer, Stub, drop, raw, reply

K = ErrorKind


@BOTH
@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_a_refused_connection_cost_nothing(connect: Connect, hello: Call, kind: str, way: str) -> None:
    error = await failure(call_by(connect(kind, f"http://127.0.0.1:{closed_port()}"), way, hello))
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
    error = await failure(call_by(connect(kind, stub.url), way, hello))
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
    task = asyncio.ensure_future(call_by(connect(kind, stub.url), way, hello))
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
