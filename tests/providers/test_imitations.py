"""Replies of servers that imitate OpenAI's: each is read as what it means, whole or streamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import RESPONSES_API, Call, Completion
from tests.providers.conftest import Connect
from tests.providers.shapes import CHAT, DONE, MESSAGE, chunk, openai_error
from tests.providers.stub import Stub, events, reply
from tests.providers.test_openai import Pieces

#: Kinds whose replies are read by OpenAI's adapter.
KINDS = ("openai", "azure", "ollama", "cohere", "mistral")
THINKING = [{"type": "thinking", "thinking": [{"type": "text", "text": "2 + 2."}]}]
ANSWER = {"type": "text", "text": "The answer is 4."}


def said(message: dict[str, Any], finish_reason: str = "stop", **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, **fields}
    return {**CHAT, "choices": [choice]}


def message_of(completion: Completion) -> dict[str, Any]:
    message: dict[str, Any] = completion.body["choices"][0]["message"]
    return message


async def streamed(stub: Stub, connect: Connect, call: Call, pieces: Sequence[str], kind: str = "openai") -> Completion:
    stub.answer = events(*pieces)
    return await connect(kind, stub.url).stream(call, Pieces().emit)


# -- content -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "thinking",
    [
        THINKING[0],
        {"type": "thinking", "thinking": "2 + 2."},
        {"type": "reasoning", "text": "2 + 2."},
        {"type": "reasoning", "reasoning": ["2 + ", "2."]},
    ],
)
async def test_thoughts_among_the_content_stand_apart(
    stub: Stub, connect: Connect, hello: Call, kind: str, thinking: dict[str, Any]
) -> None:
    stub.answer = reply(200, said({"role": "assistant", "content": [thinking, ANSWER]}))
    completion = await connect(kind, stub.url).complete(hello)
    assert (completion.text, message_of(completion)["reasoning_content"]) == ("The answer is 4.", "2 + 2.")


@pytest.mark.parametrize("kind", KINDS)
async def test_streamed_thoughts_among_the_content_stand_apart(
    stub: Stub, connect: Connect, hello: Call, kind: str
) -> None:
    stub.answer = events(
        chunk({"role": "assistant", "content": THINKING}),
        chunk({"content": [{"type": "text", "text": "The answer "}]}),
        chunk({"content": "is 4."}, "stop"),
        DONE,
    )
    pieces = Pieces()
    completion = await connect(kind, stub.url).stream(hello, pieces.emit)
    assert (completion.text, message_of(completion)["reasoning_content"]) == ("The answer is 4.", "2 + 2.")
    assert (pieces.text, "".join(delta.reasoning for delta in pieces.taken)) == ("The answer is 4.", "2 + 2.")


async def test_parts_that_are_neither_are_kept(stub: Stub, connect: Connect, hello: Call) -> None:
    reference = {"type": "reference", "reference_ids": [1]}
    stub.answer = reply(200, said({"role": "assistant", "content": [ANSWER, reference]}))
    whole = await connect("openai", stub.url).complete(hello)
    cut_up = await streamed(stub, connect, hello, [chunk({"content": [ANSWER, reference]}, "stop"), DONE])
    assert message_of(whole)["content_parts"] == message_of(cut_up)["content_parts"] == [reference]
    assert whole.text == cut_up.text == "The answer is 4."


@pytest.mark.parametrize("content", [5, {"text": "a"}, [5], [{"text": "a"}], [{"type": "text"}]])
async def test_content_of_no_known_shape_is_malformed_and_paid_for(
    stub: Stub, connect: Connect, hello: Call, content: Any
) -> None:
    stub.answer = reply(200, said({"role": "assistant", "content": content}))
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).complete(hello)
    assert (caught.value.kind, caught.value.charge) == (ErrorKind.MALFORMED, Charge.ACTUAL)


async def test_a_plain_reply_is_handed_on_as_it_came(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, {**CHAT, "id": None, "object": "text", "created": "1760000000"})
    completion = await connect("openai", stub.url).complete(hello)
    assert (completion.text, completion.body["id"]) == ("Hi there", None)


async def test_a_message_without_a_role_is_the_assistants(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, said({"content": "Hi"}))
    assert message_of(await connect("openai", stub.url).complete(hello))["role"] == "assistant"


# -- what comes beside the text ----------------------------------------------------------------------------------------


async def test_what_comes_beside_deltas_is_kept_as_when_not_streamed(stub: Stub, connect: Connect, hello: Call) -> None:
    sources = {"citations": ["https://a", "https://b"], "search_results": [{"url": "https://a", "title": "A"}]}
    thought = {"type": "reasoning.text", "index": 0, "format": "x"}
    citation = {"type": "url_citation", "url_citation": {"url": "https://a", "start_index": 0}}
    completion = await streamed(
        stub,
        connect,
        hello,
        [
            chunk({"role": "assistant", "content": ""}, citations=["https://a"]),
            chunk({"reasoning": "Let me ", "reasoning_details": [{**thought, "text": "Let me "}]}, **sources),
            chunk({"reasoning": "see.", "reasoning_details": [{**thought, "text": "see.", "signature": "s"}]}),
            chunk({"audio": {"id": "au", "data": "AA", "transcript": "Hi"}}, obfuscation="x9"),
            chunk({"audio": {"id": "au", "data": "BB", "transcript": " you", "expires_at": 9}}),
            chunk({"content": "Hi", "annotations": [citation]}),
            chunk({"refusal": "I "}),
            chunk({"refusal": "won't."}, "stop", citations=[]),
            DONE,
        ],
    )
    body = completion.body
    assert {name: body[name] for name in sources} == sources
    assert body["object"] == "chat.completion"
    assert "obfuscation" not in body
    assert message_of(completion) == {
        "role": "assistant",
        "content": "Hi",
        "reasoning": "Let me see.",
        "reasoning_details": [{**thought, "text": "Let me see.", "signature": "s"}],
        "audio": {"id": "au", "data": "AABB", "transcript": "Hi you", "expires_at": 9},
        "annotations": [citation],
        "refusal": "I won't.",
    }


async def test_what_a_choice_says_beside_its_delta_is_kept(stub: Stub, connect: Connect, hello: Call) -> None:
    filtered = {"violence": {"filtered": False}}
    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop", "content_filter_results": filtered}
    completion = await streamed(stub, connect, hello, [chunk(choices=[choice]), DONE])
    assert completion.body["choices"][0]["content_filter_results"] == filtered


async def test_thoughts_under_another_name_are_streamed_once(stub: Stub, connect: Connect, hello: Call) -> None:
    thought = {"reasoning": "Hm.", "reasoning_content": "Hm."}
    stub.answer = events(chunk(thought), chunk({"reasoning": "Oh."}), chunk({"content": "4"}, "stop"), DONE)
    pieces = Pieces()
    await connect("openai", stub.url).stream(hello, pieces.emit)
    assert [delta.reasoning for delta in pieces.taken if delta.reasoning] == ["Hm.", "Oh."]


# -- the wire ----------------------------------------------------------------------------------------------------------

HI = orjson.dumps({"choices": [{"index": "0", "delta": {"content": "Hi"}, "finish_reason": "stop"}]}).decode()
USAGE = orjson.dumps({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}).decode()


@pytest.mark.parametrize(
    "lines",
    [
        [f"data: {HI}\n\ndata: {USAGE}\n\ndata: [DONE]\n\n"],
        [f"data: {HI}\r\n\r\ndata: {USAGE}\r\n\r\ndata: [DONE]\r\n\r\n"],
        [f"data: {HI}\r", f"\n\r\ndata: {USAGE}\r", "\n", "\r\n"],
        [f"data: {HI}\r\rdata: {USAGE}\r\r"],
        [f"data:{HI}\n\ndata:{USAGE}\n\ndata:[DONE]"],
        [f"data: {HI}\n\ndata: {USAGE}\n\ndata: [DONE]\n"],
        [f"data: {HI}\n\ndata: {USAGE}"],
        [f"data: {HI}\n\ndata: {USAGE}\ndata: [DONE]\n\n"],
        [f"\ufeffdata: {HI}\n\ndata: {USAGE}\n\n"],
        [f": keep-alive\n\n: ping\n\ndata: {HI}\n\n:\n\ndata: {USAGE}\n\n"],
        [f"event: message\nid: 1\nretry: 5\ndata: {HI}\n\nevent: ping\n\ndata:\n\ndata\n\ndata: {USAGE}\n\n"],
        [*f"data: {HI}\n\ndata: {USAGE}\n\ndata: [DONE]\n\n"],
    ],
)
async def test_a_stream_is_read_however_it_is_written(
    stub: Stub, connect: Connect, hello: Call, lines: list[str]
) -> None:
    completion = await streamed(stub, connect, hello, lines)
    assert (completion.text, completion.usage.input_tokens) == ("Hi", 3)


async def test_a_stream_that_stays_open_behind_its_end_is_over(stub: Stub, connect: Connect, hello: Call) -> None:
    async def write(reader: Any, writer: Any) -> None:
        await events(f"data: {HI}\n\n", "data: [DONE]\n\n", end=False)(reader, _Kept(writer))
        await stub.hang(reader, writer)

    stub.answer = write
    assert (await connect("openai", stub.url).stream(hello, Pieces().emit)).text == "Hi"


class _Kept:
    """A writer that a stub's answer does not close."""

    def __init__(self, writer: Any) -> None:
        self.write, self.drain = writer.write, writer.drain

    def close(self) -> None:
        """It stays open."""


