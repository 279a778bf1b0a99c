"""Files into a run and its results into a file: every format, a line for each input."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from homa import AsyncHoma, Flow, InvalidRequest
from homa.testing import FakeHoma, Refused, fake
from tests.fixtures.bucket_server import Bucket
from tests.patience import PATIENCE_S
from tests.worker.cell import MINI, Cell

MODEL = "openai:gpt-6-luna"
SCHEMA = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contracts").mkdir()
    for name in "abc":
        (tmp_path / "contracts" / f"{name}.txt").write_text(f"text of {name}")
    (tmp_path / "contracts" / "b2.bin").write_bytes(b"\x7fELF\2\0\0\0")
    return tmp_path


@pytest.fixture
def homa() -> Iterator[FakeHoma]:
    with fake({"*b": Refused("no"), "Sum*": {"total": 7}, "*": lambda call: f"({call.prompt})"}) as made:
        yield made


def contracts() -> Flow:
    flow = Flow("contracts")
    parts = flow.split(unit="chunk", tokens=6000, overlap=200)
    facts = flow.map(parts, prompt="{{text}}", model=MODEL, name="facts")
    flow.reduce(facts, prompt="Sum {{items}}", schema=SCHEMA, model=MODEL, fan_in=20, name="whole")
    return flow


def test_a_folder_becomes_a_table(homa: FakeHoma, folder: Path) -> None:
    run = homa.run(contracts(), ["contracts/"], output="facts.parquet", budget_usd=20)
    assert run.progress().complete
    table = pq.read_table(folder / "facts.parquet").to_pylist()
    assert [row["custom_id"] for row in table] == [
        f"contracts/{name}" for name in ("a.txt", "b.txt", "b2.bin", "c.txt")
    ]
    assert [row["total"] for row in table] == [7, None, None, 7]
    assert "no" in table[1]["error"]


@pytest.mark.parametrize(
    "output", ["facts.csv", "facts.tsv", "facts.xlsx", "facts.sqlite#facts", "facts.jsonl", "facts/"]
)
def test_every_format_has_a_line_an_input(homa: FakeHoma, folder: Path, output: str) -> None:
    homa.run(contracts(), "contracts", output=output)
    assert Path(output.partition("#")[0]).exists()
    if output.endswith((".csv", ".tsv")):
        with Path(output).open() as lines:
            found = list(csv.DictReader(lines, delimiter="," if output.endswith("csv") else "\t"))
        assert [(row["custom_id"], row["total"]) for row in found] == [
            ("contracts/a.txt", "7"),
            ("contracts/b.txt", ""),
            ("contracts/b2.bin", ""),
            ("contracts/c.txt", "7"),
        ]
    if output == "facts.jsonl":
        rows = [json.loads(line) for line in Path(output).read_text().splitlines()]
        assert [row["error"] is None for row in rows] == [True, False, False, True]


def test_columns_of_rows_stand_beside_their_answers(homa: FakeHoma, folder: Path) -> None:
    (folder / "rows.csv").write_text("id,name,words\nr1,Ann,one\nr2,Bo,two\n")
    flow = Flow("rows")
    flow.map(prompt="{{name}} {{words}}", model=MODEL, name="said")
    homa.run(flow, [Path("rows.csv")], output=folder / "out.csv")
    with (folder / "out.csv").open() as lines:
        found = list(csv.DictReader(lines))
    assert [(row["name"], row["text"]) for row in found] == [("Ann", "(Ann one)"), ("Bo", "(Bo two)")]


def several() -> Flow:
    flow = Flow("several")
    flow.map(prompt="one {{text}}", model=MODEL, name="one")
    flow.map(flow.split("parts"), prompt="part {{text}}", model=MODEL, name="two")
    return flow


def test_several_answers_have_a_line_each_but_in_json_lines(homa: FakeHoma, folder: Path) -> None:
    inputs = [{"text": "x", "parts": ["p", "q"]}]
    homa.run(several(), inputs, output="out.csv")
    with (folder / "out.csv").open() as lines:
        found = {row["custom_id"]: row["text"] for row in csv.DictReader(lines)}
    assert found == {"input 0#one": "(one x)", "input 0#two.0": "(part p)", "input 0#two.1": "(part q)"}
    homa.run(several(), inputs, output="out.jsonl")
    (line,) = (json.loads(each) for each in (folder / "out.jsonl").read_text().splitlines())
    assert (line["custom_id"], list(line["answers"])) == ("input 0", ["one", "two"])
    assert [each["custom_id"] for each in line["answers"]["two"]] == ["input 0", "input 0"]


def test_an_answer_for_all_together_has_a_line_of_its_own(homa: FakeHoma, folder: Path) -> None:
    flow = Flow("digest")
    flow.reduce(flow.map(prompt="{{text}}", model=MODEL), prompt="All: {{items}}", model=MODEL, name="digest")
    homa.run(flow, ["contracts/a.txt", "contracts/c.txt"], output="out.jsonl")
    (line,) = (json.loads(each) for each in (folder / "out.jsonl").read_text().splitlines())
    said = line["response"]["body"]["choices"][0]["message"]["content"]
    assert (line["custom_id"], said) == ("digest", "(All: (text of a)\n\n(text of c))")


def test_files_without_an_output_are_inputs_too(homa: FakeHoma, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    flow = Flow("files")
    flow.map(prompt="{{path}}: {{text}}", model=MODEL)
    results = list(homa.run(flow, ["contracts/a.txt", "contracts/b2.bin"]).results(timeout=PATIENCE_S))
    assert [result.reply.text for result in results] == ["(a.txt: text of a)"]
    assert "b2.bin" in caplog.text


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["nowhere/"], "out.csv", "nowhere"),
        (["contracts/", {"text": "a"}], "out.csv", "names of files and fields beside one another"),
        (["contracts/"], "out.doc", "no format is called .doc"),
        (["contracts/"], "nowhere/out.csv", "nowhere/out.csv cannot be written: .* is no folder that"),
        (["contracts/"], "contracts/", "holds other files: expected a new or empty folder"),
        (["contracts/"], 3, "output is 3: expected a path"),
        (["contracts/"], "https://x.example/out.csv", "nothing is written to web servers"),
        (["contracts/a.txt"], "contracts/a.txt", "no format|exists|output of this run"),
        (["there.csv"], "there.csv", "exists: expected another place, or force=True"),
        ([], "out.csv", None),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_paid(
    homa: FakeHoma, folder: Path, inputs: Any, output: Any, message: str | None
) -> None:
    (folder / "there.csv").write_text("id,text\n1,a\n")
    if message is None:
        assert homa.run(contracts(), inputs, output=output).progress().inputs == 0
        return
    with pytest.raises(InvalidRequest, match=message):
        homa.run(contracts(), inputs, output=output)
    assert homa.calls == []
    assert (folder / "there.csv").read_text() == "id,text\n1,a\n"


def test_an_output_that_is_there_is_written_anew_where_that_is_asked_for(homa: FakeHoma, folder: Path) -> None:
    (folder / "out.csv").write_text("something")
    homa.run(contracts(), ["contracts/a.txt"], output="out.csv", force=True)
    assert (folder / "out.csv").read_text().startswith("custom_id")


async def test_an_event_loop_writes_the_same(cell: Cell, folder: Path) -> None:
    await cell.worker()
    flow = Flow("said")
    flow.map(prompt="[[say:<{{text}}>]]", model=MINI, max_tokens=50)
    async with AsyncHoma(settings=cell.settings()) as homa:
        run = await homa.run(flow, ["contracts/a.txt", "contracts/c.txt"], output="out.csv")
        assert (await run.progress()).complete
    with (folder / "out.csv").open() as lines:
        assert [row["text"] for row in csv.DictReader(lines)] == ["<text of a>", "<text of c>"]


def test_what_was_guessed_of_files_is_told(homa: FakeHoma, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "a.txt").write_bytes("Größe und Maße: drei Kisten für Jürgen, bezahlt.".encode("cp1252"))
    (folder / "b.csv").write_text("id,text,id\nx,Text,y\n")
    parts = Flow("sections")
    parts.map(parts.split(unit="section"), prompt="{{text}}", model=MODEL)
    homa.run(parts, ["a.txt", "b.csv"]).wait(PATIENCE_S)
    told = [record.getMessage() for record in caplog.records if record.name == "homa"]
    assert told[0].startswith("b.csv: header names 'id' more than once")
    assert told[1:] == [
        "a.txt: has no headings: it is one section",
        "a.txt: its encoding is guessed: cp1252 (name it with --encoding)",
    ]
    two = Flow("two")
    two.map(prompt="1 {{text}}", model=MODEL, name="one")
    two.map(prompt="2 {{text}}", model=MODEL, name="two")
    homa.run(two, ["a.txt"], output="out.jsonl")
    (line,) = (json.loads(each) for each in Path("out.jsonl").read_text().splitlines())
    assert (list(line["answers"]), line["homa"]["notes"]) == (["one", "two"], [told[2].removeprefix("a.txt: ")])


async def test_results_may_go_to_a_bucket(folder: Path, bucket: Bucket) -> None:
    flow = Flow("digest")
    flow.reduce(flow.map(prompt="{{text}}", model=MODEL), prompt="All: {{items}}", model=MODEL, name="digest")
    with fake("fine") as homa:
        homa.run(flow, ["contracts/a.txt"], output="s3://lake/out.csv")
        assert bucket.objects["out.csv"].count(b"digest,fine") == 1
        bucket.put("out.csv", "precious")
        with pytest.raises(InvalidRequest, match=r"s3://lake/out\.csv exists"):
            homa.run(flow, ["contracts/a.txt"], output="s3://lake/out.csv")
        assert bucket.objects["out.csv"] == b"precious"
        homa.run(flow, ["contracts/a.txt"], output="s3://lake/out.csv", force=True)
        assert bucket.objects["out.csv"].count(b"digest,fine") == 1
    async with fake("good") as away:
        assert isinstance(away, AsyncHoma)
        await away.run(flow, ["contracts/a.txt"], output="s3://lake/async.csv")
    assert bucket.objects["async.csv"].count(b"digest,good") == 1
