"""Only what has changed is done again: nodes are kept under what they depend on."""

from __future__ import annotations

import pytest

from homa import Flow, InvalidRequest
from homa.testing import FakeHoma
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"
DOCUMENTS = [{"parts": [f"{n}{letter}" for letter in "abc"]} for n in range(3)]


def documents(*, each: str = "{{text}}", whole: str = "All: {{items}}") -> Flow:
    flow = Flow("contracts")
    facts = flow.map(flow.split(), prompt=each, model=MODEL, name="facts")
    flow.reduce(facts, prompt=whole, model=MODEL, name="whole", fan_in=2)
    return flow


def done(homa: FakeHoma, flow: Flow, inputs: list[dict[str, list[str]]], **options: bool) -> tuple[int, list[str]]:
    """Calls that a run took, and its answers."""
    before = len(homa.calls)
    results = list(homa.run(flow, inputs, **options).results(timeout=PATIENCE_S))  # type: ignore[arg-type]
    return len(homa.calls) - before, [result.reply.text for result in results]


def test_nothing_is_done_twice(homa_echo: FakeHoma) -> None:
    first = done(homa_echo, documents(), DOCUMENTS)
    assert first[0] == 9 + 9
    again = done(homa_echo, documents(), DOCUMENTS)
    assert again == (0, first[1])
    (result, *_) = homa_echo.run(documents(), DOCUMENTS).results(timeout=PATIENCE_S)
    assert result.reply.cached
    assert result.reply.cost_nano_usd == 0


def test_a_changed_reduce_repeats_the_reduces_alone(homa_echo: FakeHoma) -> None:
    done(homa_echo, documents(), DOCUMENTS)
    calls, answers = done(homa_echo, documents(whole="Now: {{items}}"), DOCUMENTS)
    assert calls == 9
    assert answers[0] == "(Now: (Now: (0a)\n\n(0b))\n\n(Now: (0c)))"


def test_a_changed_part_repeats_what_is_made_of_it(homa_echo: FakeHoma) -> None:
    done(homa_echo, documents(), DOCUMENTS)
    changed = [DOCUMENTS[0], {"parts": ["1a", "new", "1c"]}, DOCUMENTS[2]]
    calls, answers = done(homa_echo, documents(), changed)
    assert calls == 1 + 2, "the part, the node above it, the top"
    assert "(new)" in answers[1]


def test_a_changed_map_repeats_all(homa_echo: FakeHoma) -> None:
    done(homa_echo, documents(), DOCUMENTS)
    assert done(homa_echo, documents(each="Read {{text}}"), DOCUMENTS)[0] == 18


def test_equal_parts_are_asked_for_once(homa_echo: FakeHoma) -> None:
    calls, answers = done(homa_echo, documents(), [{"parts": ["same", "same"]}] * 5)
    assert calls == 2
    assert answers == ["(All: (same)\n\n(same))"] * 5


def test_all_is_done_anew_where_it_is_asked_for(homa_echo: FakeHoma) -> None:
    done(homa_echo, documents(), DOCUMENTS)
    assert done(homa_echo, documents(), DOCUMENTS, reuse=False)[0] == 18
    with pytest.raises(InvalidRequest, match="reuse is 'no'"):
        homa_echo.run(documents(), DOCUMENTS, reuse="no")  # type: ignore[arg-type]


def test_filters_stand_by_a_kept_answer(homa_echo: FakeHoma) -> None:
    def flow(pattern: str) -> Flow:
        made = Flow("some")
        facts = made.map(prompt="{{text}}", model=MODEL, name="facts")
        some = made.filter(facts, {"pattern": pattern}, name="some")
        made.map(some, prompt="more {{answer}}", model=MODEL, name="more")
        return made

    inputs = [{"text": "yes"}, {"text": "no"}]
    before = len(homa_echo.calls)
    for calls in (3, 3):
        results = list(homa_echo.run(flow("yes"), inputs).results(timeout=PATIENCE_S))
        kinds = [getattr(answer, "kind", "answer") for result in results for answer in result.answers.values()]
        assert kinds == ["answer", "dropped"]
        assert len(homa_echo.calls) - before == calls
