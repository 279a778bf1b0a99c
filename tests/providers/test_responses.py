"""Calls to OpenAI's Responses API: what comes back is a chat completion like any other."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import CHAT_API, ITEMS, RESPONSES_API, Call, Delta, Quota, Usage
from tests.providers.conftest import Connect
from tests.providers.responses_shapes import (
    REASONING,
    USAGE,
    WEATHER,
    added,
    delta,
    done,
    ended,
    event,
    message,
    response,
    text,
)
from tests.providers.shapes import CHAT
from tests.providers.stub import Stub, events, reply
from tests.providers.test_openai import QUOTA_HEADERS, Pieces

HELLO = Call("gpt-6-luna", [{"role": "user", "content": "Hello"}], {"max_tokens": 50}, api=RESPONSES_API)
ROME = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
CUSTOM = {"id": "ct_1", "type": "custom_tool_call", "call_id": "call_2", "name": "sql", "input": "select 1"}
COMMENTARY = message("Let me look.", id="msg_0", phase="commentary")


async def test_a_response_is_a_completion(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, response(message()), QUOTA_HEADERS)
    completion = await connect("openai", stub.url).complete(HELLO)
    assert stub.request.path == "/v1/responses"
    assert completion.body == {
        "id": "resp_1",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "gpt-5-mini-2025-08-07",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi there"},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 40,
            "total_tokens": 140,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
        "service_tier": "default",
    }
    assert completion.usage == Usage(100, 40, cached_tokens=60, cache_write_tokens=5, reasoning_tokens=30)
    assert completion.request_id == "req_1"
    assert completion.quota == Quota(500, 499, 200000, None)
    assert completion.metered


@pytest.mark.parametrize("kind", ["openai", "azure"])
async def test_azure_has_it_and_is_shown_its_key(stub: Stub, connect: Connect, kind: str) -> None:
    stub.answer = reply(200, response(message()))
    await connect(kind, stub.url).complete(HELLO)
    assert stub.request.path == "/v1/responses"
    assert stub.request.headers.get("api-key") == ("sk-secret" if kind == "azure" else None)


@pytest.mark.parametrize(("kind", "api"), [("ollama", RESPONSES_API), ("cohere", RESPONSES_API), ("openai", CHAT_API)])
async def test_others_are_asked_by_chat_completions(stub: Stub, connect: Connect, kind: str, api: str) -> None:
    stub.answer = reply(200, CHAT)
    spoken = [{"role": "assistant", "content": "Hi", ITEMS: [REASONING, message()]}, {"role": "user", "content": "Go"}]
    await connect(kind, stub.url).complete(Call("m", spoken, api=api))
    assert stub.request.path == "/v1/chat/completions"
    assert stub.request.json["messages"] == [
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "Go"},
    ], "what only the Responses API understands stays behind"


async def test_a_reply_without_usage_is_not_metered(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, response(message(), usage=None, service_tier=None))
    completion = await connect("openai", stub.url).complete(HELLO)
    assert (completion.usage, completion.metered) == (Usage(), False)
    assert not {"usage", "service_tier"} & completion.body.keys()


async def answered(stub: Stub, connect: Connect, *output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The only choice of a reply."""
    stub.answer = reply(200, response(*output, **fields))
    completion = await connect("openai", stub.url).complete(HELLO)
    (choice,) = completion.body["choices"]
    return dict(choice)


async def test_tool_calls_are_those_of_chat_completions(stub: Stub, connect: Connect) -> None:
    choice = await answered(stub, connect, WEATHER, CUSTOM)
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            ROME,
            {"id": "call_2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
        ],
    }


async def test_reasoning_is_kept_for_people_and_for_the_next_request(stub: Stub, connect: Connect) -> None:
    said = (await answered(stub, connect, REASONING, COMMENTARY, WEATHER))["message"]
    assert said["reasoning_content"] == "It is a greeting.\n\nGreet.\n\nLet me look."
    assert said["content"] is None, "what it is about to do is no answer"
    assert said[ITEMS] == [REASONING, COMMENTARY, WEATHER]


async def test_a_plain_answer_is_not_kept_twice(stub: Stub, connect: Connect) -> None:
    said = (await answered(stub, connect, message("Hi", phase="final_answer"), WEATHER))["message"]
    assert said == {"role": "assistant", "content": "Hi", "tool_calls": [ROME]}