@pytest.mark.parametrize("kind", ["openai", "anthropic", "responses"])
async def test_a_server_that_does_not_stream_is_understood(
    stub: Stub, connect: Connect, hello: Call, kind: str
) -> None:
    said_here = {"type": "message", "content": [{"type": "output_text", "text": "Hi there"}]}
    response = {"object": "response", "status": "completed", "output": [said_here], "usage": {"input_tokens": 100}}
    stub.answer = reply(200, {"openai": CHAT, "anthropic": MESSAGE, "responses": response}[kind])
    call = Call(hello.model, hello.messages, {}, api=RESPONSES_API) if kind == "responses" else hello
    provider = connect("anthropic" if kind == "anthropic" else "openai", stub.url)
    pieces = Pieces()
    completion = await provider.stream(call, pieces.emit)
    assert (completion.text, completion.usage.input_tokens) == ("Hi there", 100)


async def test_a_whole_reply_on_several_lines_under_a_streams_headers_is_understood(
    stub: Stub, connect: Connect, hello: Call
) -> None:
    lines = orjson.dumps(CHAT, option=orjson.OPT_INDENT_2).decode()
    completion = await streamed(stub, connect, hello, [lines[:50], lines[50:]])
    assert (completion.text, completion.usage.input_tokens) == ("Hi there", 100)


