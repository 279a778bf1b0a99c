"""Flows from files: what they say, and what is wrong with them, by file and step."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import orjson
import pytest

from homa import Flow, InvalidRequest
from homa.flows.compiling import definition_of
from homa.flows.drawing import as_svg, as_text
from homa.flows.toml import read_flow

MODEL = "openai:gpt-6-luna"
GOOD = f"""
name = "contracts"

[steps.whole]
reduce = "facts"
prompt = "@whole.txt"
model = "{MODEL}"
fan_in = 5

[steps.facts]
map = "pages"
prompt = "Facts: {{{{text}}}}"
schema = "facts.json"
model = "{MODEL}"
max_tokens = 100

[steps.pages]
split = "pages"

[steps.said]
map = ["whole", "inputs"]
prompt = "{{{{whole}}}} of {{{{path}}}}"
model = "{MODEL}"
"""
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "whole.txt").write_text("Bring together: {{items}}\n")
    (tmp_path / "facts.json").write_text(json.dumps(SCHEMA))
    return tmp_path


def read(folder: Path, text: str) -> Flow:
    (folder / "flow.toml").write_text(text)
    return read_flow(folder / "flow.toml")


def same_in_python() -> Flow:
    flow = Flow("contracts")
    pages = flow.split("pages")
    facts = flow.map(pages, prompt="Facts: {{text}}", schema=SCHEMA, model=MODEL, max_tokens=100, name="facts")
    whole = flow.reduce(facts, prompt="Bring together: {{items}}", model=MODEL, fan_in=5, name="whole")
    flow.map([whole, flow.inputs], prompt="{{whole}} of {{path}}", model=MODEL, name="said")
    return flow


def test_a_file_says_what_python_says(folder: Path) -> None:
    assert definition_of(read(folder, GOOD)) == definition_of(same_in_python())


@pytest.mark.parametrize(
    ("change", "by", "message"),
    [
        ("name =", "named =", "'named' is unknown: expected name and steps; did you mean 'name'"),
        (
            'reduce = "facts"',
            'reduce = "fact"',
            r"\[steps.whole\]: reduce names 'fact', which is no step.*mean 'facts'",
        ),
        ('map = "pages"', 'map = "said"', r"it follows itself \(whole → facts → said → whole\): expected no cycle"),
        ("fan_in = 5", "fan_in = 1", r"\[steps.whole\]: fan_in is 1: expected a whole number from 2"),
        ("fan_in = 5", "fanin = 5", r"\[steps.whole\]: step whole: unknown option 'fanin': did you mean 'fan_in'"),
        ("{{text}}", "text", r"\[steps.facts\]: step facts: its prompt names nothing of what it follows"),
        ("{{path}}", "{{whole.total}}", None),
        ('"@whole.txt"', '"@hole.txt"', r"\[steps.whole\]: hole.txt: No such file"),
        ('"facts.json"', '"whole.txt"', r"\[steps.facts\]: schema whole.txt: Expecting value"),
        (f'model = "{MODEL}"\nfan_in', "fan_in", r"\[steps.whole\]: missing 1 required keyword-only argument: 'model'"),
        ('split = "pages"', "", r"\[steps.pages\]: says none of them, but nothing: expected one of split, map, reduce"),
        ('split = "pages"', 'split = "pages"\nmap = "inputs"', r"\[steps.pages\]: says split and map: expected one"),
        ('map = "pages"', "map = []", r"\[steps.facts\]: map is \[\]: expected a step's name, or several"),
        ("max_tokens = 100", 'key = "k"', r"\[steps.facts\]: step facts: key has no place in a step"),
        ("max_tokens = 100", "max_token = 100", r"\[steps.facts\]: .*max_token"),
        ('["whole", "inputs"]', '["whole", "facts"]', r"\[steps.said\]: a step follows whole and facts, which are not"),
        ('["whole", "inputs"]', '"whole"\nreduce_ = 1', r"\[steps.said\]: "),
        ("[steps.said]", "[steps.said", "Expected"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(folder: Path, change: str, by: str, message: str | None) -> None:
    assert change in GOOD
    text = GOOD.replace(change, by, 1)
    if message is None:
        read(folder, text)
        return
    with pytest.raises(InvalidRequest, match=message) as told:
        read(folder, text)
    assert str(told.value).startswith(str(folder / "flow.toml"))


def test_a_field_that_no_schema_has_is_refused(folder: Path) -> None:
    text = f'[steps.one]\nmap = "inputs"\nprompt = "{{{{text}}}}"\nmodel = "{MODEL}"\nschema = "facts.json"\n'
    text += f'[steps.two]\nmap = "one"\nprompt = "{{{{totel}}}}"\nmodel = "{MODEL}"\n'
    with pytest.raises(InvalidRequest, match=r"\[steps.two\]: .*names \{\{totel\}\}, which one does not have.*total"):
        read(folder, text)


def test_files_that_are_none(folder: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"nowhere.toml: No such file"):
        read_flow(folder / "nowhere.toml")
    with pytest.raises(InvalidRequest, match=r"no step: expected \[steps.NAME\]"):
        read(folder, 'name = "empty"')
    with pytest.raises(InvalidRequest, match="name is 'two words': expected a letter"):
        read(folder, GOOD.replace('"contracts"', '"two words"'))


def test_a_flow_is_drawn() -> None:
    steps = {step["name"]: step for step in orjson.loads(definition_of(same_in_python()))["steps"]}
    assert as_text(steps, {"facts": "3 of 4 done"}) == [
        "inputs  inputs",
        "├─ pages  split",
        f"│  └─ facts  map, {MODEL}  3 of 4 done",
        f"│     └─ whole  reduce of 5, {MODEL}",
        f"└─ said  map, {MODEL}, also after whole",
    ]
    svg = ElementTree.fromstring(as_svg(steps, {"facts": "3 < 4"}))
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"inputs", "pages", "facts", "whole", "said", "3 < 4"} <= set(texts)
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}rect"))) == 5
    assert len([path for path in svg.iter("{http://www.w3.org/2000/svg}path") if path.get("marker-end")]) == 5
