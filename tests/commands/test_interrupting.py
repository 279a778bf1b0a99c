"""`homa run` as a process that is killed, interrupted, or left without workers or store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from homa.supervision import own_workers
from homa_shared.store import reads
from homa_shared.store.embedded import EmbeddedStore
from tests.commands.conftest import DEFAULTS, MODEL, Fleet, Invoke, finished, ids, lines, start, write_rows
from tests.fixtures.results import records
from tests.fixtures.store import eventually


@pytest.fixture
def slow(fleet: Fleet) -> Fleet:
    """A provider with some 50 replies a second, so that a run lasts."""
    fleet.simulator.configure(latency_ms=200.0)
    fleet.env["HOMA_PROVIDERS__OPENAI__CONCURRENCY"] = "10"
    return fleet


def written(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def run_args(rows: str = "rows.jsonl", out: str = "out.jsonl") -> tuple[str, ...]:
    return ("run", rows, "--model", MODEL, "-o", out, "--json")


def test_a_run_brings_its_own_worker_and_takes_it_along_when_it_ends(fleet: Fleet, folder: Path):
    names = write_rows(folder / "rows.jsonl", 50)
    status, out, err = finished(start(fleet, *run_args()))
    assert status == 0, err
    assert sorted(ids(folder / "out.jsonl")) == sorted(names)
    assert json.loads(out)["succeeded"] == 50
    assert fleet.workers() == 0
    assert not list((Path(fleet.env["HOMA_HOME"]) / "logs").iterdir())


def test_resume_after_a_kill_does_only_the_rest(slow: Fleet, folder: Path):
    names = write_rows(folder / "rows.jsonl", 80)
    before = slow.received()
    process = start(slow, *run_args())
    eventually(lambda: written(folder / "out.jsonl") >= 20)
    process.kill()
    finished(process)
    # Its worker notices, finishes its calls and leaves: their results are in the store, and in no line.
    eventually(lambda: slow.workers() == 0)
    assert slow.received() - before < 80
    had = written(folder / "out.jsonl")
    status, out, err = finished(start(slow, *run_args(), "--resume"))
    assert status == 0, err
    assert sorted(ids(folder / "out.jsonl")) == sorted(names)
    # No input was called twice.
    assert slow.received() - before == 80
    summary = json.loads(out)
    assert (summary["total"], summary["succeeded"]) == (80, 80)
    assert had < 80
    assert not (folder / "out.jsonl.run.json").exists()


def test_resume_after_a_kill_while_rows_are_still_read(slow: Fleet, folder: Path):
    """Rows that were never submitted, rows that wait, rows that ended unwritten: each is done once."""
    names = write_rows(folder / "rows.jsonl", 60)
    before = slow.received()
    process = start_with_window(slow.env, 20)
    eventually(lambda: written(folder / "out.jsonl") >= 10)
    process.kill()
    finished(process)
    eventually(lambda: slow.workers() == 0)
    note = json.loads((folder / "out.jsonl.run.json").read_bytes())
    view = slow.store.run(reads.batch(slow.store.keys, note["batch"]))
    assert view is not None
    assert view.state == "open"
    assert view.submitted < 60
    status, _, err = finished(start(slow, *run_args(), "--resume"))
    assert status == 0, err
    assert sorted(ids(folder / "out.jsonl")) == sorted(names)
    assert slow.received() - before == 60


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_changed_rows_are_paid_once_however_often_their_run_is_killed(slow: Fleet, folder: Path, out: str):
    """Rows that moved keep their answers, those that changed are asked once, by whichever part of the run."""
    args = ("run", "t.csv", "--model", MODEL, "-o", out, "--json")
    table = folder / "t.csv"
    journal = folder / (out if out.endswith(".csv") else f"{out}.journal.jsonl")
    texts = [f"text {number}" for number in range(60)]
    table.write_text("\n".join(["text", *texts]))
    status, _, err = finished(start(slow, *args))
    assert status == 0, err
    before = slow.received()
    texts = ["inserted", *(f"{text} changed" if number % 2 else text for number, text in enumerate(texts))]
    table.write_text("\n".join(["text", *texts]))
    for lines_more in (1, 10):
        process = start(slow, *args, "--resume")
        eventually(lambda: written(journal) >= 30 + lines_more and (folder / f"{out}.run.json").exists())  # noqa: B023
        process.kill()
        finished(process)
    eventually(lambda: slow.workers() == 0)
    status, told, err = finished(start(slow, *args, "--resume"))
    assert status == 0, err
    assert slow.received() - before == 31
    assert json.loads(told)["succeeded"] == 61
    answered = {row["custom_id"]: row["reply_text"] for row in records(folder / out)}
    assert answered == {f"t.csv:{number}": text for number, text in enumerate(texts, 2)}


def start_with_window(env: dict[str, str], window: int) -> subprocess.Popen[str]:
    """`homa run` whose feeder goes only so far ahead."""
    code = (
        f"import sys, homa.cli.run.attached as a; a.WINDOW = {window}; from homa.cli import main; "
        f"main({list(run_args())!r})"
    )
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **env}, stdout=pipe, stderr=pipe, text=True
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_finishes_calls_in_flight_and_pauses(
    slow: Fleet, folder: Path, number: signal.Signals, status: int
):
    names = write_rows(folder / "rows.jsonl", 80)
    before = slow.received()
    process = start(slow, *run_args())
    eventually(lambda: written(folder / "out.jsonl") >= 10)
    process.send_signal(number)
    ended, out, err = finished(process)
    assert ended == status, err
    summary = json.loads(out)
    # What was in flight has its line: nothing was called in vain.
    assert written(folder / "out.jsonl") == summary["succeeded"] == slow.received() - before
    assert f"homa run rows.jsonl --model {MODEL} -o out.jsonl --resume" in err
    assert f"homa batches cancel {summary['batch']}" in err
    view = slow.store.run(reads.batch(slow.store.keys, summary["batch"]))
    assert view is not None
    assert view.paused
    ended, _, err = finished(start(slow, *run_args(), "--resume"))
    assert ended == 0, err
    assert sorted(ids(folder / "out.jsonl")) == sorted(names)
    assert slow.received() - before == 80


def start_interrupted_at(env: dict[str, str], line: int) -> subprocess.Popen[str]:
    """`homa run` that gets a signal when it has written so many lines."""
    code = f"""
