"""Several clients at once, lost replies, turns that end meanwhile: one turn is accepted, made of what is there."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import Any

import pytest

from homa import KeyConflict, StaleTurn, StoreUnavailable, TurnPending
from homa.testing import FakeHoma

LUNA = "openai:gpt-6-luna"


def test_a_stale_turn_names_both_numbers_and_stores_nothing(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", model=LUNA)
    talk.ask("one", expect_turn=0)
    with pytest.raises(StaleTurn, match="conversation c has 1 turns, expect_turn is 0: another client") as refused:
        talk.ask("again", expect_turn=0)
    assert (refused.value.expected, refused.value.turns) == (0, 1)
    with pytest.raises(StaleTurn, match="expect_turn is 5"):
        talk.submit("far ahead", expect_turn=5)
    assert len(talk.turns()) == 1
    talk.ask("two", expect_turn=1)
    with pytest.raises(StaleTurn, match="has 0 turns"):
        homa_echo.conversation("unknown", model=LUNA).ask("one", expect_turn=1)


def test_no_second_turn_while_one_waits(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", model=LUNA)
    job = talk.submit("one", delay_s=60)
    with pytest.raises(TurnPending, match=f"turn 1 of conversation c still waits for its answer, by job {job.id}"):
        talk.submit("two")
    with pytest.raises(TurnPending) as refused:
        talk.retry()
    assert (refused.value.turn, refused.value.job_id) == (1, job.id)
    job.cancel()
    assert talk.ask("two").text == "re: two"
    assert [turn.state for turn in talk.turns()] == ["failed", "answered"]


def test_a_key_is_one_turn_whatever_is_said_meanwhile(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", model=LUNA)
    first = talk.submit("one", key="m:1")
    assert talk.submit("one", key="m:1").id == first.id, "while it waits"
    first.result()
    talk.ask("two")
    assert talk.submit("one", key="m:1").id == first.id
    with pytest.raises(KeyConflict, match="'m:1' was used before with another request") as refused:
        talk.submit("other", key="m:1")
    assert refused.value.job_id == first.id
    with pytest.raises(KeyConflict):
        homa_echo.conversation("d", model=LUNA).submit("one", key="m:1")
    assert homa_echo.conversation("d").turns() == []
    assert len(talk.turns()) == 2


def test_of_many_at_once_one_turn_is_accepted(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", model=LUNA)
    talk.ask("one")
    barrier, ends = Barrier(8), list[str]()

    def say(number: int) -> None:
        barrier.wait()
        try:
            talk.submit(f"two by {number}", expect_turn=1, delay_s=60)
            ends.append("accepted")
        except (StaleTurn, TurnPending) as error:
            ends.append(type(error).__name__)

    threads = [Thread(target=say, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["StaleTurn"] * 7 + ["accepted"]
    assert [turn.state for turn in talk.turns()] == ["answered", "pending"]


def test_a_turn_whose_acceptance_nobody_told_is_named_and_asked_again_by_its_key(
    homa_echo: FakeHoma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store accepted it, and its reply was lost."""
    talk, store = homa_echo.conversation("c", model=LUNA), homa_echo._driver.store
    real = store.run

    def lossy(op: Any) -> Any:
        answer = real(op)
        if op.script is not None and op.script.name == "begin_turn":
            raise StoreUnavailable("the connection broke")
        return answer

    monkeypatch.setattr(store, "run", lossy)
    with pytest.raises(StoreUnavailable, match="may have been accepted") as lost:
        talk.submit("one", key="m:1")
    monkeypatch.undo()
    job = talk.submit("one", key="m:1")
    assert job.id == lost.value.job_id
    assert job.result().text == "re: one"
    assert len(talk.turns()) == 1


def test_a_turn_is_made_of_what_is_there_when_it_is_accepted(
    homa_echo: FakeHoma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn before ends between the read and the acceptance."""
    talk, store = homa_echo.conversation("c", model=LUNA), homa_echo._driver.store
    real, waiting = store.run, talk.submit("one", delay_s=60)

    def late(op: Any) -> Any:
        if op.script is not None and op.script.name == "begin_turn":
            monkeypatch.undo()
            homa_echo.advance(61)
            waiting.result()
        return real(op)

    monkeypatch.setattr(store, "run", late)
    talk.submit("two", key="m:2").result()
    said = [(message["role"], message["content"]) for message in homa_echo.calls[-1].messages]
    assert said == [("user", "one"), ("assistant", "re: one"), ("user", "two")]
