"""Steps that are code: registered functions, run by workers in the place of calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homa import Flow, InvalidRequest, tool
from homa.flows.toml import read_flow
from homa.testing import fake
from homa_shared.calls import tools
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"
SCHEMA = {"type": "object", "properties": {"net": {"type": "number"}}}


@pytest.fixture(autouse=True)
def unregistered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone behind it."""
    monkeypatch.setattr(tools, "_registered", {})


def taxed() -> Any:
    @tool
    def with_tax(net: float, rate: float = 0.2) -> dict[str, float]:
        return {"gross": round(net * (1 + rate), 2)}

    return with_tax


def bill(function: Any, **options: Any) -> Flow:
    flow = Flow("bill")
    net = flow.map(prompt="Net of {{text}}", schema=SCHEMA, model=MODEL, name="net")
    gross = flow.code(function, net, name="gross", schema={"properties": {"gross": {}}}, **options)
    flow.map([gross, flow.inputs], prompt="{{gross}} for {{text}}", model=MODEL, name="said")
    return flow


ANSWERS: dict[str, Any] = {"Net of *": {"net": 10}, "*": lambda call: call.prompt}


def test_a_function_is_run_between_two_calls() -> None:
    with fake(ANSWERS) as homa:
        run = homa.run(bill(taxed()), [{"text": "tea"}], budget_usd=1)
        (result,) = run.results(timeout=PATIENCE_S)
        assert result.reply.text == "12.0 for tea"
        steps = run.wait(PATIENCE_S).steps
        assert (steps["gross"].made, steps["gross"].succeeded) == (1, 1)
        assert len(homa.calls) == 2
        assert homa.job(f"{run.id}-1").result().cost_nano_usd == 0
        (again,) = homa.run(bill("with_tax"), [{"text": "tea"}]).results(timeout=PATIENCE_S)
        assert again.reply.text == "12.0 for tea"


def test_a_function_that_fails_fails_its_item_alone() -> None:
    @tool
    def checked(answer: str) -> str:
        if "bad" in answer:
            raise ValueError("it is bad")
        return answer.upper()

    flow = Flow("checked")
    flow.code(checked, flow.map(prompt="{{text}}", model=MODEL), name="checked")
    with fake({"*": lambda call: call.prompt}) as homa:
        good, bad = homa.run(flow, [{"text": "good"}, {"text": "bad"}]).results(timeout=PATIENCE_S)
        assert good.reply.text == "GOOD"
        assert [(failure.kind, failure.message) for failure in bad.failures] == [
            ("code", "checked: ValueError: it is bad")
        ]


def test_arguments_are_those_that_the_function_takes() -> None:
    with fake({"*": {"net": 10}}) as homa:
        flow = Flow("bill")
        flow.code(taxed(), flow.map(prompt="{{text}}", model=MODEL, name="net"), name="gross")
        (result,) = homa.run(flow, [{"text": "tea"}]).results(timeout=PATIENCE_S)
        assert result.reply.text == '{"gross":12.0}'
    with fake({"*": {"total": 10}}) as homa:
        (result,) = homa.run(flow, [{"text": "tea"}]).results(timeout=PATIENCE_S)
        assert "with_tax: arguments of with_tax are " in result.failures[0].message


def test_a_function_that_no_worker_has_is_told() -> None:
    with fake(ANSWERS) as homa:
        (result,) = homa.run(bill("nobody"), [{"text": "tea"}]).results(timeout=PATIENCE_S)
        assert (
            "function 'nobody' is not registered at this worker: start it with --actors" in result.failures[0].message
        )


def test_only_another_function_is_run_again() -> None:
    runs: list[str] = []

    @tool
    def noted(answer: str) -> str:
        runs.append(answer)
        return answer

    def flow(version: str) -> Flow:
        made = Flow("noted")
        made.code(noted, made.map(prompt="{{text}}", model=MODEL), version=version)
        return made

    with fake({"*": "yes"}) as homa:
        for version, times in (("1", 1), ("1", 1), ("2", 2)):
            list(homa.run(flow(version), [{"text": "a"}]).results(timeout=PATIENCE_S))
            assert len(runs) == times


def test_code_alone_says_whose_workers_run_it() -> None:
    @tool
    def upper(text: str) -> str:
        return text.upper()

    flow = Flow("upper")
    flow.code(upper)
    with fake({}) as homa:
        with pytest.raises(InvalidRequest, match="no step of flow upper has a model: say on="):
            homa.run(flow, [{"text": "a"}])
        flow = Flow("upper")
        flow.code(upper, on=MODEL)
        (result,) = homa.run(flow, [{"text": "a"}]).results(timeout=PATIENCE_S)
        assert result.reply.text == "A"


def test_what_is_wrong_is_refused_where_it_is_declared() -> None:
    flow = Flow("bill")
    net = flow.map(prompt="{{text}}", model=MODEL, schema={"properties": {"total": {}}})
    with pytest.raises(InvalidRequest, match="its function takes 'net', which what it follows does not have"):
        flow.code(taxed(), net)
    with pytest.raises(InvalidRequest, match=r"function is 3: expected a function made by @homa\.tool"):
        flow.code(3, net)  # type: ignore[arg-type]


def test_a_file_names_the_function(tmp_path: Path) -> None:
    (tmp_path / "flow.toml").write_text(
        f'[steps.net]\nmap = "inputs"\nprompt = "{{{{text}}}}"\nmodel = "{MODEL}"\n'
        '[steps.gross]\ncode = "with_tax"\nstep = "net"\nversion = "2"\n'
    )
    step = read_flow(tmp_path / "flow.toml").steps[-1]
    assert (step.kind, step.code, step.code_version, [each.name for each in step.follows]) == (
        "code",
        "with_tax",
        "2",
        ["net"],
    )
