"""`homa run` from buckets and web servers, and into buckets: resumed here, elsewhere, and after kill -9."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as parquet
import pytest

from tests.commands.conftest import MODEL, Fleet, Invoke, finished, start
from tests.fixtures.bucket_server import Bucket, Refusal
from tests.patience import PATIENCE_S

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def machine(staffed: Fleet, tmp_path: Path) -> Fleet:
    """A machine on which nothing was run yet."""
    return Fleet(staffed.store, staffed.simulator, {**staffed.env, "HOMA_HOME": str(tmp_path / "machine")})


@pytest.fixture
def run(machine: Fleet, invoke: Invoke, bucket: Bucket) -> Run:
    """Runs an address to its end; what `--json` tells, the calls that were made, and what was said."""

    fleet = machine

    def carry_out(*arguments: str, status: int = 0, machine: str = "") -> dict[str, Any]:
        before = fleet.received()
        env = {**fleet.env, "HOMA_HOME": f"{fleet.env['HOMA_HOME']}{machine}"}
        answer = invoke(env, "run", *arguments, "--model", MODEL, "--json")
        assert answer.exit_code == status, answer.stderr
        summary = json.loads(answer.stdout) if answer.stdout else {}
        return {**summary, "calls": fleet.received() - before, "said": answer.stderr}

    return carry_out


def fill(bucket: Bucket, count: int = 3) -> None:
    for number in range(count):
        bucket.put(f"docs/{number}.txt", f"text {number}")


def answers(bucket: Bucket, key: str) -> dict[str, str]:
    """What each id was answered; the simulator repeats the prompt."""
    content = bucket.objects[key]
    if key.endswith(".parquet"):
        found = parquet.read_table(io.BytesIO(content)).to_pylist()
        return {row["custom_id"]: row["text"] for row in found}
    lines = [orjson.loads(line) for line in content.splitlines()]
    assert len({line["custom_id"] for line in lines}) == len(lines)
    return {
        line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"]
        for line in lines
        if line["error"] is None
    }


def work_of(fleet: Fleet) -> list[Path]:
    """Working copies on this machine."""
    return list(Path(fleet.env["HOMA_HOME"], "outputs").glob("*/results/*"))


@pytest.mark.parametrize("out", ["out.jsonl", "deep/out.parquet"])
def test_a_prefix_becomes_an_object_and_only_what_changed_is_asked(
    run: Run, machine: Fleet, bucket: Bucket, out: str
) -> None:
    fill(bucket)
    first = run("s3://lake/docs", "-o", f"s3://lake/{out}")
    assert (first["calls"], first["succeeded"], first["output"]) == (3, 3, f"s3://lake/{out}")
    assert answers(bucket, out) == {f"docs/{number}.txt": f"text {number}" for number in range(3)}
    assert {key for key in bucket.objects if not key.startswith("docs/")} == {out}
    assert work_of(machine) == []
    bucket.put("docs/1.txt", "changed")
    bucket.put("docs/3.txt", "new")
    again = run("s3://lake/docs", "-o", f"s3://lake/{out}", "--resume", machine="other")
    assert (again["calls"], again["rows"]["changed"], again["rows"]["new"], again["rows"]["equal"]) == (2, 1, 1, 2)
    assert answers(bucket, out) == {
        "docs/0.txt": "text 0", "docs/1.txt": "changed", "docs/2.txt": "text 2", "docs/3.txt": "new",
    }  # fmt: skip


def test_a_folder_of_answers_is_a_prefix_of_objects(run: Run, machine: Fleet, bucket: Bucket) -> None:
    fill(bucket)
    bucket.put("docs/empty.txt", "")
    run("s3://lake/docs", "-o", "s3://lake/out/", status=1)
    names = {key for key in bucket.objects if key.startswith("out")}
    assert names == {
        "out/docs/0.txt.md", "out/docs/1.txt.md", "out/docs/2.txt.md", "out/docs/empty.txt.error.txt",
        "out/.homa.journal.jsonl", "out.run.json",
    }  # fmt: skip
    assert bucket.objects["out/docs/1.txt.md"] == b"text 1\n"
    bucket.put("docs/1.txt", "changed")
    del bucket.objects["docs/2.txt"]
    again = run("s3://lake/docs", "-o", "s3://lake/out/", "--resume", "--prune", status=1, machine="other")
    assert again["calls"] == 1
    assert bucket.objects["out/docs/1.txt.md"] == b"changed\n"
    assert "out/docs/2.txt.md" not in bucket.objects


def test_results_that_are_there_are_kept_unless_somebody_says_otherwise(run: Run, bucket: Bucket) -> None:
    fill(bucket)
    bucket.put("out.jsonl", "precious\nwords\n")
    for machine, more in (("one", []), ("two", ["--resume"])):
        found = run("s3://lake/docs", "-o", "s3://lake/out.jsonl", *more, status=2, machine=machine)
        assert "out.jsonl" in found["said"]
        assert bucket.objects["out.jsonl"] == b"precious\nwords\n"
    run("s3://lake/docs", "-o", "s3://lake/out.jsonl", "--force")
    assert len(answers(bucket, "out.jsonl")) == 3
    bucket.put("box/other", "precious")
    assert "holds other objects" in run("s3://lake/docs", "-o", "s3://lake/box/", status=2)["said"]


@pytest.mark.parametrize("out", ["out.jsonl", "out.parquet", "out/"])
def test_a_run_that_was_begun_elsewhere_is_not_cancelled_unless_somebody_says_so(
    run: Run, bucket: Bucket, out: str
) -> None:
    fill(bucket)
    bucket.put("docs/empty.txt", "")
    run("s3://lake/docs", "-o", f"s3://lake/{out}", status=1, machine="one")
    for key in [key for key in bucket.objects if key.startswith("out") and not key.endswith("run.json")]:
        del bucket.objects[key]  # as if it had been killed before it put anything there
    found = run("s3://lake/docs", "-o", f"s3://lake/{out}", status=2, machine="two")
    assert "--resume" in found["said"]
    assert f"{out.removesuffix('/')}.run.json" in bucket.objects
    found = run("s3://lake/docs", "-o", f"s3://lake/{out}", "--resume", status=1, machine="two")
    assert (found["succeeded"], found["calls"]) == (3, 0)


def test_the_output_is_no_input(run: Run, bucket: Bucket) -> None:
    bucket.put("in/a.txt", "words")
    run("s3://lake/in", "-o", "s3://lake/in/out.jsonl")
    again = run("s3://lake/in", "-o", "s3://lake/in/out.jsonl", "--resume")
    assert (again["total"], again["calls"]) == (1, 0)
    said = run("s3://lake/in/out.jsonl", "-o", "s3://lake/in/out.jsonl", "--force", status=2)["said"]
    assert "is the output of this run too" in said
    assert list(answers(bucket, "in/out.jsonl")) == ["in/a.txt"]


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("https://host/out.jsonl", "nothing is written to web servers"),
        ("s3://lake", "expected the name of an object"),
        ("s3://lake/out.sqlite", "changed where it lies"),
        ("s3://lake/out.docx", "no format is called .docx"),
        ("ftp://host/out.jsonl", "no kind that is read"),
    ],
)
def test_a_place_for_results_that_cannot_be_is_refused_before_any_call(
    run: Run, bucket: Bucket, out: str, why: str
) -> None:
    fill(bucket)
    found = run("s3://lake/docs", "-o", out, status=2)
    assert why in found["said"]
    assert found["calls"] == 0


def test_a_bucket_that_may_not_be_written_is_found_out_before_any_call(run: Run, bucket: Bucket) -> None:
    fill(bucket)
    bucket.refuse = lambda method, key, query: Refusal(403, "AccessDenied") if method in ("PUT", "POST") else None
    found = run("s3://lake/docs", "-o", "s3://lake/out.jsonl", status=2)
    assert "no permission" in found["said"]
    assert found["calls"] == 0


def test_what_somebody_else_wrote_meanwhile_is_not_replaced(run: Run, machine: Fleet, bucket: Bucket) -> None:
    fill(bucket)

    def meddle(method: str, key: str, query: dict[str, str]) -> None:
        if key == "out.jsonl.run.json" and method == "PUT":
            bucket.put("out.jsonl", "theirs")

    bucket.refuse = meddle
    found = run("s3://lake/docs", "-o", "s3://lake/out.jsonl", status=3)
    assert "somebody else has written there" in found["said"]
    assert bucket.objects["out.jsonl"] == b"theirs"
    (kept,) = work_of(machine)
    assert len(kept.read_bytes().splitlines()) == 3


def test_a_page_of_a_web_server_is_asked_about(run: Run, bucket: Bucket, folder: Path) -> None:
    bucket.put("page", "<!doctype html><html><body><h1>Tea</h1></body></html>")
    run(f"{bucket.url}/lake/page", "-o", "out.jsonl")
    (line,) = [orjson.loads(line) for line in (folder / "out.jsonl").read_bytes().splitlines()]
    assert line["custom_id"] == "page"
    assert "# Tea" in line["response"]["body"]["choices"][0]["message"]["content"]


def test_a_dry_run_of_a_resumed_run_reads_the_object(run: Run, machine: Fleet, bucket: Bucket, invoke: Invoke) -> None:
    fill(bucket)
    run("s3://lake/docs", "-o", "s3://lake/out.jsonl")
    bucket.put("docs/9.txt", "new")
    arguments = (
        "run",
        "s3://lake/docs",
        "--model",
        MODEL,
        "-o",
        "s3://lake/out.jsonl",
        "--resume",
        "--dry-run",
        "--json",
    )
    found = invoke({**machine.env, "HOMA_HOME": f"{machine.env['HOMA_HOME']}-look"}, *arguments)
    assert json.loads(found.stdout)["rows"] == 1, found.stderr


@pytest.mark.parametrize("out", ["out.jsonl", "out.parquet"])
def test_nothing_is_lost_or_paid_twice_over_kills_on_changing_machines(
    staffed: Fleet, bucket: Bucket, tmp_path: Path, out: str
) -> None:
    count = 600
    bucket.put("rows.jsonl", b"".join(b'{"text": "row %d"}\n' % number for number in range(count)))
    staffed.simulator.configure(latency_ms=20.0)
    before = staffed.billed()
    arguments = ["run", "s3://lake/rows.jsonl", "--model", MODEL, "-o", f"s3://lake/{out}"]
    for kill in range(5):
        home = {"HOMA_HOME": str(tmp_path / f"machine{kill % 2}")}
        fleet = Fleet(staffed.store, staffed.simulator, {**staffed.env, **home})
        process = start(fleet, *arguments, *(["--resume"] if kill else []))
        seen = staffed.billed()
        give_up_s = time.monotonic() + PATIENCE_S
        while staffed.billed() < min(seen + 60, before + count) and process.poll() is None:
            assert time.monotonic() < give_up_s
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        if out in bucket.objects:
            answers(bucket, out)  # to its last byte
    status, _, said = finished(start(staffed, *arguments, "--resume"), PATIENCE_S)
    assert status == 0, said
    assert answers(bucket, out) == {f"rows.jsonl:{n + 1}": f"row {n}" for n in range(count)}
    assert staffed.billed() - before == count
    assert f"{out}.run.json" not in bucket.objects
