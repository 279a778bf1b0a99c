"""Flows from declaration to answers, on a fake fleet: real store, real worker, answers by prompt."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import orjson
import pytest

from homa import Flow, InvalidRequest, JobFailed, JobNotFound, KeyConflict, Reply
from homa.events import BatchCancelled
from homa.testing import FakeHoma, Refused, fake
from homa_shared.store.operation import read
from tests.conversations.books import store_of
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"


def documents(width: int = 2) -> Flow:
    flow = Flow("contracts")
    parts = flow.split("pages")
    facts = flow.map(parts, prompt="{{text}}", model=MODEL, name="facts")
    flow.reduce(facts, prompt="Bring together: {{items}}", model=MODEL, name="whole", fan_in=width)
    return flow


def test_parts_of_documents_become_one_answer_each_in_the_inputs_order(homa_echo: FakeHoma) -> None:
    inputs = [{"path": f"{n}.pdf", "pages": [f"{n}{letter}" for letter in "abc"]} for n in range(3)]
    run = homa_echo.run(documents(), inputs)
    results = list(run.results(timeout=PATIENCE_S))
    assert [result.number for result in results] == [0, 1, 2]
    assert all(result.ok for result in results)
    assert results[1].reply.text == ("(Bring together: (Bring together: (1a)\n\n(1b))\n\n(Bring together: (1c)))")
    progress = run.wait(PATIENCE_S)
    assert (progress.state, progress.inputs, progress.cancelled) == ("complete", 3, False)
    assert {name: (step.made, step.succeeded, step.running) for name, step in progress.steps.items()} == {
        "facts": (9, 9, 0),
        "whole": (9, 9, 0),
    }
    assert repr(run) == f"<FlowRun {run.id}>"


def test_a_failed_part_is_left_out_and_a_failed_document_stops_alone(homa_echo: FakeHoma) -> None:
    inputs = [{"pages": ["a", "fail", "b"]}, {"pages": ["fail 1", "fail 2"]}, {"pages": []}]
    first, second, third = homa_echo.run(documents(), inputs).results(timeout=PATIENCE_S)
    assert first.ok
    assert first.missing == {"whole": [1]}
    assert first.reply.text == "(Bring together: (Bring together: (a))\n\n(Bring together: (b)))"
    assert not second.ok
    (failure,) = second.failures
    assert "whole 1 was not done, since facts 1.0 has no answer" in failure.message
    with pytest.raises(JobFailed, match="no"):
        _ = second.reply
    assert [failure.kind for failure in third.failures] == ["empty"]


def test_a_step_has_a_system_text_of_its_own_with_fields_in_it() -> None:
    flow = Flow("told")
    flow.map(prompt="Read {{text}}", model=MODEL, system="Speak {{language}}.", name="said")
    with fake(lambda call: "; ".join(str(each["content"]) for each in call.messages)) as homa:
        (result,) = homa.run(flow, [{"text": "tea", "language": "French"}]).results(timeout=PATIENCE_S)
    assert result.reply.text == "Speak French.; Read tea"
    with pytest.raises(InvalidRequest, match="system is 7: expected text"):
        flow.map(prompt="Read {{text}}", model=MODEL, system=7)  # type: ignore[arg-type]


@dataclass
class Facts:
    total: int


def test_answers_of_a_schema_are_named_by_their_fields() -> None:
    flow = Flow("sums")
    facts = flow.map(prompt="Read {{text}}", model=MODEL, schema=Facts, name="facts")
    flow.map([facts, flow.inputs], prompt="{{total}} {{facts.total}} {{currency}} {{answer}}", model=MODEL, name="said")
    with fake({"Read*": {"total": 7}, "*": lambda call: call.prompt}) as homa:
        (result,) = homa.run(flow, [{"text": "x", "currency": "EUR"}]).results(timeout=PATIENCE_S)
        assert result.reply.text == '7 7 EUR {"total": 7}'
        run = homa.run(flow, [{"text": "x", "currency": "EUR"}])
        run.wait(PATIENCE_S)
        assert homa.flow_run(run.id).progress().complete


def test_a_step_has_a_system_text_that_is_filled_as_its_prompt(homa_echo: FakeHoma) -> None:
    flow = Flow("letters")
    flow.map(prompt="{{text}}", system="For {{name}}", model=MODEL)
    homa_echo.run(flow, [{"text": "Hi", "name": "Ann"}]).wait(PATIENCE_S)
    assert [message["content"] for message in homa_echo.calls[0].messages] == ["For Ann", "Hi"]
    with pytest.raises(InvalidRequest, match="step other: system is 5: expected text"):
        flow.map(prompt="{{text}}", system=5, model=MODEL, name="other")  # type: ignore[arg-type]


def test_types_of_answers_are_those_of_the_flow() -> None:
    flow = Flow("sums")
    flow.map(prompt="Read {{text}}", model=MODEL, schema=Facts)
    with fake({"*": {"total": 7}}) as homa:
        run = homa.run(flow, [{"text": "x"}])
        (result,) = run.results(timeout=PATIENCE_S)
        assert result.reply.parsed == Facts(7)
        (again,) = homa.flow_run(run).results(timeout=PATIENCE_S)
        assert again.reply.parsed == {"total": 7}
        (typed,) = homa.flow_run(run.id, flow=flow).results(timeout=PATIENCE_S)
        assert typed.reply.parsed == Facts(7)


def test_all_inputs_may_become_one_answer(homa_echo: FakeHoma) -> None:
    flow = Flow("digest")
    each = flow.map(prompt="{{text}}", model=MODEL)
    flow.reduce(each, prompt="All: {{items}}", model=MODEL, name="all")
    run = homa_echo.run(flow, [{"text": name} for name in "abc"])
    assert run.answer(timeout=PATIENCE_S).text == "(All: (a)\n\n(b)\n\n(c))"
    assert list(run.results(timeout=PATIENCE_S)) == []
    with pytest.raises(InvalidRequest, match="step 'each' is not done once"):
        run.answer("each")
    lost = homa_echo.run(flow, [{"text": "fail"}])
    with pytest.raises(JobFailed, match="all was not done"):
        lost.answer(timeout=PATIENCE_S)


def test_answers_of_parts_come_as_a_list(homa_echo: FakeHoma) -> None:
    flow = Flow("parts")
    flow.map(flow.split(), prompt="{{text}}", model=MODEL, name="each")
    (result,) = homa_echo.run(flow, [{"parts": ["a", {"text": "b"}]}]).results(timeout=PATIENCE_S)
    answers = result.answers["each"]
    assert not isinstance(answers, Reply)
    assert [str(answer) for answer in answers] == ["(a)", "(b)"]


def test_a_run_under_a_key_is_gone_on_with(homa_echo: FakeHoma) -> None:
    inputs = [{"pages": [f"{n}a", f"{n}b"]} for n in range(250)]

    def some() -> object:
        yield from inputs[:180]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as told:
        homa_echo.run(documents(), some(), key="monday")  # type: ignore[arg-type]
    assert "submit it again under its key" in told.value.__notes__[0]
    run = homa_echo.run(documents(), inputs, key="monday")
    results = list(run.results(timeout=PATIENCE_S))
    assert [result.reply.text for result in results] == [f"(Bring together: ({n}a)\n\n({n}b))" for n in range(250)]
    assert run.progress().steps["facts"].made == 500, "nothing was done twice"
    assert homa_echo.run(documents(), inputs, key="monday").id == run.id
    with pytest.raises(InvalidRequest, match="the first 250 inputs are not those"):
        homa_echo.run(documents(), [*inputs[:-1], {"pages": ["other"]}], key="monday")
    with pytest.raises(InvalidRequest, match="has 250 inputs already, and was given 3"):
        homa_echo.run(documents(), inputs[:3], key="monday")
    with pytest.raises(KeyConflict, match="another flow"):
        homa_echo.run(documents(width=3), inputs, key="monday")


def test_two_clients_that_submit_other_inputs_under_one_key_are_told(homa_echo: FakeHoma) -> None:
    def inputs() -> Iterator[dict[str, list[str]]]:
        homa_echo.run(documents(), [{"pages": ["theirs"]}], key="monday")
        yield {"pages": ["mine"]}

    with pytest.raises(InvalidRequest, match=r"inputs up to 1 are not those that run \w+ was given"):
        homa_echo.run(documents(), inputs(), key="monday")


def test_a_run_is_cancelled_paused_and_resumed() -> None:
    gate = threading.Event()
    with fake({"*": lambda call: str(gate.wait(PATIENCE_S))}) as homa:
        run = homa.run(documents(), [{"pages": [f"{n}a", f"{n}b"]} for n in range(20)])
        run.pause("lunch")
        assert run.progress().paused == "lunch"
        run.resume()
        assert run.progress().paused is None
        run.cancel()
        gate.set()
        assert run.wait(PATIENCE_S).cancelled
        results = list(run.results(timeout=PATIENCE_S))
        assert len(results) == 20
        assert not all(result.ok for result in results)


def test_a_wrong_input_cancels_its_run(homa_echo: FakeHoma) -> None:
    with pytest.raises(InvalidRequest, match=r"input 1: pages is None: expected a list") as told:
        homa_echo.run(documents(), [{"pages": ["a"]}, {"text": "b"}])
    assert "was cancelled" in told.value.__notes__[0]
    with pytest.raises(
        InvalidRequest, match=r"input 0: pages\[1\] has no field 'text', which the prompt of step facts"
    ):
        homa_echo.run(documents(), [{"pages": ["a", {"words": "b"}]}])
    with pytest.raises(InvalidRequest, match="input 0 is 5: expected an object of fields"):
        homa_echo.run(documents(), [5])  # type: ignore[list-item]


def test_a_budget_that_no_call_fits_is_refused_at_once(homa_echo: FakeHoma) -> None:
    with pytest.raises(InvalidRequest, match="budget_usd: 'much'"):
        homa_echo.run(documents(), [], budget_usd="much")
    run = homa_echo.run(documents(), [], budget_usd=1)
    assert run.wait(PATIENCE_S).complete
    with pytest.raises(JobNotFound, match="run nowhere of a flow is not in the store"):
        homa_echo.flow_run("nowhere").progress()


def test_what_a_prompt_names_and_an_answer_lacks_fails_that_item_alone() -> None:
    flow = Flow("sums")
    facts = flow.map(prompt="Read {{text}}", model=MODEL, schema={"type": "object", "properties": {"total": {}}})
    flow.map(facts, prompt="{{total}}", model=MODEL, name="said")
    answers = {"Read a": {"total": 1}, "Read b": {}, "*": lambda call: call.prompt}
    with fake(answers) as homa:
        first, second = homa.run(flow, [{"text": "a"}, {"text": "b"}]).results(timeout=PATIENCE_S)
        assert first.reply.text == "1"
        assert "its prompt names {{total}}" in second.failures[0].message


def test_requests_of_a_run_say_what_they_are_made_of(homa_echo: FakeHoma) -> None:
    flow = Flow("one")
    flow.map(prompt="{{text}}", model=MODEL)
    run = homa_echo.run(flow, [{"text": "a"}])
    run.wait(PATIENCE_S)
    view = homa_echo.job(f"{run.id}-0").view()
    assert view.job.custom_id == "map1 0"
    assert view.request is None or orjson.loads(view.request)["flow"]["step"] == "map1"


def test_a_refusal_names_the_step() -> None:
    flow = Flow("one")
    flow.map(prompt="{{text}}", model=MODEL, name="first")
    with fake({"*": Refused("never")}) as homa:
        (result,) = homa.run(flow, [{"text": "a"}]).results(timeout=PATIENCE_S)
        assert [(failure.custom_id, failure.message) for failure in result.failures] == [("first 0", "never")]


def test_a_run_that_cannot_go_on_ends_and_says_why() -> None:
    gate = threading.Event()
    with fake({"*": lambda call: str(gate.wait(PATIENCE_S))}) as homa, closing(store_of(homa)) as store:
        run = homa.run(documents(), [{"pages": ["a", "b"]}])
        command = ("HSET", store.keys.flow(run.id), "whole|record", "no JSON")
        store.run(read([command], lambda replies: replies))
        gate.set()
        progress = run.wait(PATIENCE_S)
        assert (progress.complete, progress.cancelled) == (True, True)
        assert progress.cancelled_why.startswith("what follows facts 0.")
        (result,) = run.results(timeout=PATIENCE_S)
        assert f"its run was cancelled: see `homa flow show {run.id}`" in result.failures[0].message
        told = list(homa.events(after="-", kinds=[BatchCancelled], follow=False))
        assert [(event.batch, event.reason) for event in told] == [(run.id, progress.cancelled_why)]
        assert f"complete, cancelled ({progress.cancelled_why})" in [batch.state_words() for batch in homa.batches()]
