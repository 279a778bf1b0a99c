"""`homa run --flow` into buckets, and onto what lies there: nobody else's results are written over."""

from __future__ import annotations

import io
import json
import signal
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as parquet
import pytest

from homa_shared.store import reads
from tests.commands.conftest import MODEL, Fleet, Invoke, finished, start
from tests.fixtures.bucket_server import Bucket, Refusal
from tests.fixtures.store import eventually

FLOW = f"""
[steps.said]
map = "inputs"
prompt = "{{{{text}}}}"
model = "{MODEL}"
[steps.whole]
map = "said"
prompt = "All of {{{{said}}}}"
model = "{MODEL}"
"""
ARGUMENTS = ("--flow", "flow.toml", "-o")

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def machine(staffed: Fleet, tmp_path: Path) -> Fleet:
    """A machine on which nothing was run yet."""
    return Fleet(staffed.store, staffed.simulator, {**staffed.env, "HOMA_HOME": str(tmp_path / "machine")})


@pytest.fixture
def run(machine: Fleet, invoke: Invoke, bucket: Bucket, folder: Path) -> Run:
    """Runs a flow over `s3://lake/docs` to its end; what `--json` tells, the calls made, and what was said."""
    # A flow of its own for each test: the same command goes on with the run that another one began.
    (folder / "flow.toml").write_text(f'name = "f{uuid.uuid4().hex[:8]}"\n{FLOW}')
    for number in range(3):
        bucket.put(f"docs/{number}.txt", f"text {number} {folder}")

    def carry_out(*arguments: str, status: int = 0, elsewhere: str = "") -> dict[str, Any]:
        before = machine.received()
        env = {**machine.env, "HOMA_HOME": f"{machine.env['HOMA_HOME']}{elsewhere}"}
        answer = invoke(env, "run", "s3://lake/docs", *ARGUMENTS, *arguments, "--json")
        assert answer.exit_code == status, answer.stderr
        summary = json.loads(answer.stdout) if answer.stdout else {}
        return {**summary, "calls": machine.received() - before, "said": answer.stderr}

    return carry_out


def names(bucket: Bucket, out: str) -> list[str]:
    content = bucket.objects[out]
    if out.endswith(".parquet"):
        return [row["custom_id"] for row in parquet.read_table(io.BytesIO(content)).to_pylist()]
    return [orjson.loads(line)["custom_id"] for line in content.splitlines()]


def work_of(fleet: Fleet) -> list[Path]:
    """Working copies on this machine."""
    return list(Path(fleet.env["HOMA_HOME"], "outputs").glob("*/results/*"))


def written(bucket: Bucket) -> set[str]:
    return {key for key in bucket.objects if not key.startswith("docs/")}


@pytest.mark.parametrize("out", ["out.jsonl", "deep/out.parquet"])
def test_results_become_an_object_and_the_same_command_writes_it_again(
    run: Run, machine: Fleet, bucket: Bucket, out: str
) -> None:
    first = run(f"s3://lake/{out}")
    assert (first["calls"], first["succeeded"], first["output"]) == (6, 3, f"s3://lake/{out}")
    assert names(bucket, out) == [f"docs/{number}.txt" for number in range(3)]
    assert written(bucket) == {out}
    assert work_of(machine) == []
    again = run(f"s3://lake/{out}")
    assert (again["run"], again["calls"]) == (first["run"], 0)
    assert names(bucket, out) == [f"docs/{number}.txt" for number in range(3)]


def test_a_folder_of_answers_is_a_prefix_of_objects(run: Run, bucket: Bucket) -> None:
    run("s3://lake/out/", "--format", "txt")
    expected = {f"out/docs/{number}.txt.txt" for number in range(3)} | {"out/.homa.journal.jsonl"}
    assert written(bucket) == expected
    assert bucket.objects["out/docs/1.txt.txt"].startswith(b"All of text 1")
    assert run("s3://lake/out/", "--format", "txt")["calls"] == 0
    assert written(bucket) == expected
    bucket.put("box/other", "precious")
    assert "holds other objects" in run("s3://lake/box/", status=2)["said"]


