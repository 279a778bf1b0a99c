"""A request that was refused for free is made once more, changed; nothing that may have cost something ever is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Usage
from homa_shared.calls.shared_prefix import SharedPrefix
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from homa_workers.providers.rotating_key import RotatingKeyProvider
from homa_workers.providers.second_request import noted_refusals, once_more
from tests.providers.shapes import CHAT, MESSAGE, anthropic_error, chunk, event, openai_error
from tests.providers.stub import Answer, Stub, events, reply
from tests.providers.test_openai import Pieces

USER = {"role": "user", "content": "Hello"}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
TALK: list[dict[str, Any]] = [USER, {"role": "assistant", "content": "Hm.", "thinking_blocks": [THOUGHT]}, USER]
CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
STRICT = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": CLOSED}}
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hi there"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
    "metrics": {"latencyMs": 5},
}
BOUND_ELSEWHERE = "Invalid `signature` in block. The block is bound to a different conversation."
REFUSED_SCHEMA = "Invalid schema for response_format 'x': In context=(), 'pattern' is not supported."
NO_CACHE = "You invoked an unsupported model or your request did not allow prompt caching."


def bedrock_error(code: str) -> Callable[[str], tuple[Any, dict[str, str]]]:
    return lambda text: ({"message": text}, {"x-amzn-errortype": code})


@dataclass(frozen=True)
class Case:
    """A refusal after which a request is made once more."""

    call: Call
    said: str
    good: dict[str, Any]
    connect: Callable[[str, Path], Provider]
    #: An error's body and headers.
    told: Callable[[str], tuple[Any, dict[str, str]]]
    status: int = 400


def account(kind: str) -> Callable[[str, Path], Provider]:
    def make(url: str, _: Path) -> Provider:
        if kind == "bedrock":
            options = {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}
            return create(ProviderConfig(kind, kind, None, url, options=options))
        return create(ProviderConfig(kind, kind, SecretStr("k"), url if kind == "anthropic" else f"{url}/v1"))

    return make


def rotated(url: str, home: Path) -> Provider:
    file = home / "key"
    file.write_text("sk-new")

    def make(key: str) -> Provider:
        return create(ProviderConfig("openai", "openai", SecretStr(key), f"{url}/v1"))

    return RotatingKeyProvider("sk-old", file.read_text, make)


CASES = {
    "anthropic": Case(
        Call("claude-opus-5-5", TALK, {"max_tokens": 50}),
        BOUND_ELSEWHERE,
        MESSAGE,
        account("anthropic"),
        lambda text: (anthropic_error("invalid_request_error", text), {}),
    ),
    "bedrock": Case(
        Call("anthropic.claude-opus-5-5", TALK, {"max_tokens": 50}),
        BOUND_ELSEWHERE,
        CONVERSED,
        account("bedrock"),
        bedrock_error("ValidationException"),
    ),
    "cache points": Case(
        Call("anthropic.claude-opus-5-5", [USER], {"max_tokens": 50}, SharedPrefix(0, 5)),
        NO_CACHE,
        CONVERSED,
        account("bedrock"),
        bedrock_error("AccessDeniedException"),
        403,
    ),
    "schema": Case(
        Call("gpt-6-luna", [USER], {"max_tokens": 50, "response_format": STRICT}),
        REFUSED_SCHEMA,
        CHAT,
        account("openai"),
        lambda text: (openai_error(text), {}),
    ),
    "key": Case(
        Call("gpt-6-luna", [USER], {"max_tokens": 50}),
        "Incorrect API key provided",
        CHAT,
        rotated,
        lambda text: (openai_error(text, "invalid_api_key"), {}),
        401,
    ),
}


def one_after_another(stub: Stub, *answers: Answer) -> None:
    async def write(reader: Any, writer: Any) -> None:
        await answers[min(len(stub.requests), len(answers)) - 1](reader, writer)

    stub.answer = write


Make = Callable[[Case, Stub], Provider]


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes a case's adapter, and closes it."""
    all_made: list[Provider] = []

    def make(case: Case, stub: Stub) -> Provider:
        all_made.append(case.connect(stub.url, tmp_path))
        return all_made[-1]

    yield make
    for provider in all_made:
        await provider.aclose()


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