async def test_a_refusal_is_told_as_such(stub: Stub, connect: Connect) -> None:
    choice = await answered(stub, connect, message(content=[{"type": "refusal", "refusal": "I can't."}]))
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": "I can't."}
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("other", "length")]
)
async def test_an_incomplete_response_says_why(stub: Stub, connect: Connect, reason: str, finish: str) -> None:
    choice = await answered(stub, connect, message("Hi th"), status="incomplete", incomplete_details={"reason": reason})
    assert (choice["finish_reason"], choice["message"]["content"]) == (finish, "Hi th")


async def test_a_response_that_says_nothing_is_an_empty_answer(stub: Stub, connect: Connect) -> None:
    assert (await answered(stub, connect))["message"] == {"role": "assistant", "content": ""}


async def test_citations_and_log_probabilities_are_those_of_chat_completions(stub: Stub, connect: Connect) -> None:
    cited = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 1, "end_index": 3}
    parts = [
        {"type": "output_text", "text": "First. ", "annotations": [{"type": "file_path", "file_id": "f", "index": 1}]},
        {"type": "output_text", "text": "Second.", "annotations": [cited], "logprobs": [{"token": "Second"}]},
    ]
    choice = await answered(stub, connect, message(content=parts))
    assert choice["message"]["content"] == "First. Second."
    assert choice["message"]["annotations"] == [
        {"type": "file_path", "file_id": "f", "index": 1},
        {
            "type": "url_citation",
            "url_citation": {"url": "https://a.example", "title": "A", "start_index": 8, "end_index": 10},
        },
    ]
    assert choice["logprobs"] == {"content": [{"token": "Second"}]}


# -- streams ----------------------------------------------------------------------------------------------------


async def streamed(stub: Stub, connect: Connect, *sent: str) -> tuple[Any, list[Delta]]:
    stub.answer = events(*sent, headers=QUOTA_HEADERS)
    pieces = Pieces()
    completion = await connect("openai", stub.url).stream(HELLO, pieces.emit)
    return completion, pieces.taken


async def test_a_stream_gives_its_pieces_and_the_whole(stub: Stub, connect: Connect) -> None:
    completion, pieces = await streamed(
        stub,
        connect,
        event("response.created", response=response(status="in_progress", usage=None)),
        added(message("", status="in_progress", content=[])),
        text("Hi "),
        "data: 7\n\n",
        event("response.content_part.done", output_index=0),
        text("there"),
        done(message()),
        ended(response(message())),
    )
    assert pieces == [Delta("Hi "), Delta("there")]
    assert (completion.text, completion.finish_reason, completion.metered) == ("Hi there", "stop", True)
    assert completion.usage.reasoning_tokens == 30
    assert (completion.request_id, completion.quota.limit_requests) == ("req_1", 500)
    assert stub.request.json["stream"] is True
    assert "stream_options" not in stub.request.json


async def test_reasoning_and_calls_are_streamed_in_the_shape_of_chat_completions(stub: Stub, connect: Connect) -> None:
    completion, pieces = await streamed(
        stub,
        connect,
        added({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "half"}),
        event("response.reasoning_summary_part.added", output_index=0, summary_index=0),
        delta("reasoning_summary_text", "It is"),
        event("response.reasoning_summary_part.added", output_index=0, summary_index=1),
        delta("reasoning_text", "Greet."),
        done(REASONING),
        added({**COMMENTARY, "content": []}, 1),
        text("Let me look.", 1),
        done(COMMENTARY, 1),
        added({**WEATHER, "arguments": ""}, 2),
        delta("function_call_arguments", '{"city":', 2),
        delta("function_call_arguments", '"Rome"}', 2),
        done(WEATHER, 2),
        added({**CUSTOM, "input": ""}, 3),
        delta("custom_tool_call_input", "select 1", 3),
        done(CUSTOM, 3),
        delta("function_call_arguments", "of an item that nobody announced", 9),
        ended(response()),
    )
    assert pieces == [
        Delta(reasoning="It is"),
        Delta(reasoning="\n\n"),
        Delta(reasoning="Greet."),
        Delta(reasoning="Let me look."),
        Delta(
            tool_call={
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": "weather", "arguments": ""},
            }
        ),
        Delta(tool_call={"index": 0, "function": {"arguments": '{"city":'}}),
        Delta(tool_call={"index": 0, "function": {"arguments": '"Rome"}'}}),
        Delta(tool_call={"index": 1, "id": "call_2", "type": "custom", "custom": {"name": "sql", "input": ""}}),
        Delta(tool_call={"index": 1, "custom": {"input": "select 1"}}),
    ]
    said = completion.body["choices"][0]["message"]
    assert said["tool_calls"][0] == ROME
    assert said[ITEMS] == [REASONING, COMMENTARY, WEATHER, CUSTOM], "as they ended, whatever the last event leaves out"


