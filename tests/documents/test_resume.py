"""Resuming: what is done stays, what failed or was torn off is done again, nothing foreign is touched."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from homa.files import Answered, OutputUnwritable, ResultsWriter, Unanswered, done, open_output, result_line
from homa.files.writers import output_file
from homa.files.writers.output_file import lock, rewrite
from homa_shared.model.errors import InvalidRequest

COLUMNS = ["name"]


def good(custom_id: str, text: str = "fine") -> dict[str, object]:
    return result_line(custom_id, Answered({"choices": [{"message": {"content": text}}]}))


def failed(custom_id: str) -> dict[str, object]:
    return result_line(custom_id, Unanswered("overloaded", "busy"))


def opened(path: Path, **options: bool) -> ResultsWriter:
    return open_output(str(path), columns=COLUMNS, **options)


def ids_in(path: Path) -> list[str]:
    if path.suffix == ".csv":
        return [record["custom_id"] for record in csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))]
    return [json.loads(line)["custom_id"] for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(params=["jsonl", "csv"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"out.{request.param}"


def first_run(path: Path) -> None:
    with opened(path) as results:
        for line in (good("a"), failed("b"), good("c", 'two\r\n"lines"')):
            results.write(line, {"name": "x"})


def test_what_has_an_answer_is_done_and_what_failed_is_not(path: Path) -> None:
    first_run(path)
    before = path.read_bytes()
    known = done(str(path))
    assert "a" in known
    assert "c" in known
    assert "b" not in known
    assert 5 not in known
    assert len(known) == 2
    assert path.read_bytes() == before


def test_nothing_is_done_where_there_is_no_file(path: Path) -> None:
    assert len(done(str(path))) == 0
    with opened(path, resume=True) as results:
        results.write(good("a"))
    assert ids_in(path) == ["a"]


def test_every_input_has_one_line_after_a_resumed_run(path: Path) -> None:
    first_run(path)
    with opened(path, resume=True) as results:
        assert len(results.done) == 2
        assert ids_in(path) == ["a", "c"]
        for custom_id in ("b", "d"):
            results.write(good(custom_id))
    assert ids_in(path) == ["a", "c", "b", "d"]
    assert not [name for name in os.listdir(path.parent) if name.endswith(".tmp")]


def test_resuming_a_file_without_failures_rewrites_nothing(path: Path) -> None:
    with opened(path) as results:
        results.write(good("a"))
    inode = path.stat().st_ino
    opened(path, resume=True).close()
    assert path.stat().st_ino == inode
    assert ids_in(path) == ["a"]


def test_a_file_cut_at_any_byte_keeps_its_whole_lines(path: Path) -> None:
    """Wherever kill -9 or a power cut struck."""
    first_run(path)
    content = path.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        with opened(path, resume=True) as results:
            kept = [custom_id for custom_id in ("a", "c") if custom_id in results.done]
            results.write(good("z"))
        assert ids_in(path) == [*kept, "z"]
    assert kept == ["a", "c"]


def test_zeros_that_a_power_cut_left_are_cut_off(path: Path) -> None:
    first_run(path)
    with path.open("ab") as out:
        out.write(b"\0" * 4096)
    opened(path, resume=True).close()
    assert ids_in(path) == ["a", "c"]


def test_a_line_that_is_there_twice_is_kept_once(path: Path) -> None:
    with opened(path) as results:
        for text in ("first", "second"):
            results.write(good("a", text))
    opened(path, resume=True).close()
    assert ids_in(path) == ["a"]
    assert "first" in path.read_text()


def test_a_resumed_file_keeps_its_permissions_and_its_links(path: Path, tmp_path: Path) -> None:
    first_run(path)
    path.chmod(0o640)
    link = tmp_path / f"link{path.suffix}"
    link.symlink_to(path)
    opened(link, resume=True).close()
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert ids_in(path) == ["a", "c"]


@pytest.mark.parametrize(
    "content",
    ["my notes\nof long ago\n", '{"text": "an input"}\n{"text": "another"}\n', "[1]\n[2]\n", 'a,b\n"c"d,e\nf,g\n'],
)
def test_a_file_that_is_no_results_file_is_refused_and_left_alone(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(InvalidRequest, match=r"line 1 of .* expected a results file|is not valid CSV"):
        opened(path, resume=True)
    with pytest.raises(InvalidRequest):
        done(str(path))
    assert path.read_text() == content
    assert os.listdir(path.parent) == [path.name]


def test_a_foreign_line_among_results_is_refused(path: Path) -> None:
    first_run(path)
    content = path.read_bytes() + b"a note of mine\r\n"
    path.write_bytes(content + content)
    with pytest.raises(InvalidRequest, match="expected a results file"):
        opened(path, resume=True)


def test_scanning_a_table_leaves_the_bound_of_cells_as_it_was(path: Path) -> None:
    before = csv.field_size_limit()
    first_run(path)
    opened(path, resume=True).close()
    assert csv.field_size_limit() == before


def test_a_csv_file_of_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    first_run(path)
    with pytest.raises(InvalidRequest, match=r"has columns custom_id, name, .*: expected custom_id, other, "):
        open_output(str(path), columns=["other"], resume=True)


def test_a_file_that_may_not_be_written_is_refused(path: Path) -> None:
    path.symlink_to(path.parent)
    with pytest.raises(InvalidRequest, match="is a directory"):
        opened(path, resume=True)


def test_a_lock_on_a_file_that_was_replaced_meanwhile_is_none(tmp_path: Path) -> None:
    path = tmp_path / "out"
    stale = path.open("wb")
    path.unlink()
    path.touch()
    with pytest.raises(InvalidRequest, match="another run"):
        lock(stale, path)


def test_a_rewrite_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    path.write_text("old")

    def fail(out: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputUnwritable, match="No space left on device; it is unchanged"):
        rewrite(path, fail)
    with pytest.raises(ZeroDivisionError):
        rewrite(path, lambda out: 1 / 0)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]
    monkeypatch.setattr(output_file, "fcntl", None)
    with pytest.raises(OutputUnwritable, match="cannot write beside"):
        rewrite(tmp_path / "gone" / "out", fail)


WRITER = """
import itertools, sys
from homa.files import Answered, open_output, result_line
results = open_output(sys.argv[1], columns=["name"])
for number in itertools.count():
    line = result_line(str(number), Answered({"choices": [{"message": {"content": "words " * 2000}}]}))
    results.write(line, {"name": "x"})
    print(number, flush=True)
"""


def test_a_killed_run_loses_no_line_that_it_had_written(path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer, writer.stdout as told:
        last = next(number for number in map(int, told) if number >= 50)
        writer.send_signal(signal.SIGKILL)
        last = max([last, *map(int, told.read().split())])
    with opened(path, resume=True) as results:
        assert all(str(number) in results.done for number in range(last + 1))
        assert len(results.done) <= last + 2
    assert len(ids_in(path)) == len(results.done)


def test_a_blank_line_does_not_hide_that_the_last_line_lacks_its_newline(tmp_path: Path) -> None:
    """One newline too many here and one too few there leave the file's size as it should be."""
    path = tmp_path / "out.jsonl"
    with opened(path) as results:
        results.write(good("a"))
        results.write(good("b"))
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n\n" + second)
    with opened(path, resume=True) as results:
        results.write(good("c"))
    assert ids_in(path) == ["a", "b", "c"]
