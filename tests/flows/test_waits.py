"""Steps that wait for a person or a webhook: asked, answered once by a token, checked, expired, cancelled."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from homa import AnswerRefused, Flow, FlowRun, InvalidRequest, JobExpired, JobNotFound, Question
from homa.events import JobAnswered, JobAsked
from homa.flows.compiling import definition_of
from homa.flows.drawing import as_svg, as_text
from homa.flows.toml import read_flow
from homa.testing import FakeHoma, fake
from homa_shared.store import reads
from tests.conversations.books import store_of
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"
VERDICT = {"type": "object", "properties": {"good": {"type": "boolean"}}, "required": ["good"]}


def approved(**options: Any) -> Flow:
    """A draft, somebody's verdict on it, and what is made of both."""
    flow = Flow("approved")
    draft = flow.map(prompt="{{text}}", model=MODEL, name="draft")
    options = {"schema": VERDICT, **options}
    verdict = flow.wait(draft, prompt="Is this good?\n{{answer}}", name="verdict", **options)
    flow.map([verdict, draft], prompt="{{draft}}: {{verdict}}", model=MODEL, name="said")
    return flow


def asked(run: FlowRun, n: int = 1) -> list[Question]:
    eventually(lambda: len(list(run.questions())) == n)
    return list(run.questions())


def test_somebody_answers_and_the_item_goes_on(homa_echo: FakeHoma) -> None:
    run = homa_echo.run(approved(), [{"text": "a"}, {"text": "b"}], budget_usd=1)
    first, second = sorted(asked(run, 2), key=lambda question: question.item)
    assert (first.text, first.step, first.item, first.schema) == ("Is this good?\n(a)", "verdict", "0", VERDICT)
    assert first.token.startswith(f"{first.job_id}.")
    assert len({first.token, second.token}) == 2
    homa_echo.flow_answer(second.token, {"good": True})
    homa_echo.flow_answer(first.token, {"good": False})
    results = list(run.results(timeout=PATIENCE_S))
    assert [result.reply.text for result in results] == ['((a): {"good":false})', '((b): {"good":true})']
    progress = run.wait(PATIENCE_S)
    assert (progress.steps["verdict"].made, progress.steps["verdict"].succeeded) == (2, 2)
    assert homa_echo.job(first.job_id).result().cost_nano_usd == 0
    assert list(run.questions()) == []


def test_the_same_answer_again_is_fine_and_another_one_is_refused(homa_echo: FakeHoma) -> None:
    run = homa_echo.run(approved(), [{"text": "a"}])
    (question,) = asked(run)
    homa_echo.flow_answer(question.token, {"good": True})
    homa_echo.flow_answer(question.token, {"good": True})
    run.wait(PATIENCE_S)
    homa_echo.flow_answer(question.token, {"good": True})
    with pytest.raises(AnswerRefused, match=r"verdict 0 of run \w+ was answered otherwise before") as told:
        homa_echo.flow_answer(question.token, {"good": False})
    assert (told.value.why, told.value.job_id) == ("answered", question.job_id)
    assert run.progress().steps["verdict"].made == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"good": "yes"}, r"the answer does not fit the schema of its step: \$.good: 'yes' is not of type 'boolean'"),
        ("yes", "the answer does not fit the schema of its step"),
        (None, "the answer is nothing"),
        ({"good": object()}, "the answer is no JSON"),
        ({"good": True, "sure": float("nan")}, "the answer.sure is nan"),
        ({"good": True, "why": "x" * 1_000_000}, "the answer has 1,000,0.. bytes: expected at most"),
    ],
)
def test_a_wrong_answer_is_refused_and_the_step_waits_on(homa_echo: FakeHoma, answer: Any, message: str) -> None:
    run = homa_echo.run(approved(), [{"text": "a"}])
    (question,) = asked(run)
    with pytest.raises(InvalidRequest, match=message):
        homa_echo.flow_answer(question.token, answer)
    assert asked(run) == [question]
    homa_echo.flow_answer(question.token, {"good": True})
    assert all(result.ok for result in run.results(timeout=PATIENCE_S))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"), JobNotFound),
        (lambda token: token.rpartition(".")[0] + ".", JobNotFound),
        (lambda token: "x" + token, JobNotFound),
        (lambda token: token.partition("-")[0] + "-0." + token.rpartition(".")[2], JobNotFound),
        (lambda token: token.rpartition(".")[2], InvalidRequest),
        (lambda _: "", InvalidRequest),
        (lambda _: 3, InvalidRequest),
        (lambda _: "x." + "y" * 1000, InvalidRequest),
    ],
)
def test_a_token_that_is_none_opens_nothing(
    homa_echo: FakeHoma, change: Callable[[str], Any], error: type[Exception]
) -> None:
    run = homa_echo.run(approved(), [{"text": "a"}])
    (question,) = asked(run)
    with pytest.raises(error, match="token"):
        homa_echo.flow_answer(change(question.token), {"good": True})
    assert asked(run) == [question]
    run.cancel()


