"""An estimate of a flow counts the calls that its run makes, and says what nobody can count before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from homa import AsyncHoma, BudgetExceeded, Flow, FlowEstimate, Homa, InvalidRequest, UnknownModel
from homa.testing import FakeHoma, fake
from homa_shared.calls import tools
from homa_shared.calls.tools import tool
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"
HAIKU = "anthropic:claude-haiku-5-5"
TOTAL = {"type": "object", "properties": {"total": {"type": "integer"}, "of": {"type": "string"}}}


@pytest.fixture(autouse=True)
def unregistered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone behind it."""
    monkeypatch.setattr(tools, "_registered", {})


def reply_to(call: Any) -> Any:
    if "You grade" in str(call.messages[0]["content"]):
        return {"pass": True, "why": ""}
    return {"total": 7, "of": "it"} if "response_format" in call.params else f"({len(call.prompt)})"


@pytest.fixture
def homa() -> Iterator[FakeHoma]:
    with fake({"*": reply_to}) as made:
        yield made


def pages(width: int = 3) -> Flow:
    flow = Flow("pages")
    facts = flow.map(flow.split("pages"), prompt="Facts of {{text}}", model=MODEL, name="facts", max_tokens=50)
    flow.reduce(facts, prompt="All {{items}}", model=MODEL, name="whole", fan_in=width, max_tokens=50)
    return flow


def of_items() -> Flow:
    flow = Flow("of_items")
    parts = flow.split(unit="chunk", tokens=20)
    whole = flow.reduce(parts, prompt="All {{items}}", schema=TOTAL, model=MODEL, fan_in=2, name="whole", max_tokens=50)
    flow.map([whole, flow.inputs], prompt="{{total}} {{whole.of}} {{path}}", model=HAIKU, name="told", max_tokens=50)
    return flow


def together() -> Flow:
    flow = Flow("together")
    point = flow.map(prompt="Point of {{text}}", model=MODEL, name="point", judge=HAIKU, rubric="Good", max_tokens=50)
    digest = flow.reduce(point, prompt="Digest {{items}}", model=MODEL, fan_in=2, name="digest", max_tokens=50)
    flow.map(digest, prompt="Shorter: {{digest}}", model=MODEL, name="short", max_tokens=50)
    return flow


DOCUMENTS = [
    {"path": str(n), "text": f"Sentence number {n}. " * n, "pages": [f"Page {page} of {n}" for page in range(n)]}
    for n in (1, 3, 4, 7, 10, 0)
]


@pytest.mark.parametrize("declared", [pages, of_items, together])
def test_calls_tokens_and_costs_are_those_of_the_run(homa: FakeHoma, declared: Callable[[], Flow]) -> None:
    estimate = homa.estimate(declared(), DOCUMENTS)
    assert (homa.calls, estimate.unknown[1:]) == ([], [])
    run = homa.run(declared(), DOCUMENTS, reuse=False, budget_usd=1)
    progress = run.wait(PATIENCE_S)
    made = {name: progress.steps[name].succeeded for name in estimate.steps}
    assert {name: step.calls for name, step in estimate.steps.items()} == made
    assert estimate.calls == len(homa.calls)
    assert (estimate.inputs, estimate.bad_inputs) == (6, 0)
    assert estimate.expected_usd is not None
    assert estimate.most_usd is not None
    assert progress.cost_usd <= estimate.most_usd
    assert estimate.expected_usd <= estimate.most_usd


def test_prompts_made_of_items_alone_count_exactly(homa: FakeHoma) -> None:
    flow = Flow("plain")
    flow.map(flow.split("pages"), prompt="Facts of {{text}}", system="For {{text}}", model=MODEL, name="facts")
    step = homa.estimate(flow, DOCUMENTS).steps["facts"]
    homa.run(flow, DOCUMENTS, reuse=False).wait(PATIENCE_S)
    prompts = [call.messages for call in homa.calls]
    assert step.input_tokens == sum(homa.count(list(messages), model=MODEL).tokens for messages in prompts)
    assert step.first_messages in prompts


def test_answers_that_are_not_there_count_by_their_cap_and_their_expected_length(homa: FakeHoma) -> None:
    def told(cap: int) -> FlowEstimate:
        flow = Flow("two")
        first = flow.map(prompt="{{text}}", model=MODEL, name="first", max_tokens=cap)
        flow.map(first, prompt="{{first}} and {{first}}", model=MODEL, name="second", max_tokens=10)
        return homa.estimate(flow, [{"text": "x"}])

    short, long = told(100), told(300)
    tokens = [each.steps["second"].input_tokens for each in (short, long)]
    assert tokens[1] is not None
    assert tokens[0] is not None
    assert tokens[1] - tokens[0] == 2 * 200
    assert long.steps["second"].most_usd is not None
    assert short.steps["second"].most_usd is not None
    assert long.steps["second"].most_usd > short.steps["second"].most_usd
    assert long.steps["second"].first_messages == [{"role": "user", "content": "{{first}} and {{first}}"}]


