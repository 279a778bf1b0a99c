"""Result lines, and the files they are written to."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homa.files import (
    Answered,
    BadRow,
    HomaPart,
    OutputUnwritable,
    Unanswered,
    bad_row_line,
    is_good,
    open_output,
    output_format,
    result_line,
)
from homa.files.result_line import line_bytes, valid_text
from homa.files.writers.csv import csv_record
from homa.files.writers.output_file import OutputFile
from homa_shared.model.errors import InvalidRequest

PART = HomaPart("j1", "openai", "gpt-6-luna", 2, 1_230_000, False, 40, 900)


def answer(text: str, part: HomaPart = PART) -> Answered:
    body = {"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": text}}]}
    return Answered(body, part, "req_1")


def test_an_answer_is_an_openai_batch_output_line_with_homa_s_part() -> None:
    assert result_line("t1", answer("yes")) == {
        "id": "j1",
        "custom_id": "t1",
        "response": {
            "status_code": 200,
            "request_id": "req_1",
            "body": {"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": "yes"}}]},
        },
        "error": None,
        "homa": {
            "job": "j1",
            "provider": "openai",
            "model": "gpt-6-luna",
            "finish_reason": None,
            "attempts": 2,
            "cost_usd": "0.00123",
            "cached": False,
            "queued_ms": 40,
            "latency_ms": 900,
        },
    }


def test_a_failure_is_a_value_of_the_same_shape() -> None:
    line = result_line("t1", Unanswered("expired", "its deadline passed", PART))
    assert line.keys() == result_line("t1", answer("yes")).keys()
    assert line["response"] is None
    assert line["error"] == {"code": "expired", "message": "its deadline passed"}
    assert not is_good(line)


def test_a_failure_that_the_provider_told_keeps_its_status() -> None:
    line = result_line("t1", Unanswered("invalid_request", "no such role", PART, "req_2", 400))
    assert line["response"] == {"status_code": 400, "request_id": "req_2", "body": {"error": line["error"]}}
    assert not is_good(line)


def test_an_input_that_cannot_be_sent_has_a_line_too() -> None:
    line = bad_row_line(BadRow("a.jsonl:3", "a.jsonl", 3, "is not valid JSON"))
    assert line["custom_id"] == "a.jsonl:3"
    assert line["id"].startswith("line_")
    assert line["error"] == {"code": "invalid_input", "message": "a.jsonl:3: is not valid JSON"}
    assert line["homa"]["attempts"] == 0
    assert line["homa"]["cost_usd"] == "0.00"


def test_an_unknown_price_is_null_and_never_free() -> None:
    assert result_line("t1", answer("x", HomaPart(cost_nano_usd=None)))["homa"]["cost_usd"] is None


@pytest.mark.parametrize(
    ("target", "chosen", "form"),
    [
        ("a.csv", None, "csv"),
        ("a.PARQUET", None, "parquet"),
        ("a.ndjson", None, "jsonl"),
        ("results", None, "jsonl"),
        ("a.tsv", None, "tsv"),
        ("a.db#t", None, "sqlite"),
        ("out/", None, "md"),
        ("-", None, "jsonl"),
        ("a.csv", "jsonl", "jsonl"),
    ],
)
def test_the_format_is_the_one_chosen_or_told_by_the_name(target: str, chosen: str | None, form: str) -> None:
    assert output_format(target, chosen) == form


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="--format is 'xml': expected jsonl, csv, tsv, xlsx, parquet"):
        output_format("a", "xml")


def test_lines_are_in_the_file_before_the_next_one_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with open_output(str(path)) as results:
        for number in range(3):
            results.write(result_line(str(number), answer("ä")))
            assert len(path.read_bytes().splitlines()) == number + 1
        results.write(result_line("3", Unanswered("expired", "late")))
    assert (results.written, results.failed) == (4, 1)
    assert [json.loads(line)["custom_id"] for line in path.read_text("utf-8").splitlines()] == ["0", "1", "2", "3"]


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("precious")
    with pytest.raises(InvalidRequest, match=r"exists: use --resume .* or --force"):
        open_output(str(path))
    assert path.read_text() == "precious"
    open_output(str(path), force=True).close()
    assert path.read_text() == ""


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("force", [False, True])
def test_a_target_that_cannot_be_a_file_is_refused(tmp_path: Path, form: str, force: bool) -> None:
    with pytest.raises(InvalidRequest, match="is a directory"):
        open_output(str(tmp_path), form, force=force)
    with pytest.raises(InvalidRequest, match="cannot be written: No such file or directory"):
        open_output(str(tmp_path / "gone" / "out"), form, force=force)


def test_resume_and_force_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="--resume and --force"):
        open_output(str(tmp_path / "out"), resume=True, force=True)


def test_a_file_that_another_run_writes_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "out.jsonl")
    with open_output(path):
        for options in ({"resume": True}, {"force": True}):
            with pytest.raises(InvalidRequest, match="is being written by another run"):
                open_output(path, **options)
    open_output(path, resume=True).close()


def test_standard_output_gets_lines_and_stays_open() -> None:
    out = io.BytesIO()
    with open_output("-", stdout=out) as results:
        results.write(result_line("t1", answer("yes")))
    assert json.loads(out.getvalue())["custom_id"] == "t1"
    with open_output("-", "csv", stdout=out, columns=["name"]) as results:
        results.write(result_line("t1", answer("yes")), {"name": "Ada"})
    assert b"custom_id,name,text,error,homa_job" in out.getvalue()


def test_a_stream_cannot_be_resumed() -> None:
    for target in ("-", os.devnull):
        with pytest.raises(InvalidRequest, match="--resume with --output"):
            open_output(target, resume=True, stdout=io.BytesIO())


def test_a_device_is_written_like_a_stream() -> None:
    with open_output(os.devnull) as results:
        results.write(result_line("t1", answer("yes")))
    results.close()
    assert results.written == 1


class Failing(io.BytesIO):
    """A disk that is full."""

    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_says_how_to_go_on() -> None:
    output = OutputFile(Failing(), "out.jsonl", ours=False)
    with pytest.raises(OutputUnwritable, match=r"cannot write to out\.jsonl: No space left on device; .*--resume"):
        output.append(b"x")


def test_a_reader_that_went_away_is_the_commands_to_handle() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as stream:
        output = OutputFile(stream, "standard output", ours=False)
        with pytest.raises(BrokenPipeError):
            output.append(b"x")


def test_records_reach_the_disk_at_intervals_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    now_s = [0.0]
    output = OutputFile((tmp_path / "out").open("wb"), "out", ours=True, clock=lambda: now_s[0])
    for now_s[0] in (0.1, 0.9, 1.0, 1.5, 1.9, 2.1):
        output.append(b"x")
    assert len(synced) == 2
    output.close()
    output.close()
    assert len(synced) == 3


@pytest.mark.parametrize(("code", "fatal"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_disk_that_fails_at_the_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, fatal: bool
) -> None:
    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    stream = (tmp_path / "out").open("wb")
    output = OutputFile(stream, "out", ours=True)
    monkeypatch.setattr(os, "fsync", fail)
    if fatal:
        with pytest.raises(OutputUnwritable, match="Input/output error"):
            output.close()
    else:
        output.close()
    assert stream.closed


def test_csv_has_input_columns_the_text_and_homa_s_part(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_output(str(path), columns=["custom_id", "name", "text", "tags"]) as results:
        fields = {"custom_id": "t1", "name": 'Ada "L"', "text": "in", "tags": ["a", 1], "extra": 1}
        results.write(result_line("t1", answer("one\ntwo")), fields)
        results.write(result_line("t2", Unanswered("expired", "late")), {"name": "Bob"})
    assert results.left_out == {"extra"}
    first, second = csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))
    assert first == {
        "custom_id": "t1",
        "name": 'Ada "L"',
        "text": "in",
        "tags": '["a", 1]',
        "reply_text": "one\ntwo",
        "error": "",
        "homa_job": "j1",
        "homa_provider": "openai",
        "homa_model": "gpt-6-luna",
        "homa_finish_reason": "",
        "homa_attempts": "2",
        "homa_cost_usd": "0.00123",
        "homa_cached": "false",
        "homa_queued_ms": "40",
        "homa_latency_ms": "900",
        "homa_row": "",
        "homa_order": "",
    }
    assert (second["custom_id"], second["name"], second["text"], second["error"]) == ("t2", "Bob", "", "expired: late")


def test_json_lines_leave_no_field_out() -> None:
    assert open_output("-", stdout=io.BytesIO()).left_out == frozenset()


anything = st.text(max_size=30)


@given(anything, anything)
def test_any_answer_comes_back_from_its_json_line(custom_id: str, text: str) -> None:
    line = result_line(custom_id, answer(text))
    raw = line_bytes(line)
    assert raw.count(b"\n") == 1
    assert json.loads(raw.decode("utf-8")) == result_line(valid_text(custom_id), answer(valid_text(text)))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2))
def test_any_cells_come_back_from_a_csv_record(cells: list[str]) -> None:
    (record,) = csv.reader(io.StringIO(csv_record(cells).decode("utf-8"), newline=""), strict=True)
    assert record == cells


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert json.loads(line_bytes(result_line("t", answer("cut \ud83d"))))["response"]["body"]["choices"][0]["message"][
        "content"
    ] == ("cut \ufffd")
    assert csv_record(["\ud83d", "😀"]).decode() == "\ufffd,😀\r\n"
