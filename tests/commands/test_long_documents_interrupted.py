"""`homa run --long map-reduce` as a process that is killed or interrupted: no part is paid twice."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homa_shared.store import reads
from tests.commands.conftest import DEFAULTS, MODEL, Fleet, finished, lines, start
from tests.documents.test_units import prose
from tests.fixtures.store import eventually

ASKED = (
    "run", "docs", "--model", MODEL, "--max-tokens", "100", "-o", "o.jsonl", "--json", "--window", "1500",
)  # fmt: skip

PARTS = ("--long", "map-reduce", "--chunk-tokens", "120")


@pytest.fixture
def slow(fleet: Fleet, folder: Path) -> Iterator[Fleet]:
    """A provider with some 20 replies a second, and two documents above the window."""
    fleet.simulator.configure(latency_ms=200.0, reply="words")
    fleet.env["HOMA_PROVIDERS__OPENAI__CONCURRENCY"] = "4"
    (folder / "docs").mkdir()
    for number in (1, 2):
        (folder / "docs" / f"{number}.txt").write_text(prose(number + 20, paragraphs=40))
    (folder / "docs" / "short.txt").write_text("Few words.")
    yield fleet
    fleet.simulator.configure(**DEFAULTS, reply="echo")


def answers(folder: Path) -> int:
    """Answers that the lines of both documents are made of."""
    notes = [line["homa"]["notes"][0] for line in lines(folder / "o.jsonl") if line["custom_id"] != "docs/short.txt"]
    return sum(int(note.split("put together of ")[1].split()[0]) for note in notes)


def begun(fleet: Fleet, process: Any, before: int) -> None:
    """Waits until some parts have been asked about."""
    eventually(lambda: fleet.received() - before >= 8 or process.poll() is not None)
    assert process.poll() is None


@pytest.mark.parametrize(("way", "tokens"), [("map-reduce", "120"), ("refine", "200")])
def test_a_killed_run_is_gone_on_with_and_no_part_is_paid_twice(
    slow: Fleet, folder: Path, way: str, tokens: str
) -> None:
    before = slow.received()
    process = start(slow, *ASKED, "--long", way, "--chunk-tokens", tokens)
    begun(slow, process, before)
    process.kill()
    finished(process)
    eventually(lambda: slow.workers() == 0)
    assert len(lines(folder / "o.jsonl")) < 3
    status, out, err = finished(start(slow, *ASKED, "--long", way, "--chunk-tokens", tokens, "--resume"))
    assert status == 0, err
    summary = json.loads(out)
    assert (summary["total"], summary["succeeded"]) == (3, 3)
    assert slow.received() - before == answers(folder) + 1
    bill = slow.simulator.bill()["total"]
    assert bill["requests"] >= answers(folder)
    assert not (folder / "o.jsonl.run.json").exists()


def test_a_killed_run_with_a_budget_goes_on_within_it(slow: Fleet, folder: Path) -> None:
    before = slow.received()
    process = start(slow, *ASKED, *PARTS, "--budget", "1")
    begun(slow, process, before)
    process.kill()
    finished(process)
    status, out, err = finished(start(slow, *ASKED, *PARTS, "--budget", "1", "--resume"))
    assert status == 0, err
    summary = json.loads(out)
    assert summary["succeeded"] == 3
    # What was in flight may have been called off, and is then paid again.
    assert slow.received() - before <= answers(folder) + 1 + 4
    assert float(summary["cost_usd"]) + float(summary["unresolved_usd"]) <= 1


def test_an_interrupted_run_pauses_its_flow_and_goes_on(slow: Fleet, folder: Path) -> None:
    before = slow.received()
    process = start(slow, *ASKED, *PARTS)
    begun(slow, process, before)
    process.send_signal(signal.SIGINT)
    status, _, err = finished(process)
    assert status == 130, err
    assert "go on with: homa run docs" in err
    (noted,) = json.loads((folder / "o.jsonl.run.json").read_bytes())["runs"]
    view = slow.store.run(reads.batch(slow.store.keys, noted["id"]))
    assert view is not None
    assert view.paused
    status, _, err = finished(start(slow, *ASKED, *PARTS, "--resume"))
    assert status == 0, err
    assert slow.received() - before == answers(folder) + 1


def test_a_run_of_other_documents_ends_the_flow_of_those_before(slow: Fleet, folder: Path) -> None:
    before = slow.received()
    process = start(slow, *ASKED, *PARTS)
    begun(slow, process, before)
    process.kill()
    finished(process)
    (noted,) = json.loads((folder / "o.jsonl.run.json").read_bytes())["runs"]
    for number in (1, 2):
        (folder / "docs" / f"{number}.txt").write_text("Few words by now.")
    status, _, err = finished(start(slow, *ASKED, *PARTS, "--resume"))
    assert status == 0, err
    view = slow.store.run(reads.batch(slow.store.keys, noted["id"]))
    assert view is not None
    assert view.cancel


def test_an_output_begun_anew_ends_the_flow_of_the_run_before(slow: Fleet, folder: Path) -> None:
    before = slow.received()
    process = start(slow, *ASKED, *PARTS)
    begun(slow, process, before)
    process.kill()
    finished(process)
    (noted,) = json.loads((folder / "o.jsonl.run.json").read_bytes())["runs"]
    status, _, err = finished(start(slow, *ASKED, "--long", "truncate", "--force"))
    assert status == 0, err
    assert "cancelled what was left of batch" in err
    view = slow.store.run(reads.batch(slow.store.keys, noted["id"]))
    assert view is not None
    assert view.cancel