def test_what_functions_make_is_told_as_unknown(homa: FakeHoma) -> None:
    @tool
    def sentences(text: str) -> list[Any]:
        return text.split(".")

    @tool
    def tidy(answer: str) -> str:
        return answer.strip()

    flow = Flow("made")
    first = flow.map(prompt="{{text}}", model=MODEL, name="first")
    clean = flow.code(tidy, first, name="clean")
    flow.map(clean, prompt="{{clean}}", model=MODEL, name="again")
    facts = flow.map(flow.split(function=sentences), prompt="{{text}}", model=MODEL, name="facts")
    flow.reduce(facts, prompt="All {{items}}", model=MODEL, name="whole")
    found = homa.estimate(flow, [{"text": "a. b"}, {"text": "c"}])
    calls = {name: step.calls for name, step in found.steps.items()}
    assert calls == {"first": 2, "clean": 0, "again": 2, "facts": None, "whole": None, "sentences_split": 0}
    assert (found.steps["clean"].times, found.steps["sentences_split"].times) == (2, 2)
    assert found.steps["clean"].most_usd == Decimal()
    assert (found.calls, found.expected_usd, found.most_usd) == (4, None, None)
    assert found.steps["again"].expected_usd is not None
    assert found.steps["again"].most_usd is None
    assert [line.partition(":")[0] for line in found.unknown] == ["again", "facts", "whole"]
    assert "sentences" in found.unknown[1]


def test_what_stands_behind_filters_is_at_most(homa: FakeHoma) -> None:
    flow = Flow("mail")
    kind = flow.map(prompt="{{text}}", schema=TOTAL, model=MODEL, name="kind")
    case = flow.branch(kind, {"small": {"total": {"maximum": 5}}}, otherwise="large")
    small = flow.map([case["small"], flow.inputs], prompt="S {{total}} {{text}}", model=MODEL, name="s")
    large = flow.map([case["large"], flow.inputs], prompt="L {{text}}", model=MODEL, name="l")
    flow.map(flow.join([small, large], name="either"), prompt="{{either}}", model=MODEL, name="end")
    found = homa.estimate(flow, [{"text": "a"}, {"text": "b"}])
    assert {name: (step.calls, step.at_most) for name, step in found.steps.items()} == {
        "kind": (2, False), "s": (2, True), "l": (2, True), "end": (2, True),
    }  # fmt: skip
    homa.run(flow, [{"text": "a"}, {"text": "b"}], reuse=False).wait(PATIENCE_S)
    assert len(homa.calls) == 6


def test_files_are_cut_as_the_run_cuts_them(homa: FakeHoma, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/a.md").write_text("# One\n\nText.\n\n# Two\n\nMore.\n")
    Path("in/b.bin").write_bytes(b"\x7fELF\2\0\0\0")
    flow = Flow("sections")
    flow.map(flow.split(unit="section"), prompt="{{heading}}: {{text}}", model=MODEL, name="each")
    found = homa.estimate(flow, "in/")
    assert (found.inputs, found.bad_inputs, found.steps["each"].calls) == (2, 1, 2)
    assert found.first_bad is not None
    assert "b.bin" in found.first_bad


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises((InvalidRequest, UnknownModel, BudgetExceeded)) as error:
        act()
    return str(error.value)


def test_what_the_run_refuses_is_refused(homa: Homa) -> None:
    unknown = Flow("unknown")
    unknown.map(prompt="{{text}}", model="nobody:x")
    for flow, inputs, options in (
        (unknown, [{"text": "x"}], {}),
        (Flow("empty"), [{"text": "x"}], {}),
        (pages(), [{"pages": 5}], {}),
        (pages(), [{"pages": [{"words": "x"}]}], {}),
        (pages(), [{"pages": ["x"]}], {"budget_usd": "0.000000001"}),
        (pages(), [{"pages": ["x"]}], {"budget_usd": 0}),
        (pages(), [{"pages": ["x"]}], {"lane": "fast"}),
        (pages(), ["nowhere.txt"], {}),
        (pages(), "nowhere/", {}),
    ):
        given: Any = inputs
        wanted: Any = options
        told = refusal(lambda flow=flow, given=given, wanted=wanted: homa.run(flow, given, **wanted))  # type: ignore[misc]
        assert refusal(lambda flow=flow, given=given, wanted=wanted: homa.estimate(flow, given, **wanted)) == told  # type: ignore[misc]
    flow: Any = pages()
    assert "a flow without inputs" in refusal(lambda: homa.estimate(flow))
    assert "inputs without a flow" in refusal(lambda: homa.estimate("x", [{"text": "x"}]))  # type: ignore[call-overload]
    assert "with max_tokens: its steps say it" in refusal(lambda: homa.estimate(flow, [{"pages": []}], max_tokens=5))


async def test_event_loops_have_the_same(store_url: str) -> None:
    async def inputs() -> Any:
        for document in DOCUMENTS:
            yield document

    async with fake({"*": reply_to}) as homa:
        assert isinstance(homa, AsyncHoma)
        found = [await homa.estimate(pages(), given) for given in (DOCUMENTS, inputs())]
    assert found[0] == found[1]
    assert Counter(step.calls for step in found[0].steps.values()) == Counter({25: 1, 15: 1})


def test_no_inputs_cost_nothing(homa: FakeHoma) -> None:
    for flow in (pages(), together()):
        found = homa.estimate(flow, [])
        assert (found.inputs, found.calls, found.expected_usd, found.most_usd) == (0, 0, Decimal(), Decimal())


def test_a_reduce_is_counted_with_its_tree(homa: FakeHoma) -> None:
    for count, calls in ((0, 0), (1, 1), (2, 1), (3, 1), (4, 3), (7, 4), (9, 4), (10, 6), (28, 15)):
        found = homa.estimate(pages(), [{"pages": ["x"] * count}])
        assert (count, found.steps["whole"].calls) == (count, calls)
