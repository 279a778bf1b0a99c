"""Retries, branches, ends and repairs of conversations."""

from __future__ import annotations

import orjson
import pytest

from homa_shared.model.constants import CONVERSATIONS_KEPT_MS
from homa_shared.model.records import State
from homa_shared.store.audit import audit
from homa_shared.store.reads.conversations import conversations
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.conversations import (
    Answer,
    Owner,
    TurnRow,
    begin_summary,
    import_conversation,
    import_turns,
)
from homa_shared.store.transitions.submit import Common, Entry
from tests.conversations.talk import Talk, said


def failed_turn(talk: Talk, expected: int = 0, *, job: str = "j") -> None:
    talk.say("hello", expected, job=job)
    talk.fail(talk.claim())


# retries


def test_a_retry_of_a_failed_turns_job_answers_the_turn(talk: Talk) -> None:
    failed_turn(talk)
    assert talk.retried("j", "again") == "ok"
    assert talk.stored_states() == "p"
    assert talk.say("more", 1) == Answer("pending", 1, "again")
    talk.settle(talk.claim())
    assert talk.stored_states() == "a"
    assert not talk.page().rows[0].error


def test_a_retry_that_fails_marks_the_turn_failed_again(talk: Talk) -> None:
    failed_turn(talk)
    talk.retried("j", "again")
    talk.fail(talk.claim(), outcome="overloaded")
    assert talk.stored_states() == "f"
    assert talk.error_of(1)["kind"] == "overloaded"
    assert talk.retried("again", "third") == "ok"
    talk.settle(talk.claim())
    assert talk.stored_states() == "a"


def test_a_turn_that_others_follow_is_not_retried(talk: Talk) -> None:
    failed_turn(talk)
    talk.answered("more", 1)
    assert talk.retried("j", "again") == "conversation went on"
    assert talk.state("again") is None
    assert talk.states() == "fa"


def test_a_turn_of_a_deleted_conversation_is_not_retried(talk: Talk) -> None:
    failed_turn(talk)
    talk.deleted()
    assert talk.retried("j", "again") == "conversation gone"
    assert talk.state("again") is None


# branches


def test_a_branch_has_the_turns_up_to_its_place_and_goes_on_by_itself(talk: Talk) -> None:
    talk.answered("one", facts={"system": "be kind", "model": "p:m", "most": "9"})
    talk.answered("two", 1)
    failed_turn(talk, 2)
    assert talk.branched(2) == Answer("ok", 2, "")
    page, origin = talk.page("b"), talk.page()
    assert page.rows == origin.rows[:2]
    assert (page.facts.branch_of, page.facts.branched_at) == ("c", 2)
    assert (page.facts.system, page.facts.model, page.facts.most_turns) == ("be kind", "p:m", 9)
    talk.answered("elsewhere", 2, to="b")
    assert talk.page().rows == origin.rows
    talk.deleted()
    assert talk.states("b") == "aaa"


def test_a_branch_is_made_once(talk: Talk) -> None:
    talk.answered()
    assert talk.branched() == Answer("ok", 1, "")
    before = talk.everything()
    assert talk.branched() == Answer("ok", 1, "")
    assert talk.everything() == before
    talk.answered("more", 1, to="b")
    assert talk.branched().word == "taken"


def test_a_branch_beyond_the_end_or_of_a_turn_that_waits_is_refused(talk: Talk) -> None:
    assert talk.branched().word == "unknown"
    talk.answered()
    job = talk.say("more", 1).detail
    assert talk.branched(3) == Answer("beyond", 2, "")
    assert talk.branched(0).word == "beyond"
    assert talk.branched(2) == Answer("pending", 2, job)
    assert talk.branched(1).word == "ok"
    assert talk.states("b") == "a"


# deleting


def test_deleting_cancels_the_job_that_waits(talk: Talk) -> None:
    talk.say(job="j")
    assert talk.deleted() == ("ok", "j")
    assert talk.state("j") is State.CANCELLED
    assert talk.deleted() == ("unknown", "")
    assert not [key for key in talk.everything() if b":cn" in key]


def test_what_comes_of_a_job_that_runs_is_nobodys_turn(talk: Talk) -> None:
    talk.say(job="j")
    claim = talk.claim()
    assert talk.deleted() == ("ok", "j")
    assert talk.orders() == ["cancel j 1"]
    # Its name is taken anew, and the first turn of the new one waits for another job.
    talk.say("a new beginning", job="k")
    talk.settle(claim)
    assert talk.state("j") is State.SUCCEEDED
    assert talk.stored_states() == "p"
    talk.settle(talk.claim())
    assert b'"k"' in talk.page().rows[0].reply


def test_a_settled_job_of_a_deleted_conversation_leaves_no_key(talk: Talk) -> None:
    talk.say(job="j")
    claim = talk.claim()
    talk.deleted()
    talk.settle_together(claim)
    assert not [key for key in talk.everything() if b":cn" in key]


