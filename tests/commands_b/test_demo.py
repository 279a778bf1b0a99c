"""`homa demo`: a newcomer's first look holds its promises, leaves nothing behind, and says so when one is broken."""

from __future__ import annotations

import io
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from homa.client.batch_progress import Progress
from homa.demo import environment, walkthrough
from homa.demo.display import report, reporter
from homa.demo.documents import documents
from homa.demo.environment import DemoFailed
from homa.demo.findings import Balance, Findings, quota_use
from homa.demo.walkthrough import Reporter, Snapshot
from homa.supervision.errors import WorkerLost
from homa.supervision.supervisor import WorkerSupervisor
from tests.commands_b.stand import Stand
from tests.fixtures.documents import hold_to_schema

FOUND = Findings(
    documents=2,
    succeeded=2,
    failed=0,
    results=Counter(a=1, b=1),
    faults={"ok": 2, "drop": 1},
    retried=1,
    rerouted=0,
    recovered=1,
    rate_limited=0,
    calls=3,
    unresolved_attempts=1,
    balances=[Balance("openai", 3, known=10, unresolved=5, bill=12)],
    quotas=[quota_use("openai/gpt-6-luna", 60, [(100, 3, 3, 30)])],
    book_errors=[],
    seconds=1.0,
)


def test_every_document_has_one_result_and_the_ledger_agrees_with_the_bill(stand: Stand) -> None:
    with stand.process("demo", "--documents", "150", "--seed", "3", "--json") as process:
        out, err = process.communicate(timeout=150)
    assert process.returncode == 0, err + out
    hold_to_schema(("demo", "--json"), out)
    found = orjson.loads(out)
    assert found["ok"] is True
    assert (found["documents"], found["results"]) == (150, 150)
    assert found["succeeded"] + found["failed"] == 150
    assert found["recovered"] > 0
    assert sum(found["faults"].values()) > 0
    assert found["rate_limited"] == 0
    for provider in found["providers"]:
        known, bill = float(provider["known_usd"]), float(provider["bill_usd"])
        assert known <= bill <= known + float(provider["unresolved_usd"]) + 1e-12
    assert all(check["ok"] for check in found["checks"])
    assert "is killed in mid-call" in err


def test_nothing_is_left_behind_when_it_is_stopped(stand: Stand, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with stand.process("demo", "--documents", "50", TMPDIR=str(temporary)) as process:
        assert process.stdout is not None
        while "worker processes start" not in process.stdout.readline():
            pass
        assert len(list(temporary.glob("homa-demo-*"))) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    assert list(temporary.glob("homa-demo-*")) == []


def test_a_simulator_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_simulated", lambda seed: ["--nonsense"])
    with pytest.raises(DemoFailed, match="the simulated providers do not start"), environment.environment(1):
        pass


def test_a_demo_that_does_not_come_to_its_end_fails(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_simulated", lambda seed: ["--nonsense"])
    said = stand.said("demo")
    assert said.status == 1
    assert "the demo did not come to its end" in said.stderr


def test_workers_that_die_or_dawdle_end_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = Reporter(lambda message: None, lambda seen: None)
    with environment.environment(1) as here:
        (here.home / "homa.toml").write_text("lease_s = 'soon'")
        with pytest.raises(WorkerLost, match=r"worker-\d ended with status 2; the end of (.|\n)*lease_s"):
            walkthrough.run_demo(here, 50, 1, quiet)
        monkeypatch.setattr(walkthrough, "_PATIENCE_S", -100.0)
        monkeypatch.setattr(WorkerSupervisor, "check", lambda self: None)
        with pytest.raises(DemoFailed, match="0 of 50 documents have ended, and time is up"):
            walkthrough.run_demo(here, 50, 1, quiet)


def test_documents_are_many_named_once_and_decided_by_the_seed() -> None:
    for count in (50, 1000, 20_000):
        found = documents(count, 1)
        assert len({document.name for document in found}) == count
        assert len({document.text for document in found}) == count
    assert documents(50, 1) == documents(50, 1)
    assert documents(50, 1) != documents(50, 2)


def test_findings_that_hold_are_told_so() -> None:
    assert FOUND.held
    assert FOUND.document()["ok"] is True
    assert "BROKEN" not in reported(FOUND)
    assert "openai/gpt-6-luna: 180 of 60 calls a minute" in reported(FOUND)


def test_quota_use_counts_whole_seconds_in_which_work_waited() -> None:
    per_second = [(100, 0, 90, 0), (101, 0, 10, 0), (102, 0, 20, 0), (103, 0, 30, 0), (110, 0, 1, 0)]
    assert quota_use("p/m", 600, per_second).used_rpm == 900
    assert quota_use("p/m", 600, []).used_rpm == 0


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        ({"results": Counter(a=2, b=1)}, "nothing is lost"),
        ({"results": Counter(a=1)}, "nothing is lost"),
        ({"book_errors": ["job j1: stands nowhere"]}, "nothing is lost"),
        ({"recovered": 0}, "a killed worker's jobs go on"),
        ({"balances": [Balance("openai", 3, known=10, unresolved=0, bill=12)]}, "nothing is paid unseen at openai"),
        ({"balances": [Balance("openai", 3, known=13, unresolved=0, bill=12)]}, "nothing is paid unseen at openai"),
        ({"rate_limited": 1}, "never over the limit"),
    ],
)
def test_a_broken_promise_is_named(broken: dict[str, object], name: str) -> None:
    found = replace(FOUND, **broken)  # type: ignore[arg-type]
    assert not found.held
    assert [check.name for check in found.checks if not check.held] == [name]
    assert f"BROKEN {name}" in reported(found)


def test_a_broken_promise_ends_with_status_1(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(FOUND, recovered=0)
    monkeypatch.setattr(walkthrough, "run_demo", lambda *_: broken)
    said = stand.said("demo")
    assert said.status == 1
    assert "BROKEN" in said.stdout


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(terminal: bool) -> None:
    out = io.StringIO()
    progress = Progress("complete", 2, 2, 1, 1, 0, 0, None, 1_234_567, 0, 0)
    with reporter(Console(file=out, force_terminal=terminal, width=100)) as told:
        told.say("[it] begins")
        told.show(Snapshot(progress, 2, rerouted=3, recovered=0, running=0))
    said = out.getvalue()
    assert "[it] begins" in said
    assert "3 rerouted, 1 failed, $0.0012" in said
    assert ("2 of 2:" in said) is not terminal


def reported(found: Findings) -> str:
    out = io.StringIO()
    report(Console(file=out, width=200), found)
    return out.getvalue()
