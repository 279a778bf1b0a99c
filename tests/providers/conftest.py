"""Adapters against a stub, each closed with its test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from homa_shared.calls.reply import Call
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from tests.providers.bedrock_shapes import ACCOUNT
from tests.providers.stub import Stub, serving

#: Makes an adapter of a kind for an endpoint.
Connect = Callable[..., Provider]


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with serving() as stub:
        yield stub


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    made: list[Provider] = []

    def make(kind: str, url: str, **fields: Any) -> Provider:
        base_url = url if kind == "anthropic" else f"{url}/v1"
        made.append(create(ProviderConfig(kind, kind, SecretStr("sk-secret"), base_url, **fields)))
        return made[-1]

    yield make
    for provider in made:
        await provider.aclose()


@pytest.fixture
def hello() -> Call:
    return Call("some-model", [{"role": "user", "content": "Hello"}], {"max_tokens": 50})


@pytest.fixture(scope="module")
def aws() -> Any:
    """One session for all tests: it reads megabytes of service descriptions."""
    from aiobotocore.session import get_session

    return get_session()


@pytest.fixture
async def bedrock(stub: Stub, aws: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Provider]:
    monkeypatch.setattr("homa_workers.providers.bedrock.adapter.get_session", lambda: aws)
    provider = create(ProviderConfig("bedrock", "bedrock", None, stub.url, options=ACCOUNT))
    yield provider
    await provider.aclose()


@pytest.fixture
async def gemini(stub: Stub) -> AsyncIterator[Provider]:
    provider = create(ProviderConfig("gemini", "gemini", None, stub.url, options={"headers": {"x-team": "a"}}))
    yield provider
    await provider.aclose()