# retention


def test_a_conversation_goes_when_its_retention_ends_and_one_that_waits_stays(talk: Talk) -> None:
    talk.answered(to="old")
    talk.say(to="waits")
    assert 0 < talk.redis("PTTL", talk.keys.conversation("old")) <= CONVERSATIONS_KEPT_MS
    assert talk.redis("PTTL", talk.keys.turns("waits")) == -1
    for name in ("old", "waits"):
        talk.redis("ZADD", talk.keys.conversations(), 1, name)
    talk.sweep()
    assert [found.id for found in talk.run(conversations(talk.keys))[0]] == ["waits"]
    talk.settle(talk.claim())
    assert talk.states("waits") == "a"


def test_retention_follows_the_settings(talk: Talk) -> None:
    talk.config(**{"keep.conversations": 5000})
    talk.answered()
    assert 0 < talk.redis("PTTL", talk.keys.conversation("c")) <= 5000
    assert 0 < talk.redis("PTTL", talk.keys.turns("c")) <= 5000


def test_an_entry_without_its_conversation_leaves_the_index(talk: Talk) -> None:
    talk.answered()
    talk.redis("DEL", talk.keys.conversation("c"), talk.keys.turns("c"))
    talk.redis("ZADD", talk.keys.conversations(), 1, "c")
    assert talk.run(conversations(talk.keys))[0] == []
    talk.sweep()
    assert talk.redis("ZCARD", talk.keys.conversations()) == 0


# what a release that knows no conversations leaves behind


def forget_turn(talk: Talk, job: str) -> str:
    """The job's end does not close its turn."""
    turn: bytes = talk.redis("HGET", talk.keys.job(job), "cv")
    talk.redis("HDEL", talk.keys.job(job), "cv")
    return turn.decode()


def test_a_turn_that_was_not_closed_is_closed_by_whoever_looks(talk: Talk) -> None:
    talk.say(job="j")
    forget_turn(talk, "j")
    claim = talk.claim()
    talk.settle(claim)
    assert talk.stored_states() == "p"
    page = talk.page()
    assert talk.stored_states() == "a"
    assert orjson.loads(page.rows[0].reply)["body"] == {"said": "j"}


def test_or_by_the_next_turn(talk: Talk) -> None:
    talk.say(job="j")
    forget_turn(talk, "j")
    talk.fail(talk.claim())
    assert talk.say("more", 1).word == "ok"
    assert talk.stored_states() == "fp"


def test_a_turn_whose_job_is_gone_has_failed(talk: Talk) -> None:
    talk.answered()
    talk.redis("HSET", talk.keys.turns("c"), "1", "p gone 1")
    talk.redis("HDEL", talk.keys.turns("c"), "1.a")
    talk.redis("HSET", talk.keys.conversation("c"), "pending", "1", "bytes", len(said("hello")))
    assert talk.states() == "f"
    assert talk.error_of(1)["kind"] == "gone"


@pytest.mark.parametrize("turn", ["nonsense", "c:x", "c:9", "c:s9"])
def test_a_job_whose_turn_is_damaged_ends_all_the_same(talk: Talk, turn: str) -> None:
    talk.say(job="j")
    claim = talk.claim()
    talk.redis("HSET", talk.keys.job("j"), "cv", turn)
    talk.settle(claim)
    assert talk.state("j") is State.SUCCEEDED
    assert talk.states() == "a", "whoever looks closes the turn"


def test_the_books_tell_of_a_turn_without_its_job(talk: Talk) -> None:
    talk.say(job="j")
    turn = forget_turn(talk, "j")
    talk.run(admin.cancel(talk.keys, ["j"]))
    assert [str(found) for found in audit(talk.store)] == [
        "conversation c: turn 1 waits for job j, which does not live"
    ]
    talk.page()
    talk.say("more", 1, job="k")
    talk.redis("HSET", talk.keys.job("k"), "cv", turn)
    assert "conversation c: job k is to answer turn 1, which does not wait for it" in map(str, audit(talk.store))
    talk.cooked = True


@pytest.mark.parametrize("told", ["", "a", "x j 1 2"])
def test_the_books_tell_of_a_damaged_turn_and_of_what_else_is_wrong(talk: Talk, told: str) -> None:
    for i in range(2):
        talk.answered(f"turn {i}", i)
    talk.redis("HSET", talk.keys.turns("c"), "1", told)
    talk.redis("HDEL", talk.keys.turns("c"), "2.a")
    found = list(map(str, audit(talk.store)))
    assert f"conversation c: turn 1 is {told!r}, which is not how a turn stands" in found
    assert "conversation c: turn 2 has ended as 'a', but what it ended with is missing" in found
    talk.cooked = True


# summaries


def summary(talk: Talk, upto: int, job: str, *, turns: int = 0, tenant: str = "") -> str:
    entry = Entry(job, b"{}", key=f"summary:c:{upto} ab")
    return talk.run(begin_summary(talk.keys, "c", upto, turns, Common("p", "default", "p:m", tenant), entry))