async def test_exactly_two_requests_are_sent_and_the_first_is_told(stub: Stub, case: Case, made: Make) -> None:
    body, headers = case.told(case.said)
    one_after_another(stub, reply(case.status, body, headers), reply(200, case.good))
    provider = made(case, stub)
    noted = noted_refusals()
    assert (await provider.complete(case.call)).text == "Hi there"
    first, second = stub.requests
    assert (first.content, first.headers.get("authorization")) != (second.content, second.headers.get("authorization"))
    (note,) = noted
    assert note.startswith("sent once more with")
    assert f"({case.status}: " in note


async def test_a_second_refusal_is_the_end(stub: Stub, case: Case, made: Make) -> None:
    body, headers = case.told(case.said)
    stub.answer = reply(case.status, body, headers)
    provider = made(case, stub)
    with pytest.raises(ProviderError) as caught:
        await provider.complete(case.call)
    assert (len(stub.requests), caught.value.charge) == (2, Charge.NONE)


@pytest.mark.parametrize("status", [500, 503, 502])
async def test_the_same_words_under_another_status_may_have_cost_something(
    stub: Stub, case: Case, made: Make, status: int
) -> None:
    body, headers = case.told(case.said)
    stub.answer = reply(status, body, headers)
    provider = made(case, stub)
    noted = noted_refusals()
    with pytest.raises(ProviderError):
        await provider.complete(case.call)
    assert (len(stub.requests), noted) == (1, [])


IN_MID_STREAM = [
    ("schema", [chunk({"content": "Hi"})], openai_error(REFUSED_SCHEMA)),
    ("schema", [chunk({"content": "Hi"})], {"error": {"code": 400, "message": REFUSED_SCHEMA}}),
    ("key", [chunk({"content": "Hi"})], {"error": {"code": 401, "message": "Incorrect API key provided"}}),
    (
        "anthropic",
        [event("message_start", message={**MESSAGE, "content": [], "stop_reason": None})],
        anthropic_error("invalid_request_error", BOUND_ELSEWHERE),
    ),
]


@pytest.mark.parametrize(("name", "before", "told"), IN_MID_STREAM)
async def test_the_same_words_in_mid_stream_are_no_refusal(
    stub: Stub, made: Make, name: str, before: list[str], told: dict[str, Any]
) -> None:
    stub.answer = events(*before, f"event: error\ndata: {orjson.dumps(told).decode()}\n\n")
    provider = made(CASES[name], stub)
    with pytest.raises(ProviderError) as caught:
        await provider.stream(CASES[name].call, Pieces().emit)
    assert (len(stub.requests), caught.value.charge) == (1, Charge.UNRESOLVED)


@pytest.mark.parametrize(
    "error",
    [
        ProviderError(ErrorKind.INVALID_REQUEST, "no", status=400, partial_text="Hi"),
        ProviderError(ErrorKind.INVALID_REQUEST, "no", status=400, begun=True),
        ProviderError(ErrorKind.INVALID_REQUEST, "no", status=400, usage=Usage(5, 0)),
        ProviderError(ErrorKind.INVALID_REQUEST, "no"),
        ProviderError(ErrorKind.OVERLOADED, "no", status=503),
    ],
)
async def test_what_is_not_surely_free_is_never_sent_again(error: ProviderError) -> None:
    async def first() -> Completion:
        raise error

    def another(_: ProviderError) -> tuple[str, Callable[[], Awaitable[Completion]]]:
        raise AssertionError("asked for another request")

    with pytest.raises(ProviderError) as caught:
        await once_more(first, another)
    assert caught.value is error