def test_what_nobody_answers_fails_its_item_alone(homa_echo: FakeHoma) -> None:
    run = homa_echo.run(approved(expires_s=3600), [{"text": "a"}, {"text": "b"}])
    questions = asked(run, 2)
    (late,) = [question for question in questions if question.item == "1"]
    homa_echo.flow_answer(next(each.token for each in questions if each.item == "0"), {"good": True})
    homa_echo.advance(3601)
    with pytest.raises(AnswerRefused, match="was not answered in time"):
        homa_echo.flow_answer(late.token, {"good": True})
    first, second = run.results(timeout=PATIENCE_S)
    assert first.ok
    (failure,) = second.failures
    assert (failure.kind, failure.custom_id) == ("unanswered", "said 1")
    assert "verdict 1 has no answer: nobody has answered it within 3600 s" in failure.message
    with pytest.raises(JobExpired):
        _ = second.reply
    with pytest.raises(AnswerRefused, match="was not answered in time"):
        homa_echo.flow_answer(late.token, {"good": True})


def test_what_nobody_answers_may_have_a_default_which_is_kept_for_nobody_else(homa_echo: FakeHoma) -> None:
    flow = approved(expires_s=60, default={"good": False})
    run = homa_echo.run(flow, [{"text": "a"}])
    (question,) = asked(run)
    homa_echo.advance(61)
    (result,) = run.results(timeout=PATIENCE_S)
    assert result.reply.text == '((a): {"good":false})'
    with pytest.raises(AnswerRefused, match="was not answered in time"):
        homa_echo.flow_answer(question.token, {"good": False})
    again = homa_echo.run(flow, [{"text": "a"}])
    assert asked(again)[0].token != question.token, "it is asked anew"
    again.cancel()


def test_an_answer_is_taken_again_for_an_equal_question(homa_echo: FakeHoma) -> None:
    run = homa_echo.run(approved(), [{"text": "a"}])
    homa_echo.flow_answer(asked(run)[0].token, {"good": True})
    (result,) = run.results(timeout=PATIENCE_S)
    (again,) = homa_echo.run(approved(), [{"text": "a"}]).results(timeout=PATIENCE_S)
    assert again.reply.text == result.reply.text
    anew = homa_echo.run(approved(), [{"text": "a"}], reuse=False)
    assert len(asked(anew)) == 1
    anew.cancel()


def test_a_cancelled_run_takes_no_answer(homa_echo: FakeHoma) -> None:
    run = homa_echo.run(approved(), [{"text": "a"}])
    (question,) = asked(run)
    run.cancel()
    with pytest.raises(AnswerRefused, match="was cancelled") as told:
        homa_echo.flow_answer(question.token, {"good": True})
    assert told.value.why == "cancelled"
    assert run.wait(PATIENCE_S).cancelled
    with pytest.raises(AnswerRefused, match="was cancelled"):
        homa_echo.flow_answer(question.token, {"good": True})
    assert list(run.questions()) == []


def test_a_paused_run_takes_the_answer_and_goes_on_later(homa_echo: FakeHoma) -> None:
    run = homa_echo.run(approved(), [{"text": "a"}])
    (question,) = asked(run)
    run.pause("lunch")
    homa_echo.flow_answer(question.token, {"good": True})
    run.resume()
    (result,) = run.results(timeout=PATIENCE_S)
    assert result.ok


def test_events_say_who_is_asked_and_what_holds_a_job(homa_echo: FakeHoma) -> None:
    run = homa_echo.run(approved(), [{"text": "a"}], tags={"team": "law"})
    (question,) = asked(run)
    (told,) = homa_echo.events(after="-", kinds=[JobAsked], follow=False)
    assert (told.token, told.batch, told.job, told.tags) == (question.token, run.id, question.job_id, {"team": "law"})
    (hold,) = homa_echo.why(question.job_id).holds
    assert (hold.kind, hold.name) == ("answer", run.id)
    assert f"homa flow show {run.id}" in hold.detail
    homa_echo.flow_answer(question.token, {"good": True})
    run.wait(PATIENCE_S)
    (answered,) = homa_echo.events(after="-", kinds=[JobAnswered], follow=False)
    assert answered.job == question.job_id


def test_a_filter_stands_behind_what_somebody_says() -> None:
    flow = Flow("gate")
    verdict = flow.wait(prompt="Publish {{text}}?", name="verdict", on=MODEL)
    yes = flow.filter(verdict, {"const": "yes"}, name="yes")
    flow.map([yes, flow.inputs], prompt="Publish {{text}}", model=MODEL, name="published")
    with fake({"*": lambda call: call.prompt}) as homa:
        run = homa.run(flow, [{"text": "a"}, {"text": "b"}])
        for question in asked(run, 2):
            homa.flow_answer(question.token, "yes" if "a?" in question.text else "no")
        first, second = run.results(timeout=PATIENCE_S)
        assert first.reply.text == "Publish a"
        assert [answer.kind for answer in second.answers.values()] == ["dropped"]  # type: ignore[union-attr]