def test_a_summary_is_made_once_for_as_many_turns(talk: Talk) -> None:
    for i in range(3):
        talk.answered(f"turn {i}", i)
    assert summary(talk, 2, "s") == "s"
    assert summary(talk, 2, "t") == "s"
    assert talk.state("t") is None
    talk.settle(talk.claim())
    page = talk.page()
    assert (page.facts.summed, orjson.loads(page.summary)["body"]) == (2, {"said": "s"})
    assert talk.states() == "aaa"
    assert summary(talk, 2, "t") == ""
    assert summary(talk, 1, "t") == ""


def test_an_earlier_summary_does_not_replace_a_later_one(talk: Talk) -> None:
    for i in range(3):
        talk.answered(f"turn {i}", i)
    summary(talk, 1, "s1")
    first = talk.claim()
    summary(talk, 2, "s2")
    talk.settle(talk.claim())
    talk.settle(first)
    assert orjson.loads(talk.page().summary)["body"] == {"said": "s2"}


def test_a_summary_that_fails_leaves_the_one_before_and_may_be_retried(talk: Talk) -> None:
    for i in range(2):
        talk.answered(f"turn {i}", i)
    summary(talk, 1, "s")
    talk.fail(talk.claim())
    assert talk.page().facts.summed == 0
    assert talk.retried("s", "again") == "ok"
    talk.settle(talk.claim())
    assert talk.page().facts.summed == 1


def test_a_summary_of_a_conversation_that_was_begun_anew_is_dropped(talk: Talk) -> None:
    for i in range(2):
        talk.answered(f"turn {i}", i)
    summary(talk, 1, "s")
    claim = talk.claim()
    talk.deleted()
    talk.answered()
    talk.settle(claim)
    assert talk.page().facts.summed == 0
    assert summary(talk, 1, "t", turns=2) == "", "it was read of another one"


def test_a_branch_keeps_a_summary_only_of_turns_that_it_has(talk: Talk) -> None:
    for i in range(3):
        talk.answered(f"turn {i}", i)
    summary(talk, 2, "s")
    talk.settle(talk.claim())
    talk.branched(2, new="with")
    talk.branched(1, new="without")
    assert (talk.page("with").facts.summed, talk.page("without").facts.summed) == (2, 0)
    assert talk.page("with").summary
    assert not talk.page("without").summary


# importing


@pytest.mark.parametrize("count", [1, 1000])
def test_an_imported_conversation_goes_on(talk: Talk, count: int) -> None:
    rows = [TurnRow("a - 1 2", said(f"turn {i}"), b'{"answer":[]}') for i in range(count - 1)]
    rows.append(TurnRow("f - 1 2", said("last"), b"", b'{"error":{"kind":"x"}}'))
    facts = {"owner": "ann", "tenant": "acme", "system": "be kind"}
    size = 0
    for first in range(0, count, 100):
        part = rows[first : first + 100]
        size += talk.run(import_turns(talk.keys, "c~i", first + 1, part))
        before = talk.redis("HGETALL", talk.keys.turns("c~i"))
        talk.run(import_turns(talk.keys, "c~i", first + 1, part))
        assert talk.redis("HGETALL", talk.keys.turns("c~i")) == before
    made = import_conversation(talk.keys, "c", "c~i", count, size, facts)
    assert talk.run(made) == "ok"
    before = talk.everything()
    assert talk.run(made) == "ok", "the reply was lost"
    talk.run(import_turns(talk.keys, "c~j", 1, rows[:1]))
    assert talk.run(import_conversation(talk.keys, "c", "c~j", 1, 1, facts)) == "taken"
    talk.redis("DEL", talk.keys.turns("c~j"))
    assert talk.everything() == before
    assert talk.run(import_conversation(talk.keys, "d", "d~i", 1, 1, facts)) == "gone"
    page = talk.page()
    assert (page.facts.turns, page.facts.owner, page.facts.system) == (count, Owner("ann", "acme"), "be kind")
    assert list(page.rows) == rows[-100:]
    more = talk.say("more", count, owner=Owner("ann", "acme"))
    assert more.word == ("full" if count == 1000 else "ok")


def test_an_import_that_lost_its_first_turns_on_the_way_is_gone(talk: Talk) -> None:
    rows = [TurnRow("a - 1 2", said(f"turn {i}"), b'{"answer":[]}') for i in range(3)]
    talk.run(import_turns(talk.keys, "c~i", 1, rows[:2]))
    talk.redis("DEL", talk.keys.turns("c~i"))  # as it goes by itself, where the next part is late
    talk.run(import_turns(talk.keys, "c~i", 3, rows[2:]))
    assert talk.run(import_conversation(talk.keys, "c", "c~i", 3, 1, {})) == "gone"
    assert talk.redis("EXISTS", talk.keys.conversation("c")) == 0
