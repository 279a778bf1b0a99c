"""`homa embed`: a vector for each text, in order, as JSON Lines or CSV."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path

import orjson
import pytest

from homa.cli.embed import run as embed_run
from homa.cli.exit_status import SOME_FAILED
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_workers.simulator.replies import embedding
from tests.commands.conftest import Fleet, Invoke, finished, lines, start, write_rows
from tests.fixtures.store import eventually

EMBED = "openai:text-embedding-3-small"


def is_of(vector: list[float], text: str) -> bool:
    return vector == pytest.approx(embedding(text, len(vector)), abs=1e-6)


def test_each_text_gets_a_vector_in_order(staffed: Fleet, invoke: Invoke, folder: Path):
    names = write_rows(folder / "rows.jsonl", 5)
    done = invoke(staffed, "embed", "rows.jsonl", "--model", EMBED)
    assert done.exit_code == 0, done.stderr
    found = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [line["custom_id"] for line in found] == names
    assert all(is_of(line["embedding"], f"row {line['custom_id']}") for line in found)
    assert "5 texts embedded, 0 skipped" in done.stderr


def test_many_texts_go_in_several_jobs(staffed: Fleet, invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embed_run, "TEXTS_PER_JOB", 2)
    write_rows(folder / "rows.jsonl", 5)
    before = staffed.billed()
    done = invoke(staffed, "embed", "rows.jsonl", "--model", EMBED, "--output", "v.jsonl", "--json")
    assert done.exit_code == 0, done.stderr
    assert staffed.billed() - before == 3
    assert len(lines(folder / "v.jsonl")) == 5
    told = json.loads(done.stdout)
    assert (told["texts"], told["skipped"], told["output"]) == (5, 0, "v.jsonl")
    assert float(told["cost_usd"]) > 0


def test_kept_vectors_are_not_called_for_again(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 5)
    first = ("embed", "rows.jsonl", "--model", EMBED, "--cache", "--output", "v.jsonl")
    assert invoke(staffed, *first).exit_code == 0
    eventually(lambda: staffed.store.run(reads.cache_stats(staffed.store.keys))["vectors"] == 5)
    write_rows(folder / "more.jsonl", 6)
    before = staffed.billed()
    done = invoke(staffed, "embed", "more.jsonl", "--model", EMBED, "--cache", "--output", "w.jsonl", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["texts"], told["cached"]) == (6, 5)
    assert staffed.billed() - before == 1
    assert lines(folder / "w.jsonl")[:5] == lines(folder / "v.jsonl")
    again = invoke(staffed, "embed", "rows.jsonl", "--model", EMBED, "--cache")
    assert "5 texts embedded, 5 of them from the cache, 0 skipped, 0 tokens, $0.00" in again.stderr


def test_a_column_is_chosen_and_csv_written(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "rows.csv").write_text("id,title\na,First\nb,Second\n")
    done = invoke(
        staffed, "embed", "rows.csv", "--model", EMBED, "--column", "title", "--dimensions", "8", "--output", "v.csv"
    )
    assert done.exit_code == 0, done.stderr
    with (folder / "v.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["custom_id"] for row in rows] == ["a", "b"]
    assert is_of(json.loads(rows[1]["embedding"]), "Second")
    assert len(json.loads(rows[0]["embedding"])) == 8


def test_standard_input_is_one_text(staffed: Fleet, invoke: Invoke):
    done = invoke(staffed, "embed", "-", "--model", EMBED, given="Hello")
    assert is_of(orjson.loads(done.stdout)["embedding"], "Hello")


def test_an_input_without_text_is_skipped_and_said(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "rows.jsonl").write_text(
        '{"id": "a", "text": "x"}\n{"id": "b"}\nno JSON\n{"id": "c", "text": ""}\n{"id": "d", "text": null}\n'
    )
    done = invoke(staffed, "embed", "rows.jsonl", "--model", EMBED)
    assert done.exit_code == 1
    assert [orjson.loads(line)["custom_id"] for line in done.stdout.splitlines()] == ["a"]
    assert "skipped b: its text is missing" in done.stderr
    assert "skipped c: its text is empty" in done.stderr
    assert "skipped d: its text is empty" in done.stderr
    assert "4 skipped" in done.stderr


def test_an_output_that_exists_is_not_overwritten_unasked(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 1)
    (folder / "v.jsonl").write_text("precious")
    refused = invoke(staffed, "embed", "rows.jsonl", "--model", EMBED, "--output", "v.jsonl")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert (folder / "v.jsonl").read_text() == "precious"
    assert invoke(staffed, "embed", "rows.jsonl", "--model", EMBED, "--output", "v.jsonl", "--force").exit_code == 0
    assert len(lines(folder / "v.jsonl")) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rows.jsonl", "--model", "nope:x"), "no provider is named 'nope'"),
        (("rows.jsonl", "--model", EMBED, "--json"), "--output"),
        (("missing.jsonl", "--model", EMBED), "missing.jsonl"),
        (("rows.jsonl", "--model", EMBED, "--tag", "x"), "--tag"),
    ],
)
def test_wrong_usage_is_named(staffed: Fleet, invoke: Invoke, folder: Path, arguments: tuple[str, ...], said: str):
    write_rows(folder / "rows.jsonl", 1)
    done = invoke(staffed, "embed", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_ctrl_c_cancels_the_job(fleet: Fleet, folder: Path):
    write_rows(folder / "rows.jsonl", 1)
    process = start(fleet, "embed", "rows.jsonl", "--model", EMBED, "--workers", "none")

    def submitted() -> bool:
        return bool(fleet.store.run(reads.jobs(fleet.store.keys, state=State.QUEUED)).jobs)

    eventually(submitted)
    process.send_signal(signal.SIGINT)
    status, _, err = finished(process)
    assert status == 130, err
    assert "cancelled job" in err
    (job,) = fleet.store.run(reads.jobs(fleet.store.keys, state=State.CANCELLED)).jobs
    assert job.state is State.CANCELLED


def test_a_text_that_the_provider_refuses_has_a_line_of_its_own(staffed: Fleet, invoke: Invoke, folder: Path):
    texts = ["One", "[[fault:400]]", "Three"]
    rows = "".join(json.dumps({"custom_id": f"r{n}", "text": text}) + "\n" for n, text in enumerate(texts))
    (folder / "rows.jsonl").write_text(rows)
    done = invoke(staffed, "embed", "rows.jsonl", "--model", EMBED, "--json", "--output", "v.jsonl")
    assert done.exit_code == SOME_FAILED, done.stderr
    first, second, third = lines(folder / "v.jsonl")
    assert is_of(first["embedding"], "One")
    assert is_of(third["embedding"], "Three")
    assert "Invalid request" in second["error"]
    assert "failed r1: invalid_request" in done.stderr
    told = json.loads(done.stdout)
    assert (told["texts"], told["failed"]) == (2, 1)
