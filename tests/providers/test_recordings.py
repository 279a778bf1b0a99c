"""What an SDK was asked once: kept while it holds, not where the asking failed, and not without end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.recorded_calls import RecordedCalls
from homa_workers.providers.recording import MOST_KEPT, NothingSeen, Recordings
from homa_workers.providers.transport import AiohttpClient
from tests.providers.bedrock_shapes import answer
from tests.providers.stub import Stub, reply

Post = Callable[[str, bytes], Awaitable[httpx2.Response]]


def recorded_calls(stub: Stub, before: Callable[[], None], after: Callable[[], None]) -> tuple[RecordedCalls, Any]:
    """Calls of an SDK that does something before it sends a request, and behind its reply."""
    http = AiohttpClient(ProviderConfig("p", "openai").http(stub.url))

    async def post(url: str, content: bytes) -> httpx2.Response:
        before()
        response = await http.send(http.build_request("POST", url, headers=[("x-team", "a")], content=content))
        after()
        return response

    return RecordedCalls(http, post), http


def failing(*at: int) -> Callable[[], None]:
    """Fails at some of its calls, counted from 1."""
    calls = 0

    def fail() -> None:
        nonlocal calls
        calls += 1
        if calls in at:
            raise RuntimeError("not now")

    return fail


@pytest.mark.parametrize("at", [1, 2])
async def test_an_sdk_that_fails_before_its_request_is_asked_again(stub: Stub, at: int) -> None:
    calls, http = recorded_calls(stub, failing(at), failing())
    url = f"{stub.url}/v1"
    assert await calls.post(url, b"{}") is None
    assert stub.requests == []
    found = await calls.post(url, b"{}")
    assert found is not None
    assert found.status == 200
    await http.aclose()


async def test_an_sdk_that_does_not_bear_the_reply_makes_its_calls_itself(stub: Stub) -> None:
    calls, http = recorded_calls(stub, failing(), failing(1))
    for _ in range(2):
        assert await calls.post(f"{stub.url}/v1", b"{}") is None
    assert stub.requests == []
    await http.aclose()


async def test_bedrock_asks_again_where_credentials_could_not_be_had(
    stub: Stub, bedrock: Provider, hello: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers, exceptions = pytest.importorskip("aiobotocore.signers"), pytest.importorskip("botocore.exceptions")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    real, fail_once = signers.AioRequestSigner.get_auth_instance, failing(1)

    async def get(self: Any, *args: Any, **options: Any) -> Any:
        try:
            fail_once()
        except RuntimeError as error:
            raise exceptions.CredentialRetrievalError(provider="p", error_msg="not now") from error
        return await real(self, *args, **options)

    monkeypatch.setattr(signers.AioRequestSigner, "get_auth_instance", get)
    stub.answer = reply(200, answer())
    for _ in range(2):
        await bedrock.complete(hello)
    # What aiohttp sends says what it accepts.
    assert ["accept" in request.headers for request in stub.requests] == [True, False]


async def test_recordings_are_bounded() -> None:
    recordings: Recordings[str] = Recordings()
    asked: list[str] = []

    async def of(name: str) -> str | None:
        async def record() -> str:
            asked.append(name)
            return name.upper()

        return await recordings.made(name, record)

    for n in range(MOST_KEPT + 1):
        assert await of(f"model-{n}") == f"MODEL-{n}"
    assert len(recordings._known) == MOST_KEPT
    for name in ("model-1", f"model-{MOST_KEPT}", "model-0"):
        await of(name)
    assert asked[MOST_KEPT + 1 :] == ["model-0"]


async def test_that_nothing_was_seen_is_not_kept() -> None:
    recordings: Recordings[str] = Recordings()

    async def nothing() -> str:
        raise NothingSeen

    async def something() -> str:
        return "seen"

    assert await recordings.made("m", nothing) is None
    assert await recordings.made("m", something) == "seen"
    assert await recordings.made("m", nothing) == "seen"
