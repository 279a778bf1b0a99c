"""Cut answers in results files, and files of releases that did not say why an answer ended."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from homa.files import Answered, HomaPart, open_output, result_line
from homa.files.writers.csv import csv_record


def answered(reason: str, custom_id: str = "t1") -> dict[str, Any]:
    body = {"choices": [{"index": 0, "message": {"content": "yes"}, "finish_reason": reason}]}
    return result_line(custom_id, Answered(body, HomaPart(job="j1", finish_reason=reason)))


@pytest.mark.parametrize("reason", [[], ["finish_reason"]])
def test_a_csv_file_of_an_earlier_release_gets_the_columns_that_it_lacks(tmp_path: Path, reason: list[str]) -> None:
    path = tmp_path / "out.csv"
    own = ["job", "provider", "model", *reason, "attempts", "cost_usd", "cached", "queued_ms", "latency_ms"]
    header = ["custom_id", "name", "text", "error", *(f"homa_{name}" for name in own)]
    good = ["t1", "Ada", "yes", "", "j1", "p", "m", *("stop" for _ in reason), "1", "0.1", "False", "1", "1"]
    bad = ["t2", "Bob", "", "x: y", "j2", "p", "m", *("" for _ in reason), "1", "0.1", "False", "1", "1"]
    path.write_bytes(b"".join(map(csv_record, (header, good, bad))))
    with open_output(str(path), resume=True, columns=["name"]) as results:
        assert len(results.done) == 1
        results.write(answered("stop", "t2"), {"name": "Bob"})
    with path.open(newline="") as stream:
        kept, new = csv.DictReader(stream)
    assert (kept["name"], kept["homa_model"], kept["homa_latency_ms"], kept["homa_row"]) == ("Ada", "m", "1", "")
    assert (new["custom_id"], new["homa_finish_reason"]) == ("t2", "stop")
    assert list(kept) == [*header[:7], "homa_finish_reason", *header[7 + len(reason) :], "homa_row", "homa_order"]


def test_a_line_of_an_earlier_release_is_marked_in_its_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    own = ["job", "provider", "model", "attempts", "cost_usd", "cached", "queued_ms", "latency_ms"]
    header = ["custom_id", "name", "text", "error", *(f"homa_{name}" for name in own)]
    old = ["old", "Ada", "yes", "", "j1", "p", "m", "1", "0.1", "", "1", "1"]
    path.write_bytes(csv_record(header) + csv_record(old))
    results = open_output(str(path), resume=True, compare=True, columns=["name"])
    assert results.earlier is not None
    line = results.earlier.find("old")
    assert line is not None
    assert not line.row
    results.earlier.keep(line.place, "new", "ab" * 16, '{"name": "Bob"}')
    results.revise("the order")
    results.close()
    with path.open(newline="") as stream:
        (kept,) = csv.DictReader(stream)
    assert (kept["custom_id"], kept["name"], kept["text"]) == ("new", "Bob", "yes")
    assert (kept["homa_row"], kept["homa_order"]) == ("ab" * 16, "the order")


def test_a_parquet_files_journal_stays_while_an_answer_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    with open_output(str(path)) as results:
        results.write(answered("length"))
        results.close(finished=True)
    assert (tmp_path / "out.parquet.journal.jsonl").exists()
    with open_output(str(path), resume=True, redo_cut=True) as results:
        assert not results.done
        results.write(answered("stop"))
        results.close(finished=True)
    assert not (tmp_path / "out.parquet.journal.jsonl").exists()