# -- errors under status 200 -------------------------------------------------------------------------------------------

ROUTED = {"code": 429, "message": "Rate limit exceeded upstream"}


@pytest.mark.parametrize("error", [ROUTED, {"code": "rate_limit_exceeded", "message": "slow down"}])
async def test_an_error_in_the_place_of_an_answer_is_of_its_kind(
    stub: Stub, connect: Connect, hello: Call, error: dict[str, Any]
) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "error", "error": error}
    stub.answer = reply(200, {**CHAT, "usage": None, "choices": [choice]})
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).complete(hello)
    assert caught.value.kind is ErrorKind.RATE_LIMITED


async def test_an_error_in_a_streamed_choice_is_of_its_kind_and_keeps_the_text(
    stub: Stub, connect: Connect, hello: Call
) -> None:
    late = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": ROUTED}
    stub.answer = events(chunk({"content": "Hi "}), chunk(choices=[late]), DONE)
    with pytest.raises(ProviderError, match="Rate limit exceeded upstream") as caught:
        await connect("openai", stub.url).stream(hello, Pieces().emit)
    assert (caught.value.kind, caught.value.partial_text) == (ErrorKind.AMBIGUOUS, "Hi ")


@pytest.mark.parametrize("body", [openai_error("slow down", "rate_limit_exceeded"), {"error": ROUTED}])
async def test_an_error_instead_of_a_stream_is_of_its_kind(
    stub: Stub, connect: Connect, hello: Call, body: dict[str, Any]
) -> None:
    for answer in (reply(200, body), events(f"data: {orjson.dumps(body).decode()}\n\n")):
        stub.answer = answer
        with pytest.raises(ProviderError) as caught:
            await connect("openai", stub.url).stream(hello, Pieces().emit)
        assert caught.value.kind is ErrorKind.RATE_LIMITED


# -- the Responses API of imitators ------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["Hi there", [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}]])
async def test_a_response_with_text_of_another_shape_is_understood(
    stub: Stub, connect: Connect, hello: Call, content: Any
) -> None:
    call = {"type": "function_call", "call_id": "a1", "name": "f", "arguments": {"a": 1}}
    output = [{"type": "message", "content": content}, call]
    stub.answer = reply(200, {"object": "response", "status": "completed", "output": output})
    completion = await connect("openai", stub.url).complete(Call("m", hello.messages, api=RESPONSES_API))
    assert completion.text == "Hi there"
    assert message_of(completion)["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}


async def test_vectors_stand_in_the_order_of_indices_that_are_texts_or_missing(stub: Stub, connect: Connect) -> None:
    numbers = [str(n) for n in (10, 2, *range(2), *range(3, 10))]
    stub.answer = reply(200, {"data": [{"embedding": [float(n)], "index": n} for n in numbers]})
    found = await connect("openai", stub.url).embed("m", ["a"] * 11, {})
    assert found.vectors == [[float(n)] for n in range(11)]
    stub.answer = reply(200, {"data": [{"embedding": [1.0], "index": None}, {"embedding": [2.0]}]})
    assert (await connect("openai", stub.url).embed("m", ["a", "b"], {})).vectors == [[1.0], [2.0]]
