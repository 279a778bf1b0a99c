"""Personal data does not leave, and stands in the reply all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from homa_shared.calls import tools
from homa_shared.calls.request import StepRules
from homa_shared.calls.tools import tool
from homa_shared.model.errors import ConfigError
from homa_shared.model.records import State
from homa_workers.middleware import CallNext, Completion, Request, around
from homa_workers.middleware.around import Around
from homa_workers.middleware.entry_points import declared
from homa_workers.middleware.pseudonyms import Found, personal_data, pseudonyms
from tests.steps.cell import Cell, reply_of

MAIL, CARD = "ada@example.org", "4111 1111 1111 1111"


def seen() -> tuple[list[Any], Around]:
    """What is sent, as the innermost middleware sees it."""
    sent: list[Any] = []

    @around(order=100)
    async def watch(request: Request, call_next: CallNext) -> Completion:
        sent.append(request.messages)
        return await call_next(request)

    return sent, watch


def text_of(view: Any) -> str:
    found: str = reply_of(view)["body"]["choices"][0]["message"]["content"]
    return found


async def test_values_are_taken_out_and_put_back(cell: Cell) -> None:
    sent, watch = seen()
    await cell.worker(middleware=[personal_data, watch])
    asked = f"Write to {MAIL} and {MAIL}. [[say:Sent to {MAIL}, paid by {CARD}; [EMAIL_2] is nobody.]]"
    view = await cell.ended(await cell.ask(asked))
    assert text_of(view) == f"Sent to {MAIL}, paid by {CARD}; [EMAIL_2] is nobody."
    assert sent[0][0]["content"].startswith("Write to [EMAIL_1] and [EMAIL_1]. ")
    assert "paid by [CARD_1]" in sent[0][0]["content"]
    assert MAIL not in repr(sent)
    assert CARD not in repr(sent)


async def test_a_prompt_without_any_is_sent_as_it_is(cell: Cell) -> None:
    sent, watch = seen()
    await cell.worker(middleware=[personal_data, watch])
    asked = "Nothing of anybody. [[say:[EMAIL_1] stays]]"
    assert text_of(await cell.ended(await cell.ask(asked))) == "[EMAIL_1] stays"
    assert sent[0][0]["content"] == asked


async def test_a_placeholder_that_the_prompt_has_already_is_not_given_again(cell: Cell) -> None:
    sent, watch = seen()
    await cell.worker(middleware=[personal_data, watch])
    view = await cell.ended(await cell.ask(f"[EMAIL_1] is {MAIL} [[say:[EMAIL_1] and {MAIL}.]]"))
    assert text_of(view) == f"[EMAIL_1] and {MAIL}."
    assert sent[0][0]["content"].startswith("[EMAIL_1] is [EMAIL_2] ")


async def test_a_recognizer_of_one_s_own_comes_first_and_its_values_may_have_quotes(cell: Cell) -> None:
    name = 'Ada "the" \\ Countess'

    def countess(text: str) -> list[Found]:
        start = text.find(name)
        return [] if start < 0 else [Found(start, start + len(name), "PERSON")]

    sent, watch = seen()
    await cell.worker(middleware=[pseudonyms(countess, presets=()), watch])
    view = await cell.ended(await cell.ask(f'Who? [[say:{{"who": "{name}"}}]]'))
    assert orjson.loads(text_of(view)) == {"who": name}
    assert name not in repr(sent)


async def test_tools_get_the_values_and_the_next_call_does_not(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_registered", {})
    given = []

    @tool
    async def look_up(mail: str) -> str:
        """Who has an address."""
        given.append(mail)
        return f"{mail} is Ada's"

    sent, watch = seen()
    await cell.worker(middleware=[personal_data, watch])
    asked = f'About {MAIL}: [[tool:look_up {{"mail": "{MAIL}"}}]]'
    await cell.ended(await cell.ask(asked, steps=StepRules(tools=("look_up",))))
    assert given == [MAIL]
    assert [message["role"] for message in sent[1]] == ["user", "assistant", "tool"]
    assert MAIL not in repr(sent)


async def test_whatever_field_of_a_message_has_a_value_it_does_not_leave(cell: Cell) -> None:
    sent, watch = seen()
    await cell.worker(middleware=[personal_data, watch])
    call = {"name": "send", "arguments": f'{{"to": "{MAIL}"}}'}
    asked = [
        {"role": "user", "content": [{"type": "text", "text": f"Write to {MAIL}"}]},
        {"role": "assistant", "content": None, "refusal": f"not to {MAIL}", "reasoning_content": f"{MAIL}?"},
        {"role": "user", "content": "Do."},
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "send", "content": f"{MAIL} was told"},
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "x", "input": MAIL}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    await cell.ended(await cell.ask_messages(asked))
    assert MAIL not in repr(sent)
    assert repr(sent).count("[EMAIL_1]") == 6


async def test_what_a_provider_gets_back_of_its_own_is_as_it_wrote_it(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reasoning is signed; and with values in it they would leave by the next call."""
    monkeypatch.setattr(tools, "_registered", {})

    given = []

    @tool
    async def look_up(mail: str) -> str:
        """Who has an address."""
        given.append(mail)
        return mail

    own = {
        "thinking_blocks": [{"type": "thinking", "thinking": "[EMAIL_1]?", "signature": "s"}],
        "response_items": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "[EMAIL_1]?"}]}],
    }
    sent: list[Any] = []

    @around(order=100)
    async def provider(request: Request, call_next: CallNext) -> Completion:
        sent.append(request.messages)
        reply = await call_next(request)
        (choice,) = reply.body["choices"]
        message = {**choice["message"], **own}
        return replace(reply, body={**reply.body, "choices": [{**choice, "message": message}]})

    await cell.worker(middleware=[personal_data, provider])
    asked = f'About {MAIL}: [[tool:look_up {{"mail": "{MAIL}"}}]]'
    await cell.ended(await cell.ask(asked, steps=StepRules(tools=("look_up",))))
    assert given == [MAIL]
    assert len(sent) == 2
    assert MAIL not in repr(sent)
    assert {name: sent[1][1][name] for name in own} == own


async def test_a_recognizer_that_breaks_ends_the_job_and_nothing_is_sent(cell: Cell) -> None:
    def broken(text: str) -> list[Found]:
        raise LookupError("no model loaded")

    await cell.worker(middleware=[pseudonyms(broken)])
    view = await cell.ended(await cell.ask(f"to {MAIL}"))
    assert view.job.state is State.FAILED
    assert cell.simulator.stats.received == 0


async def test_money_adds_up(cell: Cell) -> None:
    await cell.worker(middleware=[personal_data])
    job = await cell.ask(f"{MAIL} {CARD}")
    await cell.ended(job)
    await cell.check_money(job)


def test_the_module_declares_one_for_workers() -> None:
    assert declared(["homa_workers.middleware.pseudonyms"]) == [personal_data]


def test_a_preset_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="presets has 'name': expected some of email"):
        pseudonyms(presets=["name"])