def test_what_somebody_else_has_written_stays_unless_somebody_says_otherwise(run: Run, bucket: Bucket) -> None:
    bucket.put("out.jsonl", "precious")
    refused = run("s3://lake/out.jsonl", status=2)
    assert "--output s3://lake/out.jsonl exists: use --force" in refused["said"]
    assert (refused["calls"], bucket.objects["out.jsonl"]) == (0, b"precious")
    first = run("s3://lake/out.jsonl", "--force")
    assert len(names(bucket, "out.jsonl")) == 3
    run("s3://lake/other.jsonl")
    bucket.put("other.jsonl", "somebody else's since")
    assert "exists" in run("s3://lake/other.jsonl", status=2)["said"]
    assert "exists" in run("s3://lake/other.jsonl", status=2, elsewhere="two")["said"]
    assert bucket.objects["other.jsonl"] == b"somebody else's since"
    forced = run("s3://lake/other.jsonl", "--force")
    assert forced["run"] != first["run"]
    assert forced["calls"] == 0, "equal steps take the answers that are there"


def test_a_run_of_homa_run_that_has_not_ended_keeps_its_place(run: Run, bucket: Bucket) -> None:
    bucket.put("out.jsonl.run.json", orjson.dumps({"batch": "b1", "asked": "x"}).decode())
    assert "has not ended" in run("s3://lake/out.jsonl", status=2)["said"]
    run("s3://lake/out.jsonl", "--force")
    assert written(bucket) == {"out.jsonl"}


def test_what_is_written_there_while_a_run_goes_on_stays(machine: Fleet, run: Run, bucket: Bucket) -> None:
    machine.simulator.configure(latency_ms=1500.0)
    before = machine.received()
    process = start(machine, "run", "s3://lake/docs", *ARGUMENTS, "s3://lake/out.jsonl")
    eventually(lambda: machine.received() > before)
    bucket.put("out.jsonl", "precious")
    status, _, said = finished(process)
    assert (status, "somebody else has written there" in said) == (3, True), said
    assert bucket.objects["out.jsonl"] == b"precious"


@pytest.mark.parametrize("out", ["out.jsonl", "out/"])
def test_a_killed_client_goes_on_from_another_machine(machine: Fleet, run: Run, bucket: Bucket, out: str) -> None:
    machine.simulator.configure(latency_ms=1500.0)
    before = machine.received()
    process = start(machine, "run", "s3://lake/docs", *ARGUMENTS, f"s3://lake/{out}")
    eventually(lambda: machine.received() > before)
    process.send_signal(signal.SIGKILL)
    finished(process)
    machine.simulator.configure(latency_ms=0.0)
    for elsewhere in ("", "two"):
        if elsewhere:
            for key in written(bucket):
                del bucket.objects[key]
        assert run(f"s3://lake/{out}", elsewhere=elsewhere)["succeeded"] == 3
    assert machine.received() - before == 6, "nothing was paid twice"


def test_a_bucket_that_takes_nothing_leaves_the_results_in_the_store(run: Run, bucket: Bucket) -> None:
    bucket.refuse = lambda method, key, query: Refusal(403, "AccessDenied") if method in ("PUT", "POST") else None
    refused = run("s3://lake/out.jsonl", status=3)
    assert "no permission" in refused["said"]
    bucket.refuse = lambda method, key, query: None
    assert run("s3://lake/out.jsonl")["calls"] == 0
    assert len(names(bucket, "out.jsonl")) == 3


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("s3://lake/out.sqlite", "is changed where it lies"),
        ("https://x.example/out.jsonl", "nothing is written to web"),
    ],
)
def test_places_that_hold_no_results_are_refused(run: Run, out: str, message: str) -> None:
    refused = run(out, status=2)
    assert (message in refused["said"], refused["calls"]) == (True, 0)


def test_files_of_others_stay_on_this_machine_too(machine: Fleet, invoke: Invoke, run: Run, folder: Path) -> None:
    place = folder / "out.jsonl"
    place.write_text("precious\n")
    arguments = ("run", "s3://lake/docs", *ARGUMENTS, "out.jsonl")
    refused = invoke(machine, *arguments)
    assert (refused.exit_code, "exists, and is not of this run" in refused.stderr) == (2, True), refused.stderr
    assert place.read_text() == "precious\n"
    assert invoke(machine, *arguments, "--force").exit_code == 0
    place.unlink()
    (folder / "out.jsonl.run.json").write_bytes(orjson.dumps({"batch": "b1", "asked": "x"}))
    assert "has not ended" in invoke(machine, *arguments).stderr
    assert invoke(machine, *arguments, "--force").exit_code == 0
    assert not (folder / "out.jsonl.run.json").exists()
    assert machine.store.run(reads.batch(machine.store.keys, "b1")) is None