@dataclass
class Verdict:
    good: bool
    why: str = ""


def test_answers_have_the_types_of_the_step(homa_echo: FakeHoma) -> None:
    flow = Flow("typed")
    flow.wait(prompt="Is {{text}} good?", schema=Verdict, on=MODEL)
    run = homa_echo.run(flow, [{"text": "a"}])
    (question,) = asked(run)
    homa_echo.flow_answer(question.token, {"good": True, "why": "it is"})
    (result,) = run.results(timeout=PATIENCE_S)
    assert result.reply.parsed == Verdict(good=True, why="it is")


def test_an_answer_for_all_inputs_together(homa_echo: FakeHoma) -> None:
    flow = Flow("digest")
    digest = flow.reduce(flow.map(prompt="{{text}}", model=MODEL), prompt="All: {{items}}", model=MODEL, name="digest")
    flow.wait(digest, prompt="Send this?\n{{digest}}", name="sent")
    run = homa_echo.run(flow, [{"text": "a"}, {"text": "b"}])
    (question,) = asked(run)
    assert (question.item, question.text) == ("", "Send this?\n(All: (a)\n\n(b))")
    homa_echo.flow_answer(question.token, "yes")
    assert run.answer("sent", timeout=PATIENCE_S).text == "yes"


def test_a_question_that_nobody_can_read_fails_its_item(homa_echo: FakeHoma) -> None:
    flow = Flow("long")
    flow.wait(prompt="{{text}}", on=MODEL)
    (result,) = homa_echo.run(flow, [{"text": "x" * 1_000_001}]).results(timeout=PATIENCE_S)
    assert "its question has 1,000," in result.failures[0].message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expires_s": 0}, "expires_s is 0: expected seconds, from 1 to 2,592,000"),
        ({"expires_s": True}, "expires_s is True"),
        ({"expires_s": float("inf")}, "expires_s is inf"),
        ({"expires_s": 31 * 86_400}, "expires_s is 2678400"),
        ({"default": {"good": 3}}, "default does not fit the schema of its step"),
        ({"schema": {"type": "nothing"}}, "schema"),
        ({"schema": {"type": "string", "pattern": r"(a+)\1"}}, "schema has a pattern that takes too long to check"),
        ({"prompt": "{{totals}}"}, "its prompt names {{totals}}, which draft does not have"),
        ({"on": ""}, "model is"),
    ],
)
def test_what_is_wrong_is_refused_where_it_is_declared(options: dict[str, Any], message: str) -> None:
    flow = Flow("one")
    draft = flow.map(prompt="{{text}}", model=MODEL, name="draft")
    with pytest.raises(InvalidRequest, match=message):
        flow.wait(draft, **{"prompt": "Good?", "schema": VERDICT, **options})


def test_a_file_says_what_python_says_and_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_bytes(orjson.dumps(VERDICT))
    (tmp_path / "flow.toml").write_text(
        f'name = "approved"\n[steps.draft]\nmap = "inputs"\nprompt = "{{{{text}}}}"\nmodel = "{MODEL}"\n'
        '[steps.verdict]\nwait = "draft"\nprompt = "Is this good?\\n{{answer}}"\nschema = "verdict.json"\n'
        "expires_s = 3600\ndefault = { good = false }\n"
        f'[steps.said]\nmap = ["verdict", "draft"]\nprompt = "{{{{draft}}}}: {{{{verdict}}}}"\nmodel = "{MODEL}"\n'
    )
    found = read_flow(tmp_path / "flow.toml")
    assert definition_of(found) == definition_of(approved(expires_s=3600, default={"good": False}))
    steps = {step["name"]: step for step in orjson.loads(definition_of(found))["steps"]}
    assert "   ├─ verdict  wait, an answer from outside" in as_text(steps, {})
    assert "wait, an answer from outside" in as_svg(steps, {})


def test_many_wait_and_all_are_listed_in_the_order_in_which_they_expire(homa_echo: FakeHoma) -> None:
    flow = Flow("many")
    flow.wait(flow.split(), prompt="{{text}}", on=MODEL)
    run = homa_echo.run(flow, [{"parts": [str(n) for n in range(230)]}])
    questions = asked(run, 230)
    assert sorted(int(question.text) for question in questions) == list(range(230))
    assert all(one.expires_at <= other.expires_at for one, other in itertools.pairwise(questions))
    with closing(store_of(homa_echo)) as store:
        view = store.run(reads.batch(store.keys, run.id))
        assert view is not None
        assert view.state == "sealed"
    run.cancel()
    assert run.wait(PATIENCE_S).cancelled
