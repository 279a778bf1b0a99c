"""Splits by registered code: a worker makes the parts of an input, and puts them into the run before its step ends."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from homa import Flow, InvalidRequest, tool
from homa.files.units import unit
from homa.flows import parts
from homa.flows.compiling import definition_of
from homa.flows.drawing import as_text
from homa.flows.toml import read_flow
from homa.testing import FakeHoma, fake
from homa_shared.calls import tools
from homa_shared.model.errors import StoreFull
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin
from tests.fixtures.store import eventually
from tests.flows.runs import RUN, Runs, reduction, source, step
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"


@pytest.fixture(autouse=True)
def unregistered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone behind it."""
    monkeypatch.setattr(tools, "_registered", {})


def sentences() -> Any:
    @tool
    def sentences(text: str) -> list[Any]:
        if "fail" in text:
            raise ValueError("it has no sentences")
        return [each.strip() for each in text.split(".") if each.strip()]

    return sentences


def documents(function: Any, width: int = 2, **options: Any) -> Flow:
    flow = Flow("contracts")
    parts = flow.split(function=function, **options)
    facts = flow.map(parts, prompt="{{text}}", model=MODEL, name="facts")
    flow.reduce(facts, prompt="All: {{items}}", model=MODEL, name="whole", fan_in=width)
    return flow


def test_a_function_makes_the_parts_of_each_input(homa_echo: FakeHoma) -> None:
    run = homa_echo.run(documents(sentences()), [{"text": "a. b. c."}, {"text": "d"}, {"text": ""}], budget_usd=1)
    first, second, third = run.results(timeout=PATIENCE_S)
    assert first.reply.text == "(All: (All: (a)\n\n(b))\n\n(All: (c)))"
    assert second.reply.text == "(All: (d))"
    assert [failure.kind for failure in third.failures] == ["empty"]
    progress = run.wait(PATIENCE_S)
    assert (progress.steps["sentences_split"].succeeded, progress.steps["facts"].made) == (3, 4)
    assert homa_echo.job(f"{run.id}-0").result().text == '{"parts":3}'


def test_a_function_that_fails_fails_its_item_alone(homa_echo: FakeHoma) -> None:
    good, bad = homa_echo.run(documents(sentences()), [{"text": "a"}, {"text": "fail"}]).results(timeout=PATIENCE_S)
    assert good.ok
    (failure,) = bad.failures
    assert failure.kind == "code"
    assert "whole 1 was not done, since sentences_split 1 has no answer" in failure.message
    flow = Flow("parts")
    flow.map(flow.split(function="sentences", name="parts"), prompt="{{text}}", model=MODEL, name="each")
    good, bad = homa_echo.run(flow, [{"text": "a. b"}, {"text": "fail"}]).results(timeout=PATIENCE_S)
    assert [str(answer) for answer in good.answers["each"]] == ["(a)", "(b)"]  # type: ignore[union-attr]
    assert [failure.message for failure in bad.failures] == ["sentences: ValueError: it has no sentences"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("text", "returned 'text': expected a list of texts or objects, the parts"),
        ([1], "part 0 of parts is 1: expected an object of fields"),
        (["a", None], "part 1 of parts is None"),
        ([{"text": "x" * 8_000_001}], "the result has 80000.. bytes"),
    ],
)
def test_what_is_no_list_of_parts_is_told(homa_echo: FakeHoma, made: Any, message: str) -> None:
    @tool
    def parts() -> Any:
        return made

    (result,) = homa_echo.run(documents(parts), [{"text": "a"}]).results(timeout=PATIENCE_S)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(result.failures[0].message)


def test_parts_of_what_a_model_said_and_fields_of_their_own(homa_echo: FakeHoma) -> None:
    @tool
    def words(answer: str, path: str) -> list[dict[str, str]]:
        return [{"word": word, "of": path} for word in answer.strip("()").split()]

    flow = Flow("words")
    said = flow.map(prompt="{{text}}", model=MODEL, name="said")
    parts = flow.split(function=words, step=[said, flow.inputs], name="parts")
    flow.map(parts, prompt="{{of}}: {{word}}", model=MODEL, name="each")
    (result,) = homa_echo.run(flow, [{"text": "one two", "path": "a.txt"}]).results(timeout=PATIENCE_S)
    assert [str(answer) for answer in result.answers["each"]] == ["(a.txt: one)", "(a.txt: two)"]  # type: ignore[union-attr]


