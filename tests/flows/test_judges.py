"""Answers that a model grades: verdicts, repair by what is wrong, escalation, on a fake fleet and on real workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from homa import AsyncHoma, Flow, InvalidRequest, UnknownModel
from homa.flows.compiling import definition_of
from homa.flows.drawing import as_text
from homa.flows.toml import read_flow
from homa.testing import FakeCall, RateLimited, Refused, fake
from homa_shared.calls import request
from homa_shared.calls.request import JobRequest
from tests.conversations.killable import crew
from tests.patience import PATIENCE_S
from tests.worker.cell import HAIKU, MINI, Cell, until

MODEL, JUDGE, STRONGER = "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", "openai:gpt-6-sol"
RUBRIC = "The answer is a sum."


def graded(judge: str = JUDGE, **options: Any) -> Flow:
    flow = Flow("sums")
    total = flow.map(prompt="Sum of {{text}}", model=MODEL, judge=judge, rubric=RUBRIC, name="sum", **options)
    flow.map(total, prompt="Said: {{answer}}", model=MODEL, name="said")
    return flow


class Models:
    """Answers and verdicts, as a test says them: answers that pass begin with `good`."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)

    def __call__(self, call: FakeCall) -> Any:
        if "# Rubric" in call.prompt:
            answer = call.prompt.partition("# Answer\n\n")[2]
            return {"pass": answer.startswith("good"), "why": f"it begins with {answer.split()[0]}"}
        if call.prompt.startswith("Said"):
            return call.prompt
        return self._answers.pop(0)


def test_an_answer_that_passes_is_the_answer() -> None:
    with fake({"*": Models("good one")}) as homa:
        run = homa.run(graded(), [{"text": "1 and 2"}], budget_usd=1)
        (result,) = run.results(timeout=PATIENCE_S)
        assert result.reply.text == "Said: good one"
        answered, verdict, _ = homa.calls
        assert (answered.target, verdict.target) == (MODEL, JUDGE)
        assert "Sum of 1 and 2" in verdict.prompt
        assert verdict.prompt.endswith(f"# Rubric\n\n{RUBRIC}")
        reply = homa.job(f"{run.id}-0").result()
        assert (reply.text, f"{reply.provider}:{reply.model}") == ("good one", MODEL)
        assert len(homa.costs(by="model").rows) == 2


@pytest.mark.parametrize("judge", [JUDGE, MODEL])
def test_what_is_rejected_is_asked_for_again_with_what_is_wrong(judge: str) -> None:
    with fake({"*": Models("bad one", "good two")}) as homa:
        run = homa.run(graded(judge, repair=1), [{"text": "1"}])
        (result,) = run.results(timeout=PATIENCE_S)
        assert result.reply.text == "Said: good two"
        assert [call.target for call in homa.calls] == [MODEL, judge, MODEL, judge, MODEL]
        again = homa.calls[2].messages
        assert [message["role"] for message in again] == ["user", "assistant", "user"]
        assert "Your answer was not accepted: it begins with bad" in again[-1]["content"]
        usage = homa.job(f"{run.id}-0").result().usage
        assert usage.output_tokens > 0
        assert run.wait(PATIENCE_S).steps["sum"].made == 1


def test_what_no_repair_helps_goes_to_a_stronger_model() -> None:
    with fake({"*": Models("bad one", "bad two", "good three")}) as homa:
        run = homa.run(graded(repair=1, escalate=STRONGER), [{"text": "1"}])
        (result,) = run.results(timeout=PATIENCE_S)
        assert result.reply.text == "Said: good three"
        assert [call.target for call in homa.calls if "# Rubric" not in call.prompt][:-1] == [MODEL, MODEL, STRONGER]
        outcomes = [attempt.outcome for attempt in homa.job(f"{run.id}-0").view().attempts]
        assert outcomes.count("to_judge") == 3
        assert (outcomes.count("rejected"), outcomes.count("escalated")) == (1, 1)
        reply = homa.job(f"{run.id}-0").result()
        assert f"{reply.provider}:{reply.model}" == STRONGER


