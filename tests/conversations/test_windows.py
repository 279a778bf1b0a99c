"""Which turns are sent with the next one, and what is told of those that are not."""

from __future__ import annotations

import logging
import re
from typing import Any

import orjson
import pytest

from homa import InvalidRequest, UnknownModel, Window
from homa.testing import FakeCall, FakeHoma, Refused, fake
from tests.conversations.books import books_of

LUNA, HAIKU = "openai:gpt-6-luna", "anthropic:claude-haiku-5-5"
TRANSCRIPT = re.compile(r"(?s)(?:User: |What was said before).*")


def users(call: FakeCall) -> list[str]:
    return [str(message["content"]) for message in call.messages if message["role"] == "user"]


def instructions(call: FakeCall) -> str:
    return "".join(str(message["content"]) for message in call.messages if message["role"] == "system")


def turns(homa: FakeHoma) -> list[FakeCall]:
    """The calls that answered turns."""
    return [call for call in homa.calls if not TRANSCRIPT.fullmatch(call.prompt)]


@pytest.mark.parametrize(
    ("window", "tokens", "place"),
    [
        (Window(), [5, 5, 5], 0),
        (Window(turns=2), [5, 5, 5], 1),
        (Window(turns=9), [5, 5, 5], 0),
        (Window(tokens=10), [5, 5, 5], 1),
        (Window(tokens=9), [5, 5, 5], 2),
        (Window(tokens=4), [5, 5, 5], 3),
        (Window(turns=1, tokens=10), [5, 5, 5], 2),
        (Window(turns=3, tokens=5), [5, 5, 5], 2),
        (Window(turns=1), [], 0),
    ],
)
def test_a_window_begins_where_all_that_it_says_holds(window: Window, tokens: list[int], place: int) -> None:
    assert window.begins(tokens) == place


@pytest.mark.parametrize(
    ("words", "window"),
    [
        ("turns=20", Window(turns=20)),
        ("tokens=8000", Window(tokens=8000)),
        ("turns=20, summary=openai:gpt-6-luna", Window(turns=20, summary_model=LUNA)),
    ],
)
def test_a_window_in_words(words: str, window: Window) -> None:
    assert Window.parse(words) == window
    assert Window.decode(window.encode()) == window


@pytest.mark.parametrize("words", ["20", "turns", "turns=x", "turns=0", "summary=p:m", "turn=3", ""])
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(InvalidRequest, match="window"):
        Window.parse(words)


@pytest.mark.parametrize("made", [{"turns": 0}, {"tokens": "9"}, {"turns": 2, "summary_model": ""}])
def test_what_is_no_window_is_named(made: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"window\.(turns|tokens|summary_model) is"):
        Window(**made)