def test_a_second_run_makes_the_parts_anew_and_asks_only_what_is_new() -> None:
    function = sentences()
    with fake({"*": lambda call: f"({call.prompt})"}) as homa:
        list(homa.run(documents(function), [{"text": "a. b"}]).results(timeout=PATIENCE_S))
        before = len(homa.calls)
        (result,) = homa.run(documents(function), [{"text": "a. b"}]).results(timeout=PATIENCE_S)
        assert result.ok
        assert len(homa.calls) == before
        list(homa.run(documents(function), [{"text": "a. c"}]).results(timeout=PATIENCE_S))
        assert [call.prompt for call in homa.calls[before:]] == ["c", "All: (a)\n\n(c)"]


def test_many_parts_come_in_chunks(homa_echo: FakeHoma) -> None:
    @tool
    def numbers() -> list[str]:
        return [str(n) for n in range(350)]

    flow = Flow("many")
    flow.map(flow.split(function=numbers), prompt="{{text}}", model=MODEL, name="each")
    (result,) = homa_echo.run(flow, [{"text": "a"}]).results(timeout=PATIENCE_S * 2)
    assert [str(answer) for answer in result.answers["each"]] == [f"({n})" for n in range(350)]  # type: ignore[union-attr]


def test_a_full_store_gets_the_parts_later_and_holds_up_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    full, real = threading.Event(), AsyncStore.run
    full.set()

    async def run(store: AsyncStore, op: Op[Any]) -> Any:
        if full.is_set() and op.script is not None and op.script.name == "put_items":
            raise StoreFull("no room")
        return await real(store, op)

    monkeypatch.setattr(AsyncStore, "run", run)
    made: list[str] = []

    @tool
    def letters(text: str) -> list[str]:
        made.append(text)
        return list(text)

    with fake({"*": lambda call: f"({call.prompt})"}) as homa:
        begun = homa.run(documents(letters), [{"text": "ab"}])
        eventually(lambda: len(made) > 1)
        assert homa.job(f"{begun.id}-0").state != "failed"
        full.clear()
        (result,) = begun.results(timeout=PATIENCE_S)
        assert result.reply.text == "(All: (a)\n\n(b))"


def test_what_is_wrong_is_refused_where_it_is_declared() -> None:
    flow = Flow("one")
    function = sentences()
    with pytest.raises(InvalidRequest, match="a split has a field, or a function, or a unit: expected one of them"):
        flow.split("pages", function=function)
    with pytest.raises(InvalidRequest, match="step is given without function"):
        flow.split("pages", step=flow.inputs)
    parts = flow.split(function=function, name="parts")
    with pytest.raises(InvalidRequest, match="a split follows steps that are done for each input"):
        flow.split(function=function, step=parts, name="again")
    with pytest.raises(InvalidRequest, match="its function takes 'text', which what it follows does not have"):
        flow.split(
            function=function, step=flow.map(prompt="{{text}}", model=MODEL, schema={"properties": {"a": {}}}), name="b"
        )


def test_a_file_says_what_python_says_and_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "flow.toml").write_text(
        'name = "contracts"\n[steps.sentences]\nsplit = "inputs"\nfunction = "sentences"\n'
        f'[steps.facts]\nmap = "sentences"\nprompt = "{{{{text}}}}"\nmodel = "{MODEL}"\n'
        f'[steps.whole]\nreduce = "facts"\nprompt = "All: {{{{items}}}}"\nmodel = "{MODEL}"\nfan_in = 2\n'
    )
    found = read_flow(tmp_path / "flow.toml")
    assert definition_of(found) == definition_of(documents("sentences"))
    steps = {each["name"]: each for each in orjson.loads(definition_of(found))["steps"]}
    assert as_text(steps, {})[:3] == [
        "inputs  inputs",
        "└─ sentences_split  code, sentences, makes parts",
        "   └─ sentences  split",
    ]