def test_an_item_without_an_answer_that_passes_fails_alone_and_keeps_the_last() -> None:
    with fake({"*": Models("bad one", "good two")}) as homa:
        run = homa.run(graded(repair=0), [{"text": "1"}, {"text": "2"}], lane="default")
        bad, good = run.results(timeout=PATIENCE_S)
        assert good.ok
        (failure,) = bad.failures
        assert failure.kind == "rejected"
        assert f"the judge {JUDGE} lets none of 1 answers pass: it begins with bad" in failure.message
        view = homa.job(f"{run.id}-0").view()
        assert view.reply is not None
        kept = orjson.loads(view.reply)
        assert kept["body"]["choices"][0]["message"]["content"] == "bad one"


def test_a_rule_comes_before_the_judge_and_a_judge_that_says_nothing_is_asked_again() -> None:
    answers = iter([{"total": 0}, {"total": 2}])
    verdicts = iter(["never mind", {"pass": True, "why": ""}])

    def answer(call: FakeCall) -> Any:
        return next(verdicts) if "# Rubric" in call.prompt or len(call.messages) == 4 else next(answers)

    flow = Flow("sums")
    schema = {"type": "object", "properties": {"total": {"type": "number"}}}
    flow.map(prompt="{{text}}", model=MODEL, schema=schema, check={"total": {"minimum": 1}}, judge=JUDGE, rubric=RUBRIC)
    with fake({"*": answer}) as homa:
        (result,) = homa.run(flow, [{"text": "1"}]).results(timeout=PATIENCE_S)
        assert result.reply.parsed == {"total": 2}
        assert [call.target for call in homa.calls] == [MODEL, MODEL, JUDGE, JUDGE]


def test_an_equal_item_is_graded_once() -> None:
    with fake({"*": Models("good one")}) as homa:
        (first,) = homa.run(graded(), [{"text": "1"}]).results(timeout=PATIENCE_S)
        before = len(homa.calls)
        again, other = homa.run(graded(), [{"text": "1"}, {"text": "1"}]).results(timeout=PATIENCE_S)
        assert (again.reply.text, other.reply.text) == (first.reply.text, first.reply.text)
        assert len(homa.calls) == before


def test_equal_items_in_flight_follow_one_that_is_graded() -> None:
    with fake({"*": Models("bad one", "good two")}) as homa:
        run = homa.run(graded(repair=1), [{"text": "1"}] * 3)
        assert [result.reply.text for result in run.results(timeout=PATIENCE_S)] == ["Said: good two"] * 3
        assert len([call for call in homa.calls if "# Rubric" in call.prompt]) == 2


def test_a_judge_whose_limit_is_reached_is_waited_for() -> None:
    verdicts: list[Any] = [RateLimited(retry_after_s=5), {"pass": True, "why": ""}]

    def answer(call: FakeCall) -> Any:
        return verdicts.pop(0) if "# Rubric" in call.prompt else "good"

    flow = Flow("sums")
    flow.map(prompt="{{text}}", model=MODEL, fallbacks=[STRONGER], judge=JUDGE, rubric=RUBRIC)
    with fake({"*": answer}) as homa:
        (result,) = homa.run(flow, [{"text": "1"}]).results(timeout=PATIENCE_S)
        assert result.reply.text == "good"
        assert [call.target for call in homa.calls] == [MODEL, JUDGE, JUDGE]


