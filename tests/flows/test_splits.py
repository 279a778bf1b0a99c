"""A flow that cuts its inputs by itself."""

from __future__ import annotations

from typing import Any

import pytest

from homa import Flow, InvalidRequest
from homa.flows.compiling import definition_of
from homa.testing import FakeHoma
from tests.documents.test_units import prose
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"


def contracts(prompt: str = "{{text}}", **said: Any) -> Flow:
    flow = Flow("contracts")
    parts = flow.split(**{"unit": "chunk", "tokens": 100, **said})
    flow.map(parts, prompt=prompt, model=MODEL, name="facts")
    return flow


def texts(homa: FakeHoma, flow: Flow, inputs: list[dict[str, Any]]) -> list[list[str]]:
    results = homa.run(flow, inputs).results(timeout=PATIENCE_S)
    # What it says stands in parentheses.
    return [[answer.text[1:-1] for answer in result.answers["facts"]] for result in results]  # type: ignore[union-attr]


def test_inputs_are_cut_into_chunks(homa_echo: FakeHoma) -> None:
    text = prose(paragraphs=20)
    (found,) = texts(homa_echo, contracts(), [{"path": "a.txt", "text": text}])
    assert len(found) > 5
    assert "".join("".join(found).split()) == "".join(text.split())


def test_inputs_are_cut_at_headings_and_parts_tell_them(homa_echo: FakeHoma) -> None:
    flow = contracts("{{unit}} {{heading}}: {{text}}", unit="section", tokens=None)
    (found,) = texts(homa_echo, flow, [{"text": "# A\n\none\n\n# B\n\ntwo"}])
    assert found == ["1 A: # A\n\none", "2 B: # B\n\ntwo"]


def test_other_parts_are_another_flow() -> None:
    assert definition_of(contracts()) != definition_of(contracts(tokens=101))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"unit": "page"}, "unit is 'page': expected section or chunk; pages of documents are flow.split"),
        ({"unit": "section"}, "tokens is 100: expected it with unit='chunk' alone"),
        ({"tokens": "many"}, "tokens is 'many': expected a whole number"),
        ({"overlap": 60}, "--overlap is 60: expected 0 to 50"),
    ],
)
def test_parts_that_make_no_sense_are_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        contracts(**said)


def test_an_input_without_text_is_told(homa_echo: FakeHoma) -> None:
    with pytest.raises(InvalidRequest, match="input 0 has no field 'text' to cut"):
        homa_echo.run(contracts(), [{"body": "x"}])