import os, signal
from homa.cli import main
from homa.runs.collector import Collector

take = Collector.take

def interrupted(self, *line, **more):
    take(self, *line, **more)
    if self._state.tally.ended == {line}:
        os.kill(os.getpid(), signal.SIGINT)

Collector.take = interrupted
main({list(run_args())!r})
"""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **env}, stdout=pipe, stderr=pipe, text=True
    )


@pytest.mark.parametrize("line", [5, 1], ids=["after the last line", "while the last calls are in flight"])
def test_a_signal_that_finds_nothing_to_stop_lets_the_run_end(slow: Fleet, folder: Path, line: int):
    names = write_rows(folder / "rows.jsonl", 5)
    ended, out, err = finished(start_interrupted_at(slow.env, line))
    assert ended == 0, err
    assert sorted(ids(folder / "out.jsonl")) == sorted(names)
    assert json.loads(out)["succeeded"] == 5
    assert "--resume" not in err
    assert "interrupted" not in err
    assert not (folder / "out.jsonl.run.json").exists()


def test_a_second_signal_ends_the_run_at_once(slow: Fleet, folder: Path):
    slow.simulator.configure(latency_ms=30_000.0)
    write_rows(folder / "rows.jsonl", 20)
    process = start(slow, *run_args())
    eventually(lambda: slow.simulator.stats()["in_flight"] > 0)
    process.send_signal(signal.SIGINT)
    eventually(lambda: _paused(slow, folder))
    process.send_signal(signal.SIGINT)
    ended, _, err = finished(process, 15)
    assert ended == 130, err
    assert "stopped at once" in err
    assert fleet_has_left(slow)


def _paused(fleet: Fleet, folder: Path) -> bool:
    note = json.loads((folder / "out.jsonl.run.json").read_bytes())
    view = fleet.store.run(reads.batch(fleet.store.keys, note["batch"]))
    return view is not None and view.paused


def fleet_has_left(fleet: Fleet) -> bool:
    eventually(lambda: fleet.workers() == 0)
    return True


def worker_pids(fleet: Fleet) -> list[int]:
    return [row.facts["pid"] for row in fleet.store.run(reads.workers(fleet.store.keys)) if row.live]


def test_a_worker_that_dies_is_started_again(slow: Fleet, folder: Path):
    names = write_rows(folder / "rows.jsonl", 60)
    process = start(slow, *run_args())
    eventually(lambda: written(folder / "out.jsonl") >= 10)
    os.kill(worker_pids(slow)[0], signal.SIGKILL)
    status, _, err = finished(process)
    assert status == 0, err
    assert sorted(ids(folder / "out.jsonl")) == sorted(names)


def test_a_worker_that_cannot_start_ends_the_run_with_its_log(
    fleet: Fleet, folder: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(own_workers, "RESTARTS", 0)
    write_rows(folder / "rows.jsonl", 3)
    answer = invoke({**fleet.env, "HOMA_SENTRY_DSN": "no address"}, *run_args())
    assert answer.exit_code in (2, 3)
    assert "worker ended" in answer.stderr
    assert "the end of" in answer.stderr


def test_n_workers_share_a_run(slow: Fleet, folder: Path):
    # Work for one worker for longer than the other takes to start on a busy machine.
    names = write_rows(folder / "rows.jsonl", 600)
    process = start(slow, *run_args(), "--workers", "2")
    eventually(lambda: slow.workers() == 2)
    status, _, err = finished(process)
    assert status == 0, err
    assert sorted(ids(folder / "out.jsonl")) == sorted(names)


def test_without_workers_a_run_waits_for_one(fleet: Fleet, folder: Path):
    write_rows(folder / "rows.jsonl", 3)
    process = start(fleet, *run_args(), "--workers", "none")
    eventually(lambda: (folder / "out.jsonl.run.json").exists())
    worker = start(fleet, "worker", "openai")
    status, _, err = finished(process)
    worker.terminate()
    finished(worker)
    assert status == 0, err
    assert "no live worker serves" in err


def test_an_output_begun_anew_cancels_what_was_left_of_the_old_one(slow: Fleet, folder: Path, invoke: Invoke):
    write_rows(folder / "rows.jsonl", 60)
    process = start(slow, *run_args())
    eventually(lambda: written(folder / "out.jsonl") >= 5)
    process.send_signal(signal.SIGINT)
    _, out, _ = finished(process)
    batch = json.loads(out)["batch"]
    slow.simulator.configure(**DEFAULTS)
    status, _, err = finished(start(slow, *run_args(), "--force", "--limit", "2"))
    assert status == 0, err
    assert f"cancelled what was left of batch {batch}" in err
    assert len(lines(folder / "out.jsonl")) == 2


def test_the_embedded_store_is_started_where_none_is_set(fleet: Fleet, folder: Path, tmp_path: Path):
    write_rows(folder / "rows.jsonl", 3)
    home = tmp_path / "own"
    env = {name: value for name, value in fleet.env.items() if name != "HOMA_REDIS_URL"}
    own = Fleet(fleet.store, fleet.simulator, {**env, "HOMA_HOME": str(home)})
    try:
        status, _, err = finished(start(own, *run_args()))
        assert status == 0, err
        assert err.startswith("homa: store unix://")
        assert len(lines(folder / "out.jsonl")) == 3
    finally:
        EmbeddedStore(home).stop()


def test_a_store_that_is_away_ends_with_3(fleet: Fleet, folder: Path):
    write_rows(folder / "rows.jsonl", 3)
    fleet.env["HOMA_REDIS_URL"] = "redis://127.0.0.1:1/0"
    status, _, err = finished(start(fleet, *run_args()))
    assert status == 3, err
    assert "127.0.0.1:1" in err
    assert "Traceback" not in err