def test_the_last_turns_are_sent(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation(model=LUNA, window=Window(turns=2))
    for number in range(1, 5):
        talk.ask(f"turn {number}")
    assert users(homa_echo.calls[-1]) == ["turn 2", "turn 3", "turn 4"]
    homa_echo.conversation(talk.id).ask("turn 5")
    assert users(homa_echo.calls[-1]) == ["turn 3", "turn 4", "turn 5"], "the window stands in the store"
    assert len(talk.turns()) == 5, "nothing is forgotten"


def test_failed_turns_take_no_place(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation(model=LUNA, window=Window(turns=2))
    for prompt in ("one", "two", "fail", "fail again", "three"):
        talk.submit(prompt).view()
        homa_echo.drain()
    assert users(homa_echo.calls[-1]) == ["one", "two", "three"]


def test_as_many_turns_are_sent_as_tokens_allow(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation(model=LUNA, window=Window(tokens=200))
    talk.ask("long ago " * 200)
    talk.ask("lately")
    talk.ask("now")
    assert users(homa_echo.calls[-1]) == ["lately", "now"]


def test_a_long_conversation_is_read_in_pages(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", model=LUNA)
    turn = {"state": "answered", "at_ms": 1, "messages": [{"role": "user", "content": "x"}]}
    told = [{**turn, "answer": [{"role": "assistant", "content": str(i)}]} for i in range(130)]
    homa_echo.import_conversation(orjson.dumps({"conversation": "c", "version": 1, "turns": told}))
    talk.ask("and now?")
    assert len(users(homa_echo.calls[-1])) == 131
    assert [turn.number for turn in talk.turns()] == list(range(1, 132))
    homa_echo.conversation("c", window=Window(turns=70)).ask("later")
    assert len(users(homa_echo.calls[-1])) == 71


def test_what_a_window_leaves_out_is_summed_up_by_a_job() -> None:
    with fake({TRANSCRIPT: "the summary", "*": "an answer"}) as homa:
        talk = homa.conversation("c", system="Be kind.", model=LUNA, window=Window(turns=2, summary_model=HAIKU))
        for number in range(1, 7):
            talk.ask(f"turn {number}")
            homa.drain()
        summaries = [call for call in homa.calls if TRANSCRIPT.fullmatch(call.prompt)]
        assert {call.target for call in summaries} == {HAIKU}
        assert "User: turn 1" in summaries[0].prompt
        assert "Assistant: an answer" in summaries[0].prompt
        assert "What was said before, summed up: the summary" in summaries[1].prompt
        assert "turn 1" not in summaries[1].prompt, "what is summed up is not sent again"
        assert users(turns(homa)[3]) == ["turn 1", "turn 2", "turn 3", "turn 4"], "until then they are sent as they are"
        assert users(turns(homa)[4]) == ["turn 2", "turn 3", "turn 4", "turn 5"]
        assert instructions(turns(homa)[4]) == (
            "Be kind.\n\nSummary of the conversation before the messages below:\nthe summary"
        )
        assert talk.info().summed == 3
        assert [turn.text for turn in talk.turns()] == ["an answer"] * 6
        assert books_of(homa) == []
        homa.assert_submitted(TRANSCRIPT, model=HAIKU, times=3)


def test_a_summary_is_asked_for_once_a_half_window() -> None:
    with fake({TRANSCRIPT: "the summary", "*": "an answer"}) as homa:
        talk = homa.conversation(model=LUNA, window=Window(turns=4, summary_model=HAIKU))
        for number in range(1, 13):
            talk.ask(f"turn {number}")
            homa.drain()
        assert len([call for call in homa.calls if TRANSCRIPT.fullmatch(call.prompt)]) == 3


def test_a_summary_that_fails_leaves_the_turns_as_they_are() -> None:
    with fake({TRANSCRIPT: Refused("no"), "*": "an answer"}) as homa:
        talk = homa.conversation(model=LUNA, window=Window(turns=1, summary_model=HAIKU))
        for number in range(1, 5):
            talk.ask(f"turn {number}")
            homa.drain()
        assert users(turns(homa)[-1]) == ["turn 1", "turn 2", "turn 3", "turn 4"]
        assert instructions(turns(homa)[-1]) == ""


def test_who_sums_up_is_known_before_anything_is_stored(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation(model=LUNA, window=Window(turns=1, summary_model="nobody:knows"))
    with pytest.raises(UnknownModel, match="nobody"):
        talk.ask("one")
    assert talk.turns() == []


def test_a_turn_stands_though_no_summary_can_be_begun(caplog: pytest.LogCaptureFixture) -> None:
    tiny = {"models": {"tiny": {"target": HAIKU, "context_window": 10}}}
    with fake("an answer", settings=tiny) as homa, caplog.at_level(logging.WARNING, "homa"):
        talk = homa.conversation("c", model=LUNA, window=Window(turns=1, summary_model="tiny"))
        for number in range(1, 4):
            talk.ask(f"turn {number}")
        homa.drain()
        assert [turn.state for turn in talk.turns()] == ["answered"] * 3
        assert "conversation c has no summary of its first 1 turns, which are sent as they are" in caplog.text
        assert books_of(homa) == []


def test_a_summary_goes_nowhere_that_the_turn_may_not(caplog: pytest.LogCaptureFixture) -> None:
    here = {"openai": {"kind": "openai", "data_region": "eu"}, "anthropic": {"kind": "anthropic", "data_region": "us"}}
    with fake({TRANSCRIPT: "the summary", "*": "an answer"}, settings={"providers": here}) as homa:
        outside = homa.conversation(model=LUNA, window=Window(turns=1, summary_model=HAIKU))
        inside = homa.conversation(model=LUNA, window=Window(turns=1, summary_model=LUNA))
        for talk in (outside, inside):
            for number in range(1, 4):
                talk.ask(f"turn {number}", regions=["eu"])
                homa.drain()
        assert {call.target for call in homa.calls} == {LUNA}
        assert outside.info().summed == 0
        assert inside.info().summed > 0
    assert "the job is pinned to eu, and this account is in us" in caplog.text
