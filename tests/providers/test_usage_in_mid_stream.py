"""A usage that a stream tells before its end counts what was written by then: it is not what the reply cost."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Call
from homa_workers.providers.bedrock.reply import EventAssembly as ConverseAssembly
from tests.providers.conftest import Connect
from tests.providers.shapes import DONE, MESSAGE, chunk, event, openai_error
from tests.providers.stub import Stub, events
from tests.providers.test_openai import Pieces

EARLY = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
LATE = {"prompt_tokens": 9, "completion_tokens": 40, "total_tokens": 49}
HI, THERE, STOP = chunk({"content": "Hi "}), chunk({"content": "there"}), chunk({}, "stop")


@pytest.mark.parametrize(
    ("told", "output"),
    [
        ([HI, chunk(usage=EARLY), THERE, STOP], None),
        ([chunk({"content": "Hi "}, usage=EARLY), THERE, STOP], None),
        ([HI, chunk(usage=EARLY), THERE, STOP, chunk(usage=LATE)], 40),
        ([chunk({"content": "Hi "}, usage=EARLY), chunk({"content": "there"}, usage=LATE), STOP], 40),
        ([HI, chunk({"content": "there"}, "stop", usage=LATE)], 40),
        ([HI, THERE, chunk({}, "stop", usage=LATE), chunk(usage={"prompt_tokens": None})], 40),
        ([HI, THERE, chunk(usage=LATE), STOP], 40),
    ],
)
async def test_only_a_usage_with_nothing_behind_it_is_the_cost(
    stub: Stub, connect: Connect, hello: Call, told: list[str], output: int | None
) -> None:
    stub.answer = events(*told, DONE)
    completion = await connect("openai", stub.url).stream(hello, Pieces().emit)
    assert completion.text == "Hi there"
    assert (completion.metered, completion.usage.output_tokens) == (output is not None, output or 0)
    assert "usage" not in completion.body or completion.metered


@pytest.mark.parametrize("told", [[chunk(usage=EARLY)], [HI, chunk(usage=EARLY)], [chunk({}, "stop"), HI]])
async def test_an_error_behind_a_usage_in_mid_stream_stays_unresolved(
    stub: Stub, connect: Connect, hello: Call, told: list[str]
) -> None:
    failure = f"data: {orjson.dumps(openai_error('It broke', None, 'server_error')).decode()}\n\n"
    for end in ([failure], []):
        stub.answer = events(*told, *end, end=bool(end))
        call = Call(hello.model, hello.messages, {**hello.params, "n": 2})
        with pytest.raises(ProviderError) as caught:
            await connect("openai", stub.url).stream(call, Pieces().emit)
        assert (caught.value.kind, caught.value.charge) == (ErrorKind.AMBIGUOUS, Charge.UNRESOLVED)


async def test_an_error_behind_the_last_usage_is_charged_at_it(stub: Stub, connect: Connect, hello: Call) -> None:
    failure = f"data: {orjson.dumps(openai_error('It broke', None, 'server_error')).decode()}\n\n"
    stub.answer = events(HI, STOP, chunk(usage=LATE), failure)
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).stream(hello, Pieces().emit)
    assert caught.value.usage is not None
    assert caught.value.usage.output_tokens == 40


async def test_one_finished_choice_of_two_is_not_the_whole(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = events(HI, chunk({}, "stop", usage=EARLY), end=False)
    call = Call(hello.model, hello.messages, {**hello.params, "n": 2})
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).stream(call, Pieces().emit)
    assert (caught.value.usage, caught.value.charge) == (None, Charge.UNRESOLVED)


@pytest.mark.parametrize(
    ("usage", "metered"), [(None, False), ({"input_tokens": 35}, False), ({"output_tokens": 40}, True)]
)
async def test_the_usage_of_anthropics_prompt_is_not_that_of_the_message(
    stub: Stub, connect: Connect, hello: Call, usage: dict[str, int] | None, metered: bool
) -> None:
    began = {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 35, "output_tokens": 1}}
    stub.answer = events(
        event("message_start", message=began),
        event("content_block_start", index=0, content_block={"type": "text", "text": "Hi there"}),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn"}, **({} if usage is None else {"usage": usage})),
        event("message_stop"),
    )
    completion = await connect("anthropic", stub.url).stream(hello, Pieces().emit)
    assert (completion.text, completion.metered) == ("Hi there", metered)
    assert completion.usage.output_tokens == (40 if metered else 0)


def candidate(text: str, **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **fields}]}


@pytest.mark.parametrize("last", [{}, {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 40}}])
async def test_geminis_usage_of_an_earlier_event_is_not_that_of_the_reply(
    stub: Stub, connect: Connect, hello: Call, last: dict[str, Any]
) -> None:
    early = {"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}
    told = [candidate("Hi ") | early, candidate("there", finishReason="STOP") | last]
    stub.answer = events(*(f"data: {orjson.dumps(body).decode()}\n\n" for body in told))
    completion = await connect("gemini", stub.url).stream(hello, Pieces().emit)
    assert (completion.text, completion.metered) == ("Hi there", bool(last))
    assert completion.usage.output_tokens == (40 if last else 0)


def test_bedrocks_usage_with_text_behind_it_is_dropped() -> None:
    assembly = ConverseAssembly()
    text = {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hi"}}}
    usage = {"metadata": {"usage": {"inputTokens": 5, "outputTokens": 1, "totalTokens": 6}}}
    stop = {"messageStop": {"stopReason": "end_turn"}}
    for told in (text, usage, text, stop):
        assembly.add(told)
    assert not assembly.has_ended
    assert "usage" not in assembly.reply()
    assembly.add(usage)
    assert assembly.has_ended
    assert assembly.reply()["usage"]["inputTokens"] == 5
