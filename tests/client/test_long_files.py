"""`Homa.run_files(long=…)`: documents above the window, asked about in parts."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from homa import AsyncHoma, FilesProgress
from homa.testing import FakeCall, fake
from tests.documents.test_units import prose
from tests.patience import PATIENCE_S

LUNA = "openai:gpt-6-luna"
SMALL: dict[str, Any] = {"model": LUNA, "window": 2000, "max_tokens": 100}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A document that fits a window of 2000 tokens, and one that does not."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "long.txt").write_text(prose(paragraphs=120))
    (folder / "short.txt").write_text("Few words.")
    return folder


def told(call: FakeCall) -> object:
    """A whole is told apart from a part."""
    return "whole" if "Bring these answers together" in call.prompt else f"part {len(call.prompt)}"


def by_id(path: Path) -> dict[str, Any]:
    return {line["custom_id"]: line for line in map(json.loads, path.read_bytes().splitlines())}


@pytest.mark.parametrize("way", ["map-reduce", "refine"])
def test_a_long_document_has_one_answer_made_of_those_about_its_parts(docs: Path, way: Any) -> None:
    out = docs.parent / "out.jsonl"
    with fake(told) as homa:
        summary = homa.run_files(docs, **SMALL, long=way, output=out)
        assert (summary.total, summary.succeeded, summary.failed) == (2, 2, 0)
        assert summary.cost_usd == homa.cost_usd
        line = by_id(out)["docs/long.txt"]
        assert line["homa"]["attempts"] == len(homa.calls) - 1 > 3
        assert f"answers about its parts (--long {way})" in line["homa"]["notes"][0]
        again = homa.run_files(docs, **SMALL, long=way, output=out, resume=True)
        assert again.rows["equal"] == 2
        assert not (docs.parent / "out.jsonl.run.json").exists()


def test_results_come_to_who_iterates(docs: Path) -> None:
    with fake(told) as homa:
        results = homa.run_files(docs, **SMALL, long="map-reduce", chunk_tokens=300, overlap=20)
        found = {result.custom_id: result for result in results}
        assert found["docs/long.txt"].text == "whole"
        assert found["docs/long.txt"].cost_usd is not None
        assert results.summary is not None
        assert results.summary.cost_usd == homa.cost_usd


async def test_the_same_on_an_event_loop(docs: Path) -> None:
    async with fake(told) as client:
        assert isinstance(client, AsyncHoma)
        results = await client.run_files(docs, **SMALL, long="map-reduce")
        assert {result.text for result in [each async for each in results]} >= {"whole"}


def test_a_forecast_tells_what_each_way_would_cost(docs: Path) -> None:
    with fake(told) as homa:
        plain = homa.run_files(docs, **SMALL, dry_run=True)
        assert (plain.rows, plain.bad_rows) == (2, 1)
        found = homa.run_files(docs, **SMALL, long="map-reduce", dry_run=True)
        assert (found.rows, found.bad_rows, homa.calls) == (2, 0, [])
        assert found.long is not None
        assert (found.long.rows, found.long.divided, found.long.window, found.long.way) == (1, 1, 2000, "map-reduce")
        ways = found.long.ways
        assert ways["truncate"].calls == 1
        assert ways["map-reduce"].expected_usd is not None
        homa.run_files(docs, **SMALL, long="map-reduce", output=docs.parent / "o.jsonl")
        assert len(homa.calls) - 1 == ways["map-reduce"].calls


def test_a_stored_template_is_asked_of_each_part_with_its_values(tmp_path: Path) -> None:
    rows = [{"id": "a", "most": "7", "text": prose(paragraphs=120)}, {"id": "b", "most": 8, "text": "short"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with fake(told) as homa:
        homa.template("sum-up", "In {{most}} words: {{text}}", system="Be kind.", variables={"most": "integer"})
        results = homa.run_files(tmp_path / "rows.jsonl", **SMALL, template="sum-up", long="map-reduce")
        assert {result.custom_id: result.ok for result in results} == {"a": True, "b": True}
        assert all(call.messages[0] == {"role": "system", "content": "Be kind."} for call in homa.calls)
        parts = [call.prompt for call in homa.calls if "Answer for this part alone" in call.prompt]
        assert len(parts) > 3
        assert all("In 7 words: " in prompt for prompt in parts)
        (whole,) = [call.prompt for call in homa.calls if "Bring these answers together" in call.prompt]
        assert "In [most] words: [the document]" in whole


class Held:
    """A provider that keeps the answers about parts back until it is let."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    def __call__(self, call: FakeCall) -> object:
        if "Answer for this part alone" in call.prompt:
            self.begun.set()
            assert self.let.wait(PATIENCE_S)
        return told(call)


class Left(Exception):
    """Somebody has seen enough."""


def test_who_leaves_a_run_with_an_output_pauses_its_flow_and_pays_no_part_twice(docs: Path) -> None:
    held, out = Held(), docs.parent / "out.jsonl"

    def leave(seen: FilesProgress) -> None:
        if held.begun.is_set():
            raise Left

    with fake(held) as homa:
        with pytest.raises(Left):
            homa.run_files(docs, **SMALL, long="map-reduce", output=out, progress=leave)
        (noted,) = json.loads((docs.parent / "out.jsonl.run.json").read_bytes())["runs"]
        assert homa.flow_run(noted["id"]).progress().paused == "its client has left"
        held.let.set()
        summary = homa.run_files(docs, **SMALL, long="map-reduce", output=out, resume=True)
        assert summary.succeeded == 2
        assert by_id(out)["docs/long.txt"]["homa"]["attempts"] == len(homa.calls) - 1


def test_who_stops_iterating_ends_the_flow(docs: Path) -> None:
    held = Held()
    with fake(held) as homa:
        with homa.run_files(docs, **SMALL, long="map-reduce") as results:
            short = next(results)
            assert held.begun.wait(PATIENCE_S)
        batches = {job.id: job.batch for job in homa.jobs()}
        (run,) = set(batches.values()) - {batches[short.line["homa"]["job"]]}
        assert homa.flow_run(str(run)).progress().cancelled
        held.let.set()