def test_a_judge_that_refuses_fails_the_item_and_leads_to_no_fallback() -> None:
    flow = Flow("sums")
    flow.map(prompt="{{text}}", model=MODEL, fallbacks=[STRONGER], judge=JUDGE, rubric=RUBRIC)
    with fake({"*": lambda call: Refused("no") if "# Rubric" in call.prompt else "good"}) as homa:
        (result,) = homa.run(flow, [{"text": "1"}]).results(timeout=PATIENCE_S)
        assert [failure.message for failure in result.failures] == ["no"]
        assert [call.target for call in homa.calls] == [MODEL, JUDGE]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"judge": JUDGE}, "judge is given alone: expected judge and rubric, or neither"),
        ({"rubric": RUBRIC}, "rubric is given alone"),
        ({"judge": "", "rubric": RUBRIC}, "judge is ''"),
        ({"judge": JUDGE, "rubric": " "}, "rubric is ' ': expected what an answer has to be"),
        ({"judge": JUDGE, "rubric": "x" * 100_001}, "rubric has more than 100,000 bytes"),
    ],
)
def test_what_is_wrong_is_refused_where_it_is_declared(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Flow("one").map(prompt="{{text}}", model=MODEL, **options)


def test_a_judge_that_nobody_knows_is_refused_before_anything_is_called() -> None:
    with fake({}) as homa, pytest.raises(UnknownModel, match="nobody"):
        homa.run(graded("nobody:knows"), [{"text": "a"}])


def test_a_file_says_what_python_says_and_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "flow.toml").write_text(
        f'name = "sums"\n[steps.sum]\nmap = "inputs"\nprompt = "Sum of {{{{text}}}}"\nmodel = "{MODEL}"\n'
        f'judge = "{JUDGE}"\nrubric = "{RUBRIC}"\n'
        f'[steps.said]\nmap = "sum"\nprompt = "Said: {{{{answer}}}}"\nmodel = "{MODEL}"\n'
    )
    found = read_flow(tmp_path / "flow.toml")
    assert definition_of(found) == definition_of(graded())
    steps = {each["name"]: each for each in orjson.loads(definition_of(found))["steps"]}
    assert as_text(steps, {})[1] == f"└─ sum  map, {MODEL}, judged by {JUDGE}"


# -- real workers


def said(judge: str = HAIKU) -> Flow:
    flow = Flow("said")
    flow.map(prompt="[[say:<{{text}}>]]", model=MINI, judge=judge, rubric=RUBRIC, repair=0, name="sum", max_tokens=100)
    return flow


async def test_a_worker_that_knows_no_judges_hands_their_jobs_back(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncHoma(settings=cell.settings()) as homa:
        run = await homa.run(said(), [{"text": "a"}])
        view = await cell.view(f"{run.id}-0")
        assert view.request is not None
        assert JobRequest.decode(view.request).version >= 5
        monkeypatch.setattr(request, "REQUEST_VERSION", 4)
        await cell.worker()

        async def was_handed_back() -> bool:
            return (await cell.view(f"{run.id}-0")).job.attempt >= 2

        await until(was_handed_back)
        assert cell.simulator.stats.received == 0
        await run.cancel()


async def test_kills_of_workers_pay_no_answer_and_no_verdict_unseen(cell: Cell) -> None:
    settings = cell.environment(HOMA_LEASE_S="3")
    async with AsyncHoma(settings=cell.settings(HOMA_LEASE_S="3")) as homa:
        with crew(settings, "openai", "anthropic", "--concurrency", "2") as workers:
            workers.start()
            run = await homa.run(said(), [{"text": str(n)} for n in range(12)], budget_usd=1)
            for _ in range(4):
                before = cell.simulator.stats.received
                await until(lambda before=before: cell.simulator.stats.received > before)  # type: ignore[misc]
                workers.start()
                workers.kill(0)
                assert cell.books() == []
            results = [result async for result in run.results(timeout=PATIENCE_S * 4)]
        progress = await run.wait(PATIENCE_S)
    # The simulated judge says what it likes; no item is left without an end, and none without its verdict.
    assert len(results) == 12
    assert {failure.kind for result in results for failure in result.failures} <= {"rejected"}
    assert all(result.reply.text == f"<{n}>" for n, result in enumerate(results) if result.ok)
    assert cell.simulator.stats.received >= 24
    bill = sum(charge.nano_usd or 0 for charge in cell.simulator.bill.charges())
    assert progress.cost_nano_usd <= bill <= progress.cost_nano_usd + progress.unresolved_nano_usd
    assert cell.books() == []
