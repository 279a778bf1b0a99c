"""What is asked of answers: checks with repair and escalation, filters, branches and joins, on a fake fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from homa import Flow, InvalidRequest
from homa.testing import fake
from homa_shared.calls.flow_rules import as_json, in_full, narrowed
from tests.patience import PATIENCE_S

MODEL, STRONGER = "openai:gpt-6-luna", "anthropic:claude-haiku-5-5"
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}, "kind": {"type": "string"}}}


def test_an_answer_that_does_not_fit_goes_to_a_stronger_model() -> None:
    flow = Flow("sums")
    flow.map(
        *(),
        prompt="Sum of {{text}}",
        model=MODEL,
        schema=SCHEMA,
        check={"total": {"minimum": 1}},
        repair=1,
        escalate=STRONGER,
        name="sum",
    )

    def answer(call: Any) -> Mapping[str, Any]:
        return {"total": 0 if call.target == MODEL and "hard" in call.messages[0]["content"] else 7}

    with fake({"*": answer}) as homa:
        run = homa.run(flow, [{"text": "easy"}, {"text": "hard"}])
        easy, hard = run.results(timeout=PATIENCE_S)
        assert (easy.reply.parsed, easy.reply.provider) == ({"total": 7}, "openai")
        assert (hard.reply.parsed, hard.reply.provider) == ({"total": 7}, "anthropic")
        assert [call.target for call in homa.calls if "hard" in call.messages[0]["content"]] == [MODEL, MODEL, STRONGER]
        outcomes = [attempt.outcome for attempt in homa.job(hard.reply.job_id).view().attempts]
        assert outcomes == ["escalated", "succeeded"]


def test_an_answer_that_no_model_mends_fails_its_item_alone() -> None:
    flow = Flow("sums")
    flow.map(prompt="{{text}}", model=MODEL, schema=SCHEMA, check={"total": 1}, repair=0, escalate=[STRONGER])
    with fake({"good": {"total": 1}, "bad": {"total": 2}}) as homa:
        good, bad = homa.run(flow, [{"text": "good"}, {"text": "bad"}]).results(timeout=PATIENCE_S)
        assert good.ok
        assert "does not fit its schema after 1 tries" in bad.failures[0].message
        assert [call.target for call in homa.calls if call.prompt == "bad"] == [MODEL, STRONGER]


def test_documents_go_by_what_they_are() -> None:
    flow = Flow("mail")
    kind = flow.map(prompt="Kind of {{text}}", model=MODEL, schema=SCHEMA, name="kind")
    branches = flow.branch(kind, {"invoice": {"kind": "invoice"}, "order": {"kind": "order"}}, otherwise="rest")
    invoice = flow.map([branches["invoice"], flow.inputs], prompt="Invoice {{text}}", model=MODEL, name="billed")
    order = flow.map(
        [branches["order"], flow.inputs], prompt="Order {{text}} {{order.kind}}", model=MODEL, name="ordered"
    )
    flow.join([invoice, order, branches["rest"]], name="said")
    answers = {"Kind of *": lambda call: {"kind": call.prompt.split()[-1]}, "*": lambda call: call.prompt}
    with fake(answers) as homa:
        run = homa.run(flow, [{"text": "an invoice"}, {"text": "an order"}, {"text": "a poem"}])
        results = list(run.results(timeout=PATIENCE_S))
        assert [result.reply.text for result in results] == [
            "Invoice an invoice",
            "Order an order order",
            '{"kind": "poem"}',
        ]
        steps = run.wait(PATIENCE_S).steps
        assert (steps["invoice"].passed, steps["invoice"].absent, steps["said"].passed) == (1, 2, 3)
        assert (steps["billed"].made, steps["billed"].absent) == (1, 2)


def test_what_a_filter_leaves_out_has_not_failed() -> None:
    flow = Flow("large")
    total = flow.map(flow.split(), prompt="{{text}}", model=MODEL, name="total")
    large = flow.filter(total, {"pattern": "yes"}, name="large")
    flow.reduce(large, prompt="{{items}} ({{missing}})", model=MODEL, name="all")
    with fake({"*": lambda call: call.prompt}) as homa:
        first, second = homa.run(flow, [{"parts": ["yes 1", "no", "yes 2"]}, {"parts": ["no"]}]).results(
            timeout=PATIENCE_S
        )
        assert first.reply.text == "yes 1\n\nyes 2 (0)"
        assert first.missing == {}
        assert second.ok, "nothing has failed"
        assert second.failures == []
        assert [answer.kind for answer in second.answers.values()] == ["dropped"]  # type: ignore[union-attr]


def test_rules_in_short_and_in_full() -> None:
    assert in_full({"kind": "invoice", "total": {"minimum": 9}}) == {
        "type": "object",
        "required": ["kind", "total"],
        "properties": {"kind": {"const": "invoice"}, "total": {"minimum": 9}},
    }
    assert in_full({"type": "string"}) == {"type": "string"}
    assert narrowed({"type": "object", "allOf": [{}]}, {"minimum": 1}) == {
        "type": "object",
        "allOf": [{}, {"minimum": 1}],
    }
    assert (as_json("yes"), as_json('{"a": 1}')) == ('"yes"', '{"a": 1}')


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({}, "where is {}: expected fields and values"),
        ("total > 3", "where is 'total > 3': expected fields and values"),
        ({"type": "nothing"}, "where"),
        ({"a": {"$ref": "#/b"}}, r"where has a \$ref"),
        ({"a": object()}, "where is no JSON"),
    ],
)
def test_a_wrong_rule_is_refused_where_it_is_declared(where: Any, message: str) -> None:
    flow = Flow("one")
    step = flow.map(prompt="{{text}}", model=MODEL)
    with pytest.raises(InvalidRequest, match=message):
        flow.filter(step, where)


def test_steps_that_do_not_go_together_are_refused() -> None:
    flow = Flow("one")
    step = flow.map(prompt="{{text}}", model=MODEL)
    with pytest.raises(InvalidRequest, match="a filter follows inputs, whose items have no answers"):
        flow.filter(flow.inputs, {"a": 1})
    with pytest.raises(InvalidRequest, match="a join follows two steps with answers at least"):
        flow.join([step])
    with pytest.raises(InvalidRequest, match="repair is -1"):
        flow.map(prompt="{{text}}", model=MODEL, check={"a": 1}, repair=-1)
    with pytest.raises(InvalidRequest, match=r"cases is \{\}"):
        flow.branch(step, {})
    with pytest.raises(InvalidRequest, match="unknown option 'chek': did you mean 'check'"):
        flow.map(prompt="{{text}}", model=MODEL, chek={"a": 1})  # type: ignore[call-arg]
    with pytest.raises(InvalidRequest, match="expected a step that this flow has made"):
        Flow("two").map(step, prompt="{{answer}}", model=MODEL)
