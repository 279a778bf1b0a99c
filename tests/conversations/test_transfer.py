"""Conversations exported and imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from homa import ConversationFull, InvalidRequest, Window
from homa.testing import FakeHoma, fake
from tests.media.samples import PNG

LUNA = "openai:gpt-6-luna"
TURN = {"state": "answered", "at_ms": 1, "messages": [{"role": "user", "content": "x"}]}
ANSWERED = {**TURN, "answer": [{"role": "assistant", "content": "y"}]}


def told(**more: Any) -> bytes:
    return orjson.dumps({"conversation": "c", "version": 1, "turns": [ANSWERED]} | more)


def test_an_exported_conversation_goes_on_elsewhere(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", owner="ann", system="Be kind.", model=LUNA, window=Window(turns=9), max_turns=50)
    talk.ask("one")
    talk.submit("fail")
    homa_echo.drain()
    text = talk.export()
    again = homa_echo.import_conversation(text, id="c2")
    assert again.id == "c2"
    before, after = talk.turns(), again.turns()
    assert [(turn.state, turn.prompt, turn.text, turn.target, turn.error, turn.at) for turn in after] == [
        (turn.state, turn.prompt, turn.text, turn.target, turn.error, turn.at) for turn in before
    ]
    assert [turn.job_id for turn in after] == ["", ""]
    info = again.info()
    assert (info.owner, info.system, info.window, info.model) == ("ann", "Be kind.", Window(turns=9), LUNA)
    again.ask("two")
    assert [message["content"] for message in homa_echo.calls[-1].messages] == ["Be kind.", "one", "re: one", "two"]
    with pytest.raises(InvalidRequest, match="id is 'c2', which another conversation has"):
        homa_echo.import_conversation(text, id="c2")
    other = homa_echo.import_conversation(text, id="c3", owner="bob", tenant="acme")
    assert (other.info().owner, other.info().tenant) == ("bob", "acme")


def test_markdown_is_for_people(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", system="Be kind.", model=LUNA)
    talk.ask("one")
    talk.submit("fail")
    homa_echo.drain()
    text = talk.export("markdown")
    parts = ["# Conversation c", "## System\n\nBe kind.", "## 1. User, ", f"### {LUNA}\n\nre: one", "## 2. User, "]
    assert [part for part in parts if part not in text] == []
    assert text.endswith("### failed\n\ninvalid_request: no\n")
    with pytest.raises(InvalidRequest, match="format is 'pdf': expected json or markdown"):
        talk.export("pdf")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "is no exported conversation"),
        (b"[]", "has no list of turns"),
        (b'{"turns":[]}', "has no list of turns"),
        (b'{"turns":[5]}', "has no list of turns"),
        (told(version=2), "version is 2: expected 1"),
        (told(conversation="a b"), "id is 'a b'"),
        (told(turns=[{**ANSWERED, "messages": []}]), r"turns\[0\].messages: messages is \[\]"),
        (told(turns=[ANSWERED, {**ANSWERED, "answer": None}]), r"turns\[1\].answer: messages is missing"),
        (told(owner=5), "owner is 5"),
        (told(window={"turns": 0}), "window.turns is 0"),
        (told(window=[20]), r"window is \[20\]"),
        (told(system={"be": "kind"}), "system is {'be': 'kind'}"),
        (told(model=5), "model is 5"),
        (told(max_turns="many"), "max_turns is 'many'"),
        (told(max_turns=1001), "max_turns is 1001: expected at most 1,000"),
        (told(turns=[{**ANSWERED, "state": ["answered"]}]), r"turns\[0\].state is \['answered'\]"),
        (
            told(turns=[ANSWERED, {**ANSWERED, "state": "lost"}]),
            r"turns\[1\].state is 'lost': expected answered",
        ),
        (told(turns=[{**ANSWERED, "at_ms": "soon"}]), r"turns\[0\].at_ms is 'soon': expected whole milliseconds"),
        (told(turns=[{**ANSWERED, "ended_ms": 10**18}]), r"turns\[0\].ended_ms is 10+: expected whole milliseconds"),
        (told(turns=[{**ANSWERED, "at_ms": -(10**15)}]), r"turns\[0\].at_ms is -10+: expected whole milliseconds"),
        (told(turns=[{**ANSWERED, "target": [LUNA]}]), r"turns\[0\].target is \["),
        (told(turns=[{**ANSWERED, "state": "failed", "error": 5}]), r"turns\[0\].error is 5"),
        (told(turns=[{**ANSWERED, "state": "pending"}]), "has no turn that has ended"),
    ],
)
def test_what_is_no_exported_conversation_is_named_and_nothing_stored(
    homa_echo: FakeHoma, text: bytes, why: str
) -> None:
    with pytest.raises(InvalidRequest, match=why):
        homa_echo.import_conversation(text)
    assert homa_echo.conversations() == []


def test_a_turn_that_waits_is_left_out_and_what_a_later_release_says_of_a_window_too(homa_echo: FakeHoma) -> None:
    waits = {"state": "pending", "at_ms": 2, "messages": TURN["messages"]}
    again = homa_echo.import_conversation(told(turns=[ANSWERED, waits], window={"turns": 3, "words": 5}))
    assert [turn.state for turn in again.turns()] == ["answered"]
    assert again.info().window == Window(turns=3)


def test_a_conversation_that_is_too_large_is_refused(homa_echo: FakeHoma) -> None:
    with pytest.raises(ConversationFull, match="conversation c has 1,001 turns"):
        homa_echo.import_conversation(told(turns=[ANSWERED] * 1001))


@pytest.mark.parametrize("blobs", [True, False])
def test_images_and_long_texts_stay_with_their_conversation(tmp_path: Path, blobs: bool) -> None:
    """Requests that showed them are gone by then: the conversation alone refers to them."""
    settings = {"blobs": str(tmp_path / "blobs"), "blobs_above": 2000} if blobs else {}
    long = "a long story " * 500
    with fake("an answer", settings=settings) as homa:
        talk = homa.conversation("c", model=LUNA)
        talk.ask("What is this?", images=[PNG])
        talk.ask(long)
        homa.advance(7200)
        talk.ask("and now?")
        first, _, third, *_ = homa.calls[-1].messages
        assert first["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
        assert third["content"] == long
        if blobs:
            assert talk.info().bytes < 3000
        again = homa.import_conversation(talk.export(), id="c2")
        talk.delete()
        homa.advance(7200)
        again.ask("once more")
        assert homa.calls[-1].messages[0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
        assert [turn.prompt for turn in again.turns()] == ["What is this?", long, "and now?", "once more"]


def test_a_large_answer_stays_with_its_conversation(tmp_path: Path) -> None:
    answer = "many words " * 1000
    with fake(answer, settings={"blobs": str(tmp_path / "blobs"), "blobs_above": 2000}) as homa:
        talk = homa.conversation("c", model=LUNA)
        job = talk.submit("Tell me")
        job.result()
        branch = talk.branch(1)
        talk.delete()
        homa.advance(8 * 86_400)
        assert [turn.text for turn in branch.turns()] == [answer], "the job's reply is gone by then"
        again = homa.import_conversation(branch.export(), id="again")
        assert [turn.text for turn in again.turns()] == [answer]
        assert again.info().bytes < 1000
