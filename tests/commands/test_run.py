"""`homa run` where a worker lives: every input has its line, in every format of input and output."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet
import pytest

from homa.runs import tally
from homa_shared.model.money import parse_usd
from homa_shared.store import reads
from tests.commands.conftest import MODEL, Fleet, Invoke, ids, lines, write_rows
from tests.fixtures.store import eventually


def run(invoke: Invoke, fleet: Fleet, *arguments: str, status: int = 0, given: str | None = None):
    answer = invoke(fleet, "run", *arguments, "--model", MODEL, given=given)
    assert answer.exit_code == status, answer.stderr
    return answer


def test_a_folder_becomes_a_results_file_with_one_line_a_document(staffed: Fleet, invoke: Invoke, folder: Path):
    docs = folder / "docs"
    (docs / "deep").mkdir(parents=True)
    for name in ("a.txt", "b.md", "deep/c.txt"):
        (docs / name).write_text(f"text of {name}")
    (docs / ".hidden").write_text("no")
    (docs / "program").write_bytes(b"\x7fELF\2\0\0\0")
    answer = run(
        invoke, staffed, "docs", "--prompt", "Read {{text}} of {{path}}", "-o", "out.jsonl", "--json", status=1
    )
    by_id = {line["custom_id"]: line for line in lines(folder / "out.jsonl")}
    assert sorted(by_id) == ["docs/.hidden", "docs/a.txt", "docs/b.md", "docs/deep/c.txt", "docs/program"]
    assert by_id["docs/.hidden"]["error"] == {"code": "skipped", "message": "docs/.hidden: is hidden: not read"}
    assert by_id["docs/program"]["error"]["code"] == "skipped"
    first = next(line for line in lines(folder / "out.jsonl") if line["custom_id"] == "docs/a.txt")
    assert first["response"]["status_code"] == 200
    assert first["response"]["body"]["choices"][0]["message"]["content"] == "Read text of a.txt of docs/a.txt"
    assert first["error"] is None
    assert set(first["homa"]) == {
        "job", "provider", "model", "finish_reason", "attempts", "cost_usd", "cached", "queued_ms", "latency_ms",
        "row", "order",
    }  # fmt: skip
    summary = json.loads(answer.stdout)
    assert set(summary) == {
        "batch", "total", "rows", "succeeded", "failed", "skipped", "cancelled", "expired", "cut", "cut_empty",
        "unverified", "quotes", "cost_usd", "unresolved_usd", "unpriced_jobs", "seconds", "output",
    }  # fmt: skip
    assert (summary["total"], summary["succeeded"], summary["failed"]) == (5, 3, 2)
    assert summary["skipped"] == {"hidden": 1, "binary": 1}
    assert summary["output"] == "out.jsonl"
    assert answer.stderr.startswith("homa: store ")
    assert "1 hidden, 1 binary" in answer.stderr
    assert not (folder / "out.jsonl.run.json").exists()


def test_the_cost_is_the_providers_bill(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 30)
    before = staffed.simulator.bill()["total"]["nano_usd"]
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--json")
    billed = staffed.simulator.bill()["total"]["nano_usd"] - before
    assert parse_usd(json.loads(answer.stdout)["cost_usd"]) == billed
    assert sum(parse_usd(line["homa"]["cost_usd"]) for line in lines(folder / "out.jsonl")) == billed


def test_jsonl_rows_that_cannot_be_sent_have_their_line_with_an_error(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "rows.jsonl").write_text(
        '{"id": "good", "text": "hello"}\nnot json\n{"id": "other", "title": "no text"}\n'
        '{"id": "good", "text": "twice"}\n{"id": "empty", "text": ""}\n{"id": "null", "text": null}\n'
    )
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--json", status=1)
    by_id = {line["custom_id"]: line for line in lines(folder / "out.jsonl")}
    assert len(lines(folder / "out.jsonl")) == 6
    assert by_id["good"]["error"] is None
    for name in ("rows.jsonl:2", "other", "rows.jsonl:4", "empty", "null"):
        assert by_id[name]["error"]["code"] == "invalid_input", name
        assert by_id[name]["response"] is None
    summary = json.loads(answer.stdout)
    assert (summary["total"], summary["succeeded"], summary["failed"]) == (6, 1, 5)


def test_csv_in_csv_out_keeps_the_columns(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "in.csv").write_text("id,question,team\n" + "".join(f"q{i},Is it {i}?,t{i % 3}\n" for i in range(40)))
    run(invoke, staffed, "in.csv", "--prompt", "{{question}}", "-o", "out.csv")
    with (folder / "out.csv").open(newline="") as file:
        records = {record["custom_id"]: record for record in csv.DictReader(file)}
    assert len(records) == 40
    assert all(record["question"] == record["text"] == f"Is it {name[1:]}?" for name, record in records.items())
    assert records["q4"]["team"] == "t1"


def test_parquet_out_keeps_the_columns(staffed: Fleet, invoke: Invoke, folder: Path):
    names = write_rows(folder / "rows.jsonl", 25)
    run(invoke, staffed, "rows.jsonl", "-o", "out.parquet")
    table = pyarrow.parquet.read_table(folder / "out.parquet").to_pylist()
    assert {row["custom_id"] for row in table} == set(names)
    assert all(row["text"] == f"row {row['custom_id']}" == row["reply_text"] for row in table)


def test_standard_input_to_standard_output(staffed: Fleet, invoke: Invoke):
    answer = run(
        invoke,
        staffed,
        "-",
        "-o",
        "-",
        "--progress",
        "none",
        given='{"id": "a", "text": "x"}\n{"id": "b", "text": "y"}\n',
    )
    assert {json.loads(line)["custom_id"] for line in answer.stdout.splitlines()} == {"a", "b"}


def test_openai_batch_files_go_to_the_models_that_they_name_or_to_the_runs(
    staffed: Fleet, invoke: Invoke, folder: Path
):
    body = {
        "model": "gpt-6-sol",
        "messages": [{"role": "user", "content": "hi"}],
        "max_completion_tokens": 50,
        "stream": True,
    }
    rows = [{"custom_id": f"c{i}", "method": "POST", "url": "/v1/chat/completions", "body": body} for i in range(3)]
    (folder / "batch.jsonl").write_text("\n".join(map(json.dumps, rows)))
    answer = invoke(staffed, "run", "batch.jsonl", "-o", "own.jsonl", "--max-tokens", "9", "--system", "not for these")
    assert answer.exit_code == 0, answer.stderr
    assert {line["homa"]["model"] for line in lines(folder / "own.jsonl")} == {"gpt-6-sol"}
    run(invoke, staffed, "batch.jsonl", "-o", "ours.jsonl")
    assert {line["homa"]["model"] for line in lines(folder / "ours.jsonl")} == {"gpt-6-luna"}


def test_failed_jobs_are_lines_with_the_providers_status(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "rows.jsonl").write_text('{"id": "good", "text": "x"}\n{"id": "bad", "text": "[[fault:400]]"}\n')
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--json", status=1)
    bad = next(line for line in lines(folder / "out.jsonl") if line["custom_id"] == "bad")
    assert bad["error"]["code"] == "invalid_request"
    assert bad["response"]["status_code"] == 400
    assert json.loads(answer.stdout)["failed"] == 1
    assert f"the first that failed is bad: {bad['error']['message']}" in answer.stderr
    assert (folder / "out.jsonl.run.json").exists()


def test_resume_does_failed_lines_again_and_nothing_else(staffed: Fleet, invoke: Invoke, folder: Path):
    names = write_rows(folder / "rows.jsonl", 12)
    (folder / "rows.jsonl").write_text(
        (folder / "rows.jsonl").read_text() + '{"id": "odd", "text": "[[fault:400*1]] once"}\n'
    )
    run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", status=1)
    before = staffed.received()
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--resume", "--json")
    assert staffed.received() == before + 1
    assert sorted(ids(folder / "out.jsonl")) == sorted([*names, "odd"])
    summary = json.loads(answer.stdout)
    assert (summary["total"], summary["succeeded"], summary["failed"]) == (13, 13, 0)
    again = run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--resume", "--json")
    assert staffed.received() == before + 1
    assert json.loads(again.stdout)["batch"] is None


def test_limit_and_sample_take_a_part(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 50)
    run(invoke, staffed, "rows.jsonl", "-o", "first.jsonl", "--limit", "3")
    assert set(ids(folder / "first.jsonl")) == {"r0", "r1", "r2"}
    run(invoke, staffed, "rows.jsonl", "-o", "a.jsonl", "--sample", "5", "--seed", "7")
    run(invoke, staffed, "rows.jsonl", "-o", "b.jsonl", "--sample", "5", "--seed", "7")
    assert len(ids(folder / "a.jsonl")) == 5
    assert set(ids(folder / "a.jsonl")) == set(ids(folder / "b.jsonl"))


def test_a_run_pauses_when_its_first_jobs_all_fail_alike(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 3000, "[[fault:400]] {}")
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--json", status=3)
    assert "all failed alike (invalid_request" in answer.stderr
    assert "--resume" in answer.stderr
    batch = json.loads(answer.stdout)["batch"]
    assert f"homa batches cancel {batch}" in answer.stderr
    assert tally.ALIKE <= len(lines(folder / "out.jsonl")) < 3000


@pytest.mark.parametrize("most", ["5", "10%"])
def test_max_failures_pauses_a_run(staffed: Fleet, invoke: Invoke, folder: Path, most: str):
    text = "".join(
        json.dumps({"id": f"r{i}", "text": "[[fault:400]]" if i % 2 else "fine"}) + "\n" for i in range(3000)
    )
    (folder / "rows.jsonl").write_text(text)
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--max-failures", most, status=3)
    assert f"--max-failures {most}" in answer.stderr
    assert len(lines(folder / "out.jsonl")) < 3000


def test_a_short_run_of_failures_is_over_and_not_paused(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 20, "[[fault:400]] {}")
    run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", status=1)
    assert len(lines(folder / "out.jsonl")) == 20


def test_a_resumed_run_that_asks_otherwise_does_not_pay_for_what_waits(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 3000, "[[fault:400]] {}")
    run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", status=3)
    # Calls that were in flight when the run paused belong to it.
    eventually(lambda: sum(row.running for row in staffed.store.run(reads.queues(staffed.store.keys))) == 0)
    before = staffed.received()
    answer = run(
        invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--resume", "--changed", "--prompt", "Name {{id}}", "--json"
    )
    assert "what had not begun is cancelled" in answer.stderr
    assert sorted(ids(folder / "out.jsonl")) == sorted(f"r{i}" for i in range(3000))
    assert staffed.received() - before == 3000
    assert json.loads(answer.stdout)["succeeded"] == 3000


def test_a_budget_that_runs_out_ends_with_3_and_can_be_raised(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 60)
    options = ("rows.jsonl", "-o", "out.jsonl", "--max-tokens", "50", "--json")
    answer = run(invoke, staffed, *options, "--budget", "0.00028", status=3)
    first = json.loads(answer.stdout)
    assert 0 < first["succeeded"] < 60
    assert first["succeeded"] + first["failed"] == 60
    assert float(first["cost_usd"]) <= 0.00028
    assert "raise --budget" in answer.stderr
    answer = run(invoke, staffed, *options, "--budget", "1", "--resume")
    last = json.loads(answer.stdout)
    assert last["succeeded"] == 60
    # The whole run's cost, the part before included.
    assert float(last["cost_usd"]) > float(first["cost_usd"])


def test_tags_tenant_and_lane_reach_the_jobs(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 1)
    run(
        invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--tag", "team=a", "--tenant", "acme", "--lane", "high",
        "--deadline", "10m", "--cache", "--temperature", "1", "--system", "Be brief",
    )  # fmt: skip
    job_id = lines(folder / "out.jsonl")[0]["homa"]["job"]
    view = staffed.store.run(reads.job(staffed.store.keys, job_id))
    assert view is not None
    assert (view.job.tags, view.job.tenant, view.job.lane) == ({"team": "a"}, "acme", "high")
    assert view.job.deadline_ms == view.job.submitted_ms + 600_000


def test_equal_rows_are_answered_once_with_cache(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 30, "the very same")
    before = staffed.received()
    run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--cache")
    assert staffed.received() == before + 1
    assert sum(line["homa"]["cached"] for line in lines(folder / "out.jsonl")) == 29


def test_force_writes_an_output_anew(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 2)
    run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl")
    run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--limit", "1", "--force")
    assert ids(folder / "out.jsonl") == ["r0"]


def test_rows_that_could_not_be_sent_cost_the_others_none_of_their_columns(
    staffed: Fleet, invoke: Invoke, folder: Path
):
    """They have no line when the run is resumed, and stand before what was submitted."""
    rows = [{"id": "a"}, {"id": "b"}, {"id": "c", "text": "Hello", "name": "Ada"}]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    options = ("rows.jsonl", "-o", "out.csv", "--prompt", "{{text}}")
    run(invoke, staffed, *options, "--detach", status=1)
    run(invoke, staffed, *options, "--resume", status=1)
    with (folder / "out.csv").open(newline="") as stream:
        assert {row["custom_id"]: row["name"] for row in csv.DictReader(stream)} == {"a": "", "b": "", "c": "Ada"}


def test_a_detached_run_is_collected_by_resume(staffed: Fleet, invoke: Invoke, folder: Path):
    names = write_rows(folder / "rows.jsonl", 40)
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.csv", "--detach", "--json")
    assert json.loads(answer.stdout).keys() == {"batch", "total"}
    before = staffed.received()
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.csv", "--resume", "--json")
    assert staffed.received() - before <= 40
    with (folder / "out.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    assert sorted(record["custom_id"] for record in records) == sorted(names)
    assert all(record["text"] == f"row {record['custom_id']}" for record in records)
    assert json.loads(answer.stdout)["succeeded"] == 40


def test_a_batch_that_a_worker_pauses_ends_the_run_with_3(fleet: Fleet, invoke: Invoke, folder: Path):
    fleet.simulator.configure(api_keys=("another",))
    write_rows(folder / "rows.jsonl", 10)
    answer = run(invoke, fleet, "rows.jsonl", "-o", "out.jsonl", status=3)
    assert "the batch was paused" in answer.stderr
    assert "401" in answer.stderr


def test_a_batch_that_the_store_has_forgotten_leaves_the_output_to_go_by(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 4)
    run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--limit", "2")
    (folder / "out.jsonl.run.json").write_text('{"batch": "bgone", "asked": "x"}')
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--resume")
    assert "batch bgone of the earlier run is not in this store" in answer.stderr
    assert sorted(ids(folder / "out.jsonl")) == ["r0", "r1", "r2", "r3"]


def test_a_budget_that_earlier_parts_have_used_up_submits_nothing(staffed: Fleet, invoke: Invoke, folder: Path):
    write_rows(folder / "rows.jsonl", 60)
    options = ("rows.jsonl", "-o", "out.jsonl", "--max-tokens", "50")
    detached = run(invoke, staffed, *options, "--limit", "30", "--detach", "--json")
    batch = json.loads(detached.stdout)["batch"]
    eventually(lambda: _complete(staffed, batch))
    before = staffed.received()
    answer = run(invoke, staffed, *options, "--resume", "--budget", "0.00025", "--json", status=3)
    assert staffed.received() == before
    assert "the budget left no room for 30 jobs" in answer.stderr
    assert json.loads(answer.stdout)["failed"] == 30
    assert sum((line["error"] or {}).get("code") == "budget" for line in lines(folder / "out.jsonl")) == 30


def _complete(fleet: Fleet, batch: str) -> bool:
    view = fleet.store.run(reads.batch(fleet.store.keys, batch))
    return view is not None and view.complete


def test_columns_that_only_later_rows_have_are_told(staffed: Fleet, invoke: Invoke, folder: Path):
    rows = "".join(json.dumps({"id": str(i), "text": "x"} | ({"late": 1} if i == 25 else {})) + "\n" for i in range(30))
    (folder / "rows.jsonl").write_text(rows)
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.csv")
    assert "no column for late" in answer.stderr


def test_thousands_of_bad_rows_do_not_jam_the_feeding(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "rows.jsonl").write_text("nonsense\n" * 2500 + '{"text": "fine"}\n')
    answer = run(invoke, staffed, "rows.jsonl", "-o", "out.jsonl", "--json", status=1)
    assert json.loads(answer.stdout)["failed"] == 2500
    assert len(lines(folder / "out.jsonl")) == 2501
