"""Turns through the client: what is sent with each, who may, what is refused before anything is stored."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from homa import (
    BudgetExceeded,
    ConversationForbidden,
    ConversationFull,
    ConversationNotFound,
    InvalidRequest,
    JobFailed,
    UnknownModel,
    Window,
)
from homa.testing import Answer, FakeCall, FakeHoma, Refused, Unauthorized, fake
from tests.conversations.books import books_of

LUNA, HAIKU = "openai:gpt-6-luna", "anthropic:claude-haiku-5-5"


def sent(homa: FakeHoma, place: int = -1) -> list[tuple[str, Any]]:
    """Roles and texts of a call's messages."""
    return [(message["role"], message["content"]) for message in homa.calls[place].messages]


def test_a_turn_is_asked_with_those_before_it(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c_9", system="Be kind.", model=LUNA)
    assert talk.ask("Hello").text == "re: Hello"
    assert homa_echo.conversation("c_9").ask("And you?").text == "re: And you?"
    assert sent(homa_echo) == [
        ("system", "Be kind."),
        ("user", "Hello"),
        ("assistant", "re: Hello"),
        ("user", "And you?"),
    ]
    assert [(turn.number, turn.state, turn.prompt, turn.text) for turn in talk.turns()] == [
        (1, "answered", "Hello", "re: Hello"),
        (2, "answered", "And you?", "re: And you?"),
    ]


def test_any_model_may_answer_a_turn_and_is_the_next_ones_unless_said(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation(model=LUNA)
    talk.ask("one")
    talk.ask("two", model=HAIKU)
    assert homa_echo.conversation(talk.id).ask("three").provider == "anthropic"
    assert talk.ask("four").provider == "openai", "this handle says which"
    assert [turn.target for turn in talk.turns()] == [LUNA, HAIKU, HAIKU, LUNA]


def test_the_system_prompt_may_change_between_turns(homa_echo: FakeHoma) -> None:
    homa_echo.conversation("c", system="Be kind.", model=LUNA).ask("one")
    homa_echo.conversation("c", system="Be brief.").ask("two")
    assert sent(homa_echo)[0] == ("system", "Be brief.")
    assert homa_echo.conversation("c").info().system == "Be brief."


def test_a_failed_turn_is_told_and_not_sent_on(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation(model=LUNA)
    with pytest.raises(JobFailed):
        talk.ask("fail, please")
    assert [(turn.state, turn.error.partition(":")[0], turn.text) for turn in talk.turns()] == [
        ("failed", "invalid_request", "")
    ]
    talk.ask("better")
    assert sent(homa_echo) == [("user", "better")]


def test_the_last_turn_is_retried_when_it_failed() -> None:
    with fake({"*": [Refused("no"), "yes"]}) as homa:
        talk = homa.conversation(model=LUNA)
        with pytest.raises(JobFailed):
            talk.ask("one")
        assert talk.retry().result().text == "yes"
        assert [turn.text for turn in talk.turns()] == ["yes"]
        with pytest.raises(InvalidRequest, match=r"turn 1 of conversation .* was answered: expected a failed one"):
            talk.retry()


def test_a_fallback_answers_a_turn() -> None:
    def first_is_out(call: FakeCall) -> Any:
        return Unauthorized() if call.target == LUNA else "from the other"

    with fake(first_is_out) as homa:
        talk = homa.conversation(model=LUNA)
        assert talk.ask("Hello", fallbacks=[HAIKU]).text == "from the other"
        assert talk.turns()[0].target == HAIKU
        assert books_of(homa) == []


@pytest.mark.parametrize("asks", [{"owner": "bob"}, {}, {"owner": "ann", "tenant": "acme"}])
def test_anothers_conversation_is_named_and_nothing_stored(homa_echo: FakeHoma, asks: dict[str, str]) -> None:
    mine = homa_echo.conversation("c", owner="ann", model=LUNA)
    mine.ask("a secret")
    other = homa_echo.conversation("c", model=LUNA, **asks)  # type: ignore[arg-type]
    uses: list[Callable[[], object]] = [
        lambda: other.ask("tell me"),
        lambda: other.stream("tell me"),
        other.turns,
        other.info,
        other.retry,
        other.export,
        other.delete,
        lambda: other.branch(1),
    ]
    for use in uses:
        with pytest.raises(ConversationForbidden, match="conversation c belongs to somebody else than"):
            use()
    assert len(mine.turns()) == 1


def test_a_tenants_conversation_is_charged_to_it(homa_echo: FakeHoma) -> None:
    job = homa_echo.conversation("c", tenant="acme", model=LUNA).submit("one")
    assert job.view().job.tenant == "acme"
    with pytest.raises(
        InvalidRequest, match=r"tenant is the conversation's own: expected it as conversation\(…, tenant"
    ):
        homa_echo.conversation("d").ask("one", model=LUNA, tenant="acme")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"system": "Be kind."}, "system is the conversation's own"),
        ({"messages": [{"role": "system", "content": "x"}], "prompt": None}, "a turn has a system message"),
        ({"expect_turn": -1}, "expect_turn is -1: expected a whole number"),
        ({"budget_usd": "0.0000001"}, "budget_usd is"),
        ({"model": "nobody:knows"}, "nobody"),
        ({"prompt": ""}, "prompt is empty"),
        ({"max_token": 5}, "did you mean 'max_tokens'"),
    ],
)
def test_what_cannot_be_asked_begins_no_conversation(homa_echo: FakeHoma, said: dict[str, Any], why: str) -> None:
    talk = homa_echo.conversation("c")
    with pytest.raises((InvalidRequest, BudgetExceeded, UnknownModel), match=why):
        talk.ask(**{"prompt": "Hello", "model": LUNA, **said})
    assert talk.turns() == []
    assert homa_echo.conversations() == []


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"id": "a b"}, "id is 'a b': expected 1 to 128 letters"),
        ({"id": ""}, "id is ''"),
        ({"owner": "a\nb"}, "owner is"),
        ({"tenant": "a|b"}, "tenant is"),
        ({"system": 5}, "system is 5: expected text"),
        ({"model": ""}, "model is ''"),
        ({"window": 20}, r"window is 20: expected a homa.Window, such as Window\(turns=20\)"),
        ({"max_turns": 0}, "max_turns is 0"),
        ({"max_turns": 1001}, "max_turns is 1001: expected at most 1,000"),
    ],
)
def test_what_cannot_be_a_conversation_is_named(homa_echo: FakeHoma, made: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        homa_echo.conversation(**made)


def test_a_conversation_has_so_many_turns(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", model=LUNA, max_turns=2)
    talk.ask("one")
    talk.ask("two")
    with pytest.raises(ConversationFull, match="conversation c has no room for this turn among 2 turns"):
        talk.ask("three")
    assert len(talk.turns()) == 2
    assert homa_echo.conversation("c", max_turns=3).ask("three").text == "re: three"


def test_a_turn_is_streamed(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation(model=LUNA)
    assert "".join(talk.stream("one")) == "re: one"
    assert [turn.text for turn in talk.turns()] == ["re: one"]


def test_an_answer_may_have_a_schema() -> None:
    class City(BaseModel):
        name: str

    with fake({"*": City(name="Berlin")}) as homa:
        talk = homa.conversation(model=LUNA)
        assert talk.ask("Which?", schema=City).parsed == City(name="Berlin")
        assert talk.submit("Again?", schema=City).result().parsed.name == "Berlin"


def test_the_applications_tools_are_answered_in_the_next_turn() -> None:
    def look_first(call: FakeCall) -> Any:
        return "sunny" if call.messages[-1]["role"] == "tool" else Answer(tool_calls={"look": {}})

    with fake({"weather*": look_first, "*": "you are welcome"}) as homa:
        talk = homa.conversation("c", model=LUNA)
        reply = talk.ask("weather?")
        assert reply.tool_calls
        name = reply.tool_calls[0]["id"]
        with pytest.raises(InvalidRequest, match=f"turn 1 asks for the tool call '{name}': expected its result first"):
            talk.ask("well?")
        result = {"role": "tool", "tool_call_id": name, "content": "22 degrees"}
        assert talk.ask(messages=[result]).text == "sunny"
        roles = [message["role"] for message in homa.calls[-1].messages]
        assert roles == ["user", "assistant", "tool"]
        # A window never parts a result from its call.
        talk = homa.conversation("c", window=Window(turns=1))
        talk.ask("thanks")
        assert [message["role"] for message in homa.calls[-1].messages] == [*roles, "assistant", "user"]


def test_nobody_knows_a_conversation_that_was_not_begun(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c")
    assert talk.turns() == []
    for use in (talk.info, talk.export, talk.retry, talk.branch):
        with pytest.raises(ConversationNotFound, match="conversation c is not in the store"):
            use()
    assert talk.delete() is False


def test_a_deleted_conversation_begins_anew(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", model=LUNA)
    talk.ask("one")
    waiting = talk.submit("two", delay_s=60)
    assert talk.delete() is True
    assert waiting.state() == "cancelled"
    assert homa_echo.conversations() == []
    talk.ask("another one")
    assert sent(homa_echo) == [("user", "another one")]


def test_branches_never_mix(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", owner="ann", system="Be kind.", model=LUNA)
    talk.ask("one")
    talk.ask("two")
    branch = talk.branch(at=1, id="c2")
    branch.ask("two, otherwise")
    talk.ask("three")
    assert sent(homa_echo, -2) == [
        ("system", "Be kind."),
        ("user", "one"),
        ("assistant", "re: one"),
        ("user", "two, otherwise"),
    ]
    assert [turn.prompt for turn in talk.turns()] == ["one", "two", "three"]
    assert [turn.prompt for turn in branch.turns()] == ["one", "two, otherwise"]
    info = branch.info()
    assert (info.branch_of, info.branched_at, info.owner) == ("c", 1, "ann")
    assert str(info) == "c2 2 turns, owner ann, branch of c at 1"
    with pytest.raises(InvalidRequest, match="conversation c has 3 turns: expected at among them"):
        talk.branch(at=4)
    with pytest.raises(InvalidRequest, match="id is 'c2', which another conversation has"):
        talk.branch(at=2, id="c2")


def test_conversations_are_listed_by_their_last_use(homa_echo: FakeHoma) -> None:
    for name, owner, tenant in (("a", "ann", None), ("b", "bob", "acme"), ("c", None, "acme")):
        homa_echo.conversation(name, owner=owner, tenant=tenant, model=LUNA).ask("hi")
        homa_echo.advance(1)
    homa_echo.conversation("a", owner="ann").ask("again")
    assert [info.id for info in homa_echo.conversations()] == ["a", "c", "b"]
    assert [info.id for info in homa_echo.conversations(tenant="acme")] == ["c", "b"]
    assert [info.id for info in homa_echo.conversations(owner="ann")] == ["a"]
    assert [(info.id, info.turns, info.pending) for info in homa_echo.conversations(limit=1)] == [("a", 2, False)]


def test_a_cached_answer_is_a_turns_own(homa_echo: FakeHoma) -> None:
    for name in ("a", "b"):
        homa_echo.conversation(name, model=LUNA).ask("same", cache=True)
    assert len(homa_echo.calls) == 1
    talk = homa_echo.conversation("b")
    assert talk.turns()[0].text == "re: same"
    talk.ask("more")
    assert sent(homa_echo) == [("user", "same"), ("assistant", "re: same"), ("user", "more")]


def test_a_job_names_its_turn(homa_echo: FakeHoma) -> None:
    job = homa_echo.conversation("c", model=LUNA).submit("one", delay_s=60)
    assert [(info.id, info.turn) for info in homa_echo.jobs()] == [(job.id, "c:1")]


def test_a_handle_can_be_pickled(homa_echo: FakeHoma) -> None:
    talk = homa_echo.conversation("c", owner="ann", system="Be kind.", model=LUNA, window=Window(turns=3))
    talk.ask("one")
    again = pickle.loads(pickle.dumps(talk))
    assert [turn.text for turn in again.turns()] == ["re: one"]
    assert (again.info().owner, again.id) == ("ann", "c")