#: What a server leaves out of a stream.
SCANT = {
    "nothing": (lambda item: [added(item), done(item)], True),
    "the output at the end": (lambda item: [added(item), done(item)], False),
    "the ends of items": (lambda item: [added({**item, "content": []})], True),
    "both": (lambda item: [added({**item, "content": []})], False),
    "all but the pieces": (lambda item: [], False),
    "what ended items say": (lambda item: [added({**item, "content": []}), done({**item, "content": []})], False),
}


@pytest.mark.parametrize("left_out", SCANT)
async def test_what_was_streamed_stands_whatever_the_end_leaves_out(
    stub: Stub, connect: Connect, left_out: str
) -> None:
    around, is_told = SCANT[left_out]
    before, behind = around(message())[:1], around(message())[1:]
    end = ended(response(*([message()] if is_told else [])))
    stub.answer = events(*before, text("Hi "), text("there"), *behind, end)
    completion = await connect("openai", stub.url).stream(HELLO, Pieces().emit)
    assert (completion.text, completion.finish_reason, completion.metered) == ("Hi there", "stop", True)


async def test_calls_refusals_and_thoughts_stand_too(stub: Stub, connect: Connect) -> None:
    bare = {name: value for name, value in WEATHER.items() if name != "arguments"}
    stub.answer = events(
        added({"id": "rs_1", "type": "reasoning", "summary": []}, 0),
        delta("reasoning_summary_text", "Greet.", 0, summary_index=0),
        added({**bare, "arguments": ""}, 1),
        delta("function_call_arguments", WEATHER["arguments"], 1),
        added({**CUSTOM, "input": ""}, 2),
        delta("custom_tool_call_input", "select 1", 2),
        delta("refusal", "I can't", 3),
        ended(response()),
    )
    said = (await connect("openai", stub.url).stream(HELLO, Pieces().emit)).body["choices"][0]["message"]
    assert said["tool_calls"][0] == ROME
    assert said["tool_calls"][1]["custom"]["input"] == "select 1"
    assert (said["refusal"], said["reasoning_content"]) == ("I can't", "Greet.")


async def test_pieces_without_a_place_are_not_told_twice(stub: Stub, connect: Connect) -> None:
    placeless = event("response.output_text.delta", delta="Hi there")
    for output in ([REASONING], [REASONING, message()]):
        stub.answer = events(placeless, ended(response(*output)))
        completion = await connect("openai", stub.url).stream(HELLO, Pieces().emit)
        assert completion.text == "Hi there"


async def test_a_stream_may_end_incomplete(stub: Stub, connect: Connect) -> None:
    cut = response(message("Hi"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    completion, _ = await streamed(stub, connect, text("Hi"), ended(cut))
    assert (completion.text, completion.finish_reason) == ("Hi", "length")


async def test_a_refusal_in_a_stream_is_told_with_the_whole(stub: Stub, connect: Connect) -> None:
    refused = message(content=[{"type": "refusal", "refusal": "I can't."}])
    completion, pieces = await streamed(stub, connect, delta("refusal", "I can't."), ended(response(refused)))
    assert pieces == []
    assert completion.body["choices"][0]["message"]["refusal"] == "I can't."


@pytest.mark.parametrize("end", [True, False])
async def test_a_stream_without_its_last_event_is_ambiguous_and_keeps_its_text(
    stub: Stub, connect: Connect, *, end: bool
) -> None:
    stub.answer = events(added(message("", content=[])), text("Hi th"), done(message("Hi th")), end=end)
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).stream(HELLO, Pieces().emit)
    assert (caught.value.kind, caught.value.partial_text) == (ErrorKind.AMBIGUOUS, "Hi th")


async def test_a_cut_event_is_ambiguous(stub: Stub, connect: Connect) -> None:
    stub.answer = events(text("Hi"), 'data: {"type": "respon\n\n')
    with pytest.raises(ProviderError, match="not valid JSON") as caught:
        await connect("openai", stub.url).stream(HELLO, Pieces().emit)
    assert (caught.value.kind, caught.value.partial_text) == (ErrorKind.AMBIGUOUS, "Hi")


async def test_usage_of_a_failed_response_is_charged(stub: Stub, connect: Connect) -> None:
    stub.answer = events(
        text("Hi"), ended(response(status="failed", error={"code": "server_error", "message": "x"}, usage=USAGE))
    )
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).stream(HELLO, Pieces().emit)
    assert caught.value.usage == Usage(100, 40, cached_tokens=60, cache_write_tokens=5, reasoning_tokens=30)