# -- in the store

GRAPH = {
    "inputs": source("cut"),
    "cut": step("code", "inputs", to=["parts"]),
    "parts": {**source("facts", closed_by=["whole"]), "from": ["cut"], "by": "cut"},
    "facts": step("map", "parts", to=["whole"]),
    "whole": reduction("facts", "parts", 3),
}


@pytest.mark.store
def test_parts_come_only_while_their_step_runs(runs: Runs) -> None:
    runs.open(GRAPH)
    assert runs.put("a", "b", seal=True) == "ok"
    assert runs.put("x", source="parts", scope="0") == "ended", "nobody makes them yet"
    first, second = runs.take().claims
    assert runs.put("x", "y", source="parts", scope="0") == "ok"
    assert runs.put("x", "y", source="parts", scope="0") == "ok"
    assert runs.put("y", source="parts", scope="0") == "differs"
    assert runs.put("z", at=2, source="parts", scope="0", seal=True) == "ok"
    assert runs.put("more", at=3, source="parts", scope="0") == "differs"
    runs.answer(first, "3")
    runs.fail(second)
    assert runs.put("late", source="parts", scope="1") == "ended"
    assert runs.node("whole 1") == f"x failed {second.id}"
    assert runs.drained() == ["facts 0.0", "facts 0.1", "facts 0.2", "whole 0~1.0"]
    assert (runs.batch().state, runs.batch().total, runs.batch().succeeded) == ("complete", 6, 5)


@pytest.mark.store
@pytest.mark.parametrize("answered_before", [0, 1, 2, 3])
def test_a_step_that_is_lost_behind_its_last_part_leaves_what_is_made_of_them(runs: Runs, answered_before: int) -> None:
    """As where its worker is lost three times before it is settled: its parts are there, and are gone on with once."""
    runs.open(GRAPH | {"whole": reduction("facts", "parts", 3, to=["told"]), "told": step("map", "whole")})
    assert runs.put("a", seal=True) == "ok"
    (cut,) = runs.take().claims
    assert runs.put("x", "y", source="parts", scope="0", seal=True) == "ok"
    done = [node for _ in range(answered_before) for node in runs.answered()]
    runs.fail(cut)
    done += runs.drained()
    assert done == ["facts 0.0", "facts 0.1", "whole 0~1.0", "told 0"]
    counts = runs.flow().steps
    assert (counts["whole"].get("absent", 0), counts["told"].get("absent", 0)) == (0, 0)
    assert not runs.node("told 0").startswith("x ")
    assert (runs.batch().state, runs.batch().succeeded) == ("complete", 4)


@pytest.mark.store
def test_parts_of_a_cancelled_run_are_refused(runs: Runs) -> None:
    runs.open(GRAPH)
    assert runs.put("a", seal=True) == "ok"
    runs.claim()
    runs.run(admin.cancel_batch(runs.keys, RUN))
    assert runs.put("x", source="parts", scope="0") == "cancelled"


@pytest.mark.store
def test_parts_stand_in_the_queue_where_their_document_stands(runs: Runs) -> None:
    runs.open(GRAPH)
    assert runs.put("a", "b", seal=True) == "ok"
    first, second = runs.take().claims
    assert runs.put("b1", "b2", source="parts", scope="1", seal=True) == "ok"
    assert runs.put("a1", "a2", source="parts", scope="0", seal=True) == "ok"
    runs.answer(second, "2")
    runs.answer(first, "2")
    assert [claim.custom_id for claim in runs.take(3).claims] == ["facts 0.0", "facts 0.1", "facts 1.0"]


# -- by unit

LONG = "# One\n\n" + "First things are said here. " * 40 + "\n\n# Two\n\n" + "Then other things follow. " * 40


def by(unit: str, **options: Any) -> Flow:
    flow = Flow("units")
    parts = flow.split(unit=unit, **options)  # type: ignore[arg-type]
    flow.map(parts, prompt="{{unit}} {{page}} {{heading}} {{file}} {{start}}", model=MODEL, name="each")
    return flow


