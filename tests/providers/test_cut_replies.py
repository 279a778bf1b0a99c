"""Replies that were cut at their output cap, and those of servers that do not say why a reply ended."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call
from tests.providers.conftest import Connect
from tests.providers.shapes import CHAT, DONE, chunk, openai_error
from tests.providers.stub import Stub, events, reply

COULD_NOT = "Could not finish the message because max_tokens or model output limit was reached. Please try again."


async def nowhere(_: object) -> None:
    """Takes the pieces of a stream."""


def ended(reason: str | None, content: str | None = "Hi there") -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {**CHAT, "choices": [{"index": 0, "message": message, "finish_reason": reason}]}


@pytest.mark.parametrize("kind", ["openai", "azure", "ollama", "cohere", "mistral"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_400_that_says_the_cap_was_reached_is_a_cut_reply_of_unknown_cost(
    stub: Stub, connect: Connect, hello: Call, kind: str, streamed: bool
) -> None:
    stub.answer = reply(400, openai_error(COULD_NOT), {"x-request-id": "req_1"})
    provider = connect(kind, stub.url)
    completion = await (provider.stream(hello, nowhere) if streamed else provider.complete(hello))
    assert (completion.text, completion.finish_reason, completion.metered) == ("", "length", False)
    assert completion.is_cut
    assert completion.is_empty
    assert completion.breaks_off


async def test_any_other_400_stays_a_refusal(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(400, openai_error("max_tokens is too large: 32000."))
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).complete(hello)
    assert caught.value.kind is ErrorKind.UNSUPPORTED_BY_MODEL


async def test_thinking_that_took_the_cap_leaves_an_empty_cut_reply(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, ended("length", ""))
    completion = await connect("openai", stub.url).complete(hello)
    assert (completion.is_cut, completion.is_empty, completion.metered) == (True, True, True)


@pytest.mark.parametrize("kind", ["openai", "azure", "ollama", "cohere", "mistral"])
async def test_a_whole_reply_without_a_finish_reason_is_accepted(
    stub: Stub, connect: Connect, hello: Call, kind: str
) -> None:
    stub.answer = reply(200, ended(None))
    completion = await connect(kind, stub.url).complete(hello)
    assert (completion.text, completion.finish_reason, completion.is_cut) == ("Hi there", None, False)
    assert completion.breaks_off, "it is not kept for others: nobody knows whether it is complete"


@pytest.mark.parametrize(("reason", "content"), [(None, None), (None, ""), ("error", "Hi"), ("", "Hi")])
async def test_one_that_says_nothing_or_broke_down_is_malformed(
    stub: Stub, connect: Connect, hello: Call, reason: str | None, content: str | None
) -> None:
    stub.answer = reply(200, ended(reason, content))
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).complete(hello)
    assert caught.value.kind is ErrorKind.MALFORMED


async def test_a_stream_that_ends_with_done_alone_is_complete(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = events(chunk({"content": "Hi "}), chunk({"content": "there"}), chunk(usage=CHAT["usage"]), DONE)
    completion = await connect("openai", stub.url).stream(hello, nowhere)
    assert (completion.text, completion.finish_reason, completion.metered) == ("Hi there", None, True)


@pytest.mark.parametrize(
    "pieces",
    [
        (chunk({"content": "Hi "}), chunk(usage=CHAT["usage"])),
        (chunk({"role": "assistant", "content": ""}), DONE),
        (chunk({"content": "Hi "}), chunk({}, "error"), DONE),
    ],
    ids=["without done", "without text", "broken down"],
)
async def test_any_other_stream_without_an_end_is_broken(
    stub: Stub, connect: Connect, hello: Call, pieces: tuple[str, ...]
) -> None:
    stub.answer = events(*pieces)
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).stream(hello, nowhere)
    assert caught.value.kind is ErrorKind.AMBIGUOUS


async def test_a_message_of_thinking_alone_is_an_empty_cut_reply(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(
        200,
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "thinking", "thinking": "", "signature": "s"}],
            "stop_reason": "max_tokens",
            "usage": {"input_tokens": 5, "output_tokens": 50},
        },
    )
    completion = await connect("anthropic", stub.url).complete(hello)
    assert (completion.is_cut, completion.is_empty, completion.text) == (True, True, "")
