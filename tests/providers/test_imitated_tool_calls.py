"""Calls of tools by servers that imitate OpenAI's: told apart, and in its shape."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.reply import Call
from tests.providers.conftest import Connect
from tests.providers.shapes import DONE, chunk
from tests.providers.stub import Stub, reply
from tests.providers.test_imitations import message_of, said, streamed


def piece(arguments: Any, name: str | None = None, **fields: Any) -> str:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return chunk({"tool_calls": [{**fields, "function": function}]})


END = (chunk({}, "tool_calls"), DONE)


CALLS = [("f", '{"a":1}'), ("g", '{"b":2}')]


@pytest.mark.parametrize(
    "pieces",
    [
        # As OpenAI sends them: side by side, told apart by their index.
        [
            piece("", "f", index=0, id="a1", type="function"),
            piece('{"a"', index=0),
            piece("", "g", index=1, id="a2", type="function"),
            piece(":1}", index=0),
            piece('{"b":2}', index=1),
        ],
        # All with one index.
        [piece('{"a":', "f", index=0, id="a1"), piece("1}", index=0), piece('{"b":2}', "g", index=0, id="a2")],
        # Without an index.
        [piece('{"a":', "f", id="a1"), piece("1}"), piece('{"b":', "g", id="a2"), piece("2}")],
        # Id and name in each piece, with and without an index.
        [
            piece('{"a":', "f", index=0, id="a1"),
            piece("1}", "f", index=0, id="a1"),
            piece('{"b":', "g", index=1, id="a2"),
            piece("2}", "g", index=1, id="a2"),
        ],
        [
            piece('{"a":', "f", id="a1"),
            piece('{"b":', "g", id="a2"),
            piece("1}", "f", id="a1"),
            piece("2}", "g", id="a2"),
        ],
        # An id of its own for each piece, as old servers draw them.
        [
            piece('{"a":', "f", index=0, id="a1"),
            piece("1}", index=0, id="x"),
            piece('{"b":2}', "g", index=1, id="a2"),
        ],
        # Each call in one chunk, as an object.
        [piece({"a": 1}, "f", index=0, id="a1"), piece({"b": 2}, "g", index=0, id="a2")],
        # Both in one chunk, without an index.
        [
            chunk(
                {
                    "tool_calls": [
                        {"id": "a1", "function": {"name": "f", "arguments": {"a": 1}}},
                        {"id": "a2", "function": {"name": "g", "arguments": '{"b":2}'}},
                    ]
                }
            )
        ],
    ],
)
async def test_parallel_calls_are_told_apart(stub: Stub, connect: Connect, hello: Call, pieces: list[str]) -> None:
    completion = await streamed(stub, connect, hello, [*pieces, *END])
    calls = message_of(completion)["tool_calls"]
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in calls] == CALLS
    assert [call["id"] for call in calls] == ["a1", "a2"]
    assert {call["type"] for call in calls} == {"function"}


@pytest.mark.parametrize(
    "pieces",
    [
        # One id for both, told once, and in each piece.
        [
            piece('{"a":', "f", index=0, id="same"),
            piece('{"b":', "g", index=1, id="same"),
            piece("1}", index=0),
            piece("2}", index=1),
        ],
        [
            piece('{"a":', "f", index=0, id="same"),
            piece('{"b":', "g", index=1, id="same"),
            piece("1}", "f", index=0, id="same"),
            piece("2}", "g", index=1, id="same"),
        ],
    ],
)
async def test_calls_of_one_id_are_told_apart_by_their_index(
    stub: Stub, connect: Connect, hello: Call, pieces: list[str]
) -> None:
    calls = message_of(await streamed(stub, connect, hello, [*pieces, *END]))["tool_calls"]
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in calls] == CALLS
    assert [call["id"] for call in calls] == ["same", "call_0_1"], "a result names its call"


async def test_calls_of_one_id_get_two_in_a_whole_reply_too(stub: Stub, connect: Connect, hello: Call) -> None:
    calls = [{"id": "same", "function": {"name": name, "arguments": text}} for name, text in CALLS]
    stub.answer = reply(200, said({"role": "assistant", "content": None, "tool_calls": calls}))
    completion = await connect("openai", stub.url).complete(hello)
    assert [call["id"] for call in message_of(completion)["tool_calls"]] == ["same", "call_0_1"]


@pytest.mark.parametrize("fields", [{}, {"index": 0}, {"index": 0, "id": None}, {"index": 0, "id": ""}])
async def test_calls_without_an_id_get_one(stub: Stub, connect: Connect, hello: Call, fields: dict[str, Any]) -> None:
    pieces = [piece('{"a":', "f", **fields), piece("1}", **fields), piece('{"b":2}', "g", **fields)]
    completion = await streamed(stub, connect, hello, [*pieces, *END])
    calls = message_of(completion)["tool_calls"]
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in calls] == CALLS
    assert [call["id"] for call in calls] == ["call_0_0", "call_0_1"]


async def test_a_reply_whose_arguments_are_objects_is_a_completion(stub: Stub, connect: Connect, hello: Call) -> None:
    given = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"id": "", "function": {"name": "g"}}]
    stub.answer = reply(200, said({"role": "assistant", "tool_calls": given}, "tool_calls"))
    calls = message_of(await connect("openai", stub.url).complete(hello))["tool_calls"]
    assert calls == [
        {"type": "function", "id": "call_0_0", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"type": "function", "id": "call_0_1", "function": {"name": "g", "arguments": ""}},
    ]