def asked_of(flow: Flow, *inputs: dict[str, Any]) -> list[list[str]]:
    with fake({"*": lambda call: call.prompt}) as homa:
        results = homa.run(flow, inputs).results(timeout=PATIENCE_S)
        return [[str(answer) for answer in result.answers["each"]] for result in results]  # type: ignore[union-attr]


def test_a_text_is_cut_into_sections_and_chunks() -> None:
    ((first, second),) = asked_of(by("section"), {"text": LONG, "path": "a.md"})
    assert (first, second.rpartition(" ")[0]) == ("1  One a.md 0", "2  Two a.md")
    (chunks,) = asked_of(by("chunk", tokens=100, overlap=20), {"text": LONG, "path": "a.md"})
    assert len(chunks) > 4
    starts = [int(chunk.rpartition(" ")[2]) for chunk in chunks]
    assert starts == sorted(starts)
    assert asked_of(by("document"), {"text": "all of it"}) == [["1    0"]]


def test_pages_are_those_of_the_input() -> None:
    assert asked_of(by("page"), {"pages": ["One", "", "Three"], "path": "a.pdf"}) == [["1 1  a.pdf 0", "3 3  a.pdf 7"]]


def test_units_are_brought_together_again(homa_echo: FakeHoma) -> None:
    flow = Flow("contracts")
    parts = flow.split(unit="chunk", tokens=100, overlap=10)
    facts = flow.map(parts, prompt="{{unit}}", model=MODEL, name="facts")
    flow.reduce(facts, prompt="All: {{items}}", model=MODEL, fan_in=20, name="whole")
    run = homa_echo.run(flow, [{"text": LONG}, {"text": "short"}], key="k")
    long, short = run.results(timeout=PATIENCE_S)
    assert long.reply.text.startswith("(All: (1)\n\n(2)")
    assert short.reply.text == "(All: (1))"
    assert homa_echo.run(flow, [{"text": LONG}, {"text": "short"}], key="k").id == run.id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "chapter"}, "unit is 'chapter': expected document, page, section, chunk"),
        ({"unit": "page", "tokens": 5}, "tokens is given with unit 'page': expected it with 'chunk' alone"),
        ({"unit": "chunk", "tokens": 0}, "tokens is 0: expected a whole number from 1 to"),
        ({"unit": "chunk", "tokens": 10, "overlap": 6}, "overlap is 6: expected 0 to 5, half of tokens"),
        ({"tokens": 10}, "tokens is given without unit"),
        ({"unit": "page", "parts": "pages"}, "a split has a field, or a function, or a unit"),
        ({"unit": "page", "on": MODEL}, "on is given without function"),
    ],
)
def test_units_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Flow("one").split(**options)


def test_an_input_without_text_is_refused_by_its_number(homa_echo: FakeHoma) -> None:
    with pytest.raises(InvalidRequest, match="input 1 has no field 'text' that is a text: a split by chunk cuts that"):
        homa_echo.run(by("chunk"), [{"text": "a"}, {"body": "b"}])


def test_a_file_names_the_unit(tmp_path: Path) -> None:
    def read(said: str) -> Flow:
        (tmp_path / "flow.toml").write_text(
            f'name = "units"\n[steps.chunks]\n{said}\n[steps.each]\nmap = "chunks"\nmodel = "{MODEL}"\n'
            'prompt = "{{unit}} {{page}} {{heading}} {{file}} {{start}}"\n'
        )
        return read_flow(tmp_path / "flow.toml")

    found = read('split = "inputs"\nunit = "chunk"\ntokens = 6000\noverlap = 200')
    assert definition_of(found) == definition_of(by("chunk", tokens=6000, overlap=200))
    steps = {each["name"]: each for each in orjson.loads(definition_of(found))["steps"]}
    assert as_text(steps, {})[1] == "└─ chunks  split by chunk, 6,000 tokens"
    with pytest.raises(InvalidRequest, match=r"\[steps.chunks\]: split is 'pages' with a unit: expected 'inputs'"):
        read('split = "pages"\nunit = "page"')


def test_the_units_are_those_that_files_are_cut_into() -> None:
    assert (parts.UNITS, parts.TOKENS) == (unit.KINDS, unit.CHUNK_TOKENS)
