"""Calls of tools are streamed as they are written, in the events of each API, and add up to the reply's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from homa.client.streams import Piece
from homa.gateway.sent_calls import CallsDiffer, SentCalls
from homa.gateway.sent_text import SentText
from tests.gateway.conftest import CLAUDE, MODEL, Cell
from tests.patience import PATIENCE_S

BOTH = pytest.mark.parametrize("model", [MODEL, CLAUDE])
CITY = "Reykjavík, Ísland, by the old harbour and the church on the hill"
PROMPT = f'[[tool:weather {{"city": "{CITY}"}}]] [[tool:now {{}}]] weather?'
OBJECT = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "parameters": OBJECT}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
]
ASK: dict[str, Any] = {"max_tokens": 300, "messages": [{"role": "user", "content": PROMPT}]}


@pytest.fixture
def slow(cell: Cell) -> Cell:
    """Answers come a token at a time."""
    cell.simulator.configure(token_ms=8.0)
    return cell


@BOTH
def test_chat_completions_tell_calls_in_pieces(slow: Cell, model: str) -> None:
    deltas = []
    for chunk in slow.openai().chat.completions.create(model=model, tools=TOOLS, stream=True, **ASK):
        deltas += [call for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    first = [call for call in deltas if call.index == 0]
    assert len(first) > 2, "one chunk would be the whole at the end"
    assert first[0].id
    assert first[0].function is not None
    assert first[0].function.name == "weather"
    texts = ["".join(c.function.arguments or "" for c in deltas if c.index == i and c.function) for i in (0, 1)]
    assert [json.loads(text) for text in texts] == [{"city": CITY}, {}]
    assert [call.id for call in deltas if call.id] == list(dict.fromkeys(call.id for call in deltas if call.id))


@BOTH
def test_the_official_helper_puts_them_together(slow: Cell, model: str) -> None:
    with slow.openai().chat.completions.stream(model=model, tools=TOOLS, **ASK) as stream:
        kinds = [event.type for event in stream]
        found = stream.get_final_completion().choices[0]
    assert kinds.count("tool_calls.function.arguments.delta") > 2
    assert found.finish_reason == "tool_calls"
    calls = found.message.tool_calls or []
    assert [json.loads(call.function.arguments) for call in calls] == [{"city": CITY}, {}]


@BOTH
def test_messages_tell_calls_in_pieces(slow: Cell, model: str) -> None:
    tools: Any = [{"name": tool["function"]["name"], "input_schema": tool["function"]["parameters"]} for tool in TOOLS]
    with slow.anthropic().messages.stream(model=model, tools=tools, **ASK) as stream:
        events = list(stream)
        found = stream.get_final_message()
    pieces = [event for event in events if event.type == "input_json"]
    assert len(pieces) > 2
    opened = [event.index for event in events if event.type == "content_block_start"]
    closed = [event.index for event in events if event.type == "content_block_stop"]
    assert opened == closed == list(range(len(opened)))
    calls = [block for block in found.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [("weather", {"city": CITY}), ("now", {})]


@BOTH
def test_responses_tell_calls_in_pieces_and_the_same_ones_to_who_comes_back(slow: Cell, model: str) -> None:
    tools: Any = [{"type": "function", **tool["function"]} for tool in TOOLS]
    client = slow.openai(_strict_response_validation=False)
    asked: dict[str, Any] = {"model": model, "input": PROMPT, "tools": tools, "max_output_tokens": 300}
    events = list(client.responses.create(**asked, stream=True, background=True))
    deltas = [event for event in events if event.type == "response.function_call_arguments.delta"]
    assert len(deltas) > 2
    assert [event.sequence_number for event in events] == list(range(len(events)))
    final = events[-1]
    assert final.type == "response.completed"
    calls = [item for item in final.response.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"city": CITY}, {}]
    done = [event for event in events if event.type == "response.output_item.done"]
    assert [item.item.id for item in done if item.item.type == "function_call"] == [call.id for call in calls]
    assert {event.item_id for event in deltas} <= {call.id for call in calls}
    again = client.responses.retrieve(final.response.id, stream=True, starting_after=3)
    assert [event.sequence_number for event in again] == list(range(4, len(events)))


def test_own_events_tell_them_as_they_come(slow: Cell) -> None:
    job = httpx2.post(f"{slow.url}/v1/jobs", json={"model": MODEL, "tools": TOOLS, "stream": True, **ASK}, timeout=45)
    with httpx2.stream("GET", f"{slow.url}/v1/jobs/{job.json()['id']}/events", timeout=PATIENCE_S) as answer:
        told = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    pieces = [piece for event in told for piece in event.get("tool_calls", ())]
    text = "".join(piece.get("function", {}).get("arguments", "") for piece in pieces if piece["index"] == 0)
    assert json.loads(text) == {"city": CITY}
    assert len([event for event in told if "tool_calls" in event]) > 2


def test_an_answer_without_a_stream_behind_it_is_told_whole(cell: Cell) -> None:
    headers = {"x-homa-cache": "true"}
    found = []
    for _ in range(2):
        chunks = cell.openai().chat.completions.create(
            model=MODEL, tools=TOOLS, stream=True, **ASK, extra_headers=headers
        )
        deltas = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
        found.append([call.function.arguments for call in deltas if call.function])
    assert [json.loads(text) for text in found[1]] == [{"city": CITY}, {}]


def call(index: int, text: str, name: str | None = None) -> dict[str, Any]:
    return {"index": index, **({"id": f"c{index}"} if name else {}), "function": _part(text, name)}


def _part(text: str, name: str | None) -> dict[str, Any]:
    return {**({"name": name} if name else {}), "arguments": text}


def told(sent: SentCalls, *pieces: dict[str, Any]) -> list[tuple[int, bool, str]]:
    return [(part.call.index, part.is_new, part.text) for part in sent.next(pieces)]


def rest(sent: SentCalls, *texts: str) -> list[tuple[int, bool, str]]:
    calls: Iterator[dict[str, Any]] = ({"id": f"c{i}", "function": _part(text, "f")} for i, text in enumerate(texts))
    return [(part.call.index, part.is_new, part.text) for part in sent.rest(list(calls))]


def test_what_a_stream_lacks_of_calls_follows_from_the_reply() -> None:
    sent = SentCalls()
    assert told(sent, call(0, '{"a"', "f"), call(0, ": 1")) == [(0, True, '{"a"'), (0, False, ": 1")]
    assert rest(sent, '{"a": 1}', "{}") == [(0, False, "}"), (1, True, "{}")]


def test_a_call_without_arguments_is_told_as_json() -> None:
    sent = SentCalls()
    assert told(sent, call(0, "", "f"), call(1, "{}", "f")) == [(0, True, ""), (0, False, "{}"), (1, True, "{}")]
    assert rest(sent, "{}", "{}") == []


def test_spaces_that_an_adapter_writes_otherwise_change_nothing() -> None:
    sent = SentCalls()
    told(sent, call(0, '{"a": 1}', "f"))
    assert rest(sent, '{"a":1}') == []


@pytest.mark.parametrize("reply", [(), ('{"a":2}',)])
def test_a_reply_with_other_calls_than_were_told_is_an_error(reply: tuple[str, ...]) -> None:
    sent = SentCalls()
    told(sent, call(0, '{"a": 1}', "f"))
    with pytest.raises(CallsDiffer):
        rest(sent, *reply)


def test_a_call_whose_beginning_was_lost_is_left_to_the_reply() -> None:
    sent = SentCalls()
    assert told(sent, call(0, "1}"), call(1, "{}", "f")) == []
    assert not sent
    assert rest(sent, '{"a":1}', "{}") == [(0, True, '{"a":1}'), (1, True, "{}")]


def test_an_attempt_that_begins_anew_behind_a_call_makes_the_stream_void() -> None:
    text = SentText()
    text.next(Piece("", id="1-0", attempt=1, tool_calls=(call(0, "{", "f"),)))
    assert text.next(Piece("", id="2-0", attempt=2, event="restarted")) is None
    assert text.is_void
