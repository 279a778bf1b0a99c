"""A turn and its job are accepted in one step, and what ends the job closes the turn in the same step."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from homa_shared.calls.failures import Charge
from homa_shared.model.records import State
from homa_shared.model.tokens import Tokens
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import ReportResult
from homa_shared.store.transitions.conversations import Answer, Owner
from homa_shared.store.transitions.next_target import NextTarget
from tests.conversations.talk import Talk, said
from tests.transitions.cell import BOUND, OTHER


def test_a_turn_waits_for_its_job_and_has_its_reply(talk: Talk) -> None:
    assert talk.say("hello").word == "ok"
    assert talk.stored_states() == "p"
    assert talk.page().facts.pending == 1
    claim = talk.claim()
    talk.settle(claim)
    page = talk.page()
    assert talk.stored_states() == "a"
    assert (page.facts.turns, page.facts.pending) == (1, 0)
    assert page.rows[0].messages == said("hello")
    assert orjson.loads(page.rows[0].reply)["body"] == {"said": claim.id}
    assert talk.redis("PTTL", talk.keys.turns("c")) > 0, "its retention has begun"


def test_the_same_job_again_changes_nothing(talk: Talk) -> None:
    """The reply of the script was lost, and the client sends it again."""
    assert talk.say("hello", job="j").word == "ok"
    before = talk.everything()
    assert talk.say("hello", job="j") == Answer("ok", 0, "j")
    assert talk.everything() == before
    talk.settle(talk.claim())
    assert talk.say("hello", job="j") == Answer("ok", 0, "j"), "also after its answer has come"
    assert talk.states() == "a"


def test_a_key_that_was_used_names_its_first_job_whatever_has_been_said_since(talk: Talk) -> None:
    first = talk.answered("hello", key="k ab")
    talk.answered("more", 1)
    assert talk.say("hello", 0, key="k ab") == Answer("known", 0, first)
    assert talk.say("other", 0, key="k cd") == Answer("conflict", 0, first)
    assert talk.states() == "aa"


def test_of_two_clients_at_once_one_is_told_that_its_view_is_stale(talk: Talk) -> None:
    talk.answered()
    assert talk.say("mine", 1).word == "ok"
    before = talk.everything()
    assert talk.say("yours", 1) == Answer("stale", 2, "")
    assert talk.everything() == before, "nothing of it is stored"


def test_a_turn_that_was_made_of_what_is_no_more_is_made_anew(talk: Talk) -> None:
    """As many turns, but the last one was retried and answered since they were read."""
    assert talk.say(seen="1:0") == Answer("moved", 0, "")
    talk.say(job="j", seen="none")
    talk.fail(talk.claim())
    seen = talk.page().facts.seen
    talk.retried("j", "again")
    talk.settle(talk.claim())
    before = talk.everything()
    assert talk.say("more", 1, seen=seen) == Answer("moved", 1, "")
    assert talk.say("more", 1, seen="none") == Answer("moved", 1, "")
    assert talk.everything() == before
    assert talk.say("more", 1, seen=talk.page().facts.seen).word == "ok"


def test_no_turn_is_begun_while_another_waits(talk: Talk) -> None:
    job = talk.say().detail
    before = talk.everything()
    assert talk.say("impatient", 1) == Answer("pending", 1, job)
    assert talk.everything() == before


@pytest.mark.parametrize("owner", [Owner("bob", "acme"), Owner("ann", "other"), Owner("", "acme"), Owner()])
def test_anothers_conversation_is_refused_and_nothing_stored(talk: Talk, owner: Owner) -> None:
    mine = Owner("ann", "acme")
    talk.answered(owner=mine)
    before = talk.everything()
    assert talk.say("let me in", 1, owner=owner) == Answer("forbidden", 0, "")
    assert talk.branched(owner=owner) == Answer("forbidden", 0, "")
    assert talk.deleted(owner=owner) == ("forbidden", "")
    assert talk.everything() == before
    assert talk.say("it is me", 1, owner=mine).word == "ok"


def test_turns_and_bytes_are_bounded(talk: Talk) -> None:
    talk.answered(facts={"most": "2"})
    talk.answered("more", 1)
    assert talk.say("too many", 2) == Answer("full", 2, "turns")
    assert talk.say("room is made", 2, facts={"most": "3"}).word == "ok"
    assert talk.say("x" * 5_000_000, to="d") == Answer("full", 4 * 1024 * 1024, "bytes")


def _fail(talk: Talk) -> str:
    talk.fail(talk.claim())
    return "invalid_request"


def _cancel_waiting(talk: Talk) -> str:
    talk.run(admin.cancel(talk.keys, ["j"]))
    return "cancelled"


def _cancel_running(talk: Talk) -> str:
    claim = talk.claim()
    talk.run(admin.cancel(talk.keys, ["j"]))
    talk.fail(claim, "cancelled", "cancelled")
    return "cancelled"


def _lose(talk: Talk) -> str:
    for _ in range(3):
        talk.lose(talk.claim())
    return "poisoned"


@pytest.mark.parametrize("end", [_fail, _cancel_waiting, _cancel_running, _lose])
def test_whatever_ends_the_job_without_a_reply_marks_the_turn_failed(talk: Talk, end: Any) -> None:
    talk.say(job="j")
    kind = end(talk)
    assert talk.stored_states() == "f"
    assert talk.error_of(1)["kind"] == kind
    assert talk.say("again", 1).word == "ok", "the conversation goes on behind it"


def test_a_deadline_marks_the_turn_failed(talk: Talk) -> None:
    talk.say(job="j", deadline_ms=1)
    talk.redis("ZADD", talk.keys.deadlines(), 1, "j")
    talk.sweep()
    assert talk.stored_states() == "f"
    assert talk.error_of(1)["kind"] == "expired"


def test_a_budget_without_room_marks_the_turn_failed(talk: Talk) -> None:
    talk.budget(50)
    talk.say(job="j")
    assert talk.taken() == []
    assert talk.stored_states() == "f"
    assert talk.error_of(1)["kind"] == "budget"


def test_a_worker_killed_between_call_and_settle_leaves_the_turn_waiting_for_the_next_attempt(talk: Talk) -> None:
    talk.say()
    talk.lose(talk.claim())
    assert talk.stored_states() == "p"
    talk.settle(talk.claim(worker="w2"))
    assert talk.stored_states() == "a"


def test_a_repeated_settle_appends_one_answer(talk: Talk) -> None:
    talk.say()
    claim = talk.claim()
    talk.settle(claim)
    before = talk.page()
    assert talk.settle(claim) is ReportResult.OK
    assert talk.page() == before


def test_a_late_reply_of_a_lost_attempt_answers_the_turn_once(talk: Talk) -> None:
    talk.say()
    first = talk.claim()
    talk.lose(first)
    second = talk.claim(worker="w2")
    assert talk.settle(first, {"body": {"said": "late"}, "cost_nano": 1}) is ReportResult.LATE
    assert talk.states() == "a"
    assert b"late" in talk.page().rows[0].reply
    talk.fail(second, "cancelled", "cancelled")
    assert talk.states() == "a"


def test_a_reply_after_the_cancel_leaves_the_turn_failed(talk: Talk) -> None:
    talk.say(job="j")
    claim = talk.claim()
    talk.fail(claim, "cancelled", "cancelled", charge=Charge.UNRESOLVED)
    talk.settle(claim)
    assert talk.stored_states() == "f"


def test_a_fallback_answers_the_turn(talk: Talk) -> None:
    talk.say(job="j", fallbacks_left=1)
    talk.requeue(talk.claim(), "job.rerouted", to=NextTarget(OTHER, "p", BOUND, Tokens(9, 5, 4), 0))
    assert talk.stored_states() == "p"
    talk.settle(talk.claim())
    assert talk.stored_states() == "a"


def test_answers_told_together_close_their_turns_among_plain_jobs(talk: Talk) -> None:
    talk.submit("plain1", "plain2")
    for name in ("c", "d", "e"):
        talk.say(name, to=name)
    claims = talk.take(10).claims
    assert talk.settle_together(*claims) == [ReportResult.OK] * 5
    assert [talk.stored_states(name) for name in ("c", "d", "e")] == ["a", "a", "a"]
    assert [talk.state(job) for job in ("plain1", "plain2")] == [State.SUCCEEDED, State.SUCCEEDED]


def test_a_cached_reply_closes_the_turn_at_take(talk: Talk) -> None:
    talk.submit("plain", cache_key="ff")
    talk.settle(talk.claim())
    talk.say(cache_key="ff")
    assert talk.taken() == []
    row = talk.page().rows[0]
    assert (talk.stored_states(), orjson.loads(row.reply)["body"]) == ("a", {"said": "plain"})


def test_a_follower_of_an_equal_job_has_the_reply_itself(talk: Talk) -> None:
    talk.submit("leader", cache_key="ff")
    claim = talk.claim()
    talk.say(cache_key="ff")
    assert talk.taken() == []
    talk.settle(claim)
    assert orjson.loads(talk.page().rows[0].reply)["body"] == {"said": "leader"}


def test_two_conversations_keep_apart(talk: Talk) -> None:
    talk.say("to c", to="c")
    talk.say("to d", to="d")
    first, second = talk.take(2).claims
    talk.settle(second)
    assert (talk.stored_states("c"), talk.stored_states("d")) == ("p", "a")
    talk.settle(first)
    assert b"to c" in talk.page("c").rows[0].messages


def test_a_delayed_turn_waits(talk: Talk) -> None:
    talk.say(job="j", due_ms=60_000)
    assert talk.state("j") is State.DUE
    assert talk.stored_states() == "p"
