"""Which files are read, in which order, and what is told about those that are not."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from homa.files import BadRow, InputCount, ReadOptions, Row, Skipped, check_inputs, count_inputs, open_inputs
from homa_shared.model.errors import InvalidRequest


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, content: str | bytes = "words") -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def ids(*inputs: str, skipped: Skipped | None = None) -> list[str]:
    return [row.custom_id for row in open_inputs(inputs, skipped=skipped) if isinstance(row, Row)]


def test_a_directory_is_read_recursively_and_in_order() -> None:
    for name in ("docs/b.txt", "docs/a.md", "docs/z/c.txt", "docs/m/d.txt"):
        write(name)
    assert ids("docs") == ["docs/a.md", "docs/b.txt", "docs/m/d.txt", "docs/z/c.txt"]


def test_what_is_skipped_has_its_row_with_the_reason_and_is_counted() -> None:
    write("docs/a.txt")
    write("docs/.env")
    write("docs/.git/config")
    write("docs/core", b"abc\0def")
    write("docs/run", b"\x7fELF\x02\0\0\0")
    os.mkfifo("docs/pipe")
    Path("docs/linked").symlink_to("../elsewhere", target_is_directory=True)
    Path("elsewhere").mkdir()
    skipped = Skipped()
    rows = list(open_inputs(["docs"], skipped=skipped))
    assert [row.custom_id for row in rows if isinstance(row, Row)] == ["docs/a.txt"]
    assert {str(row): row.skipped for row in rows if isinstance(row, BadRow)} == {
        "docs/.env: is hidden: not read": "hidden",
        "docs/.git: is hidden: not read": "hidden",
        "docs/core: is binary: no reader for this kind of file": "binary",
        "docs/run: is a program: no reader for this kind of file": "binary",
        "docs/pipe: is a pipe, socket or device: not read": "special",
        "docs/linked: is a link to a directory: not followed": "special",
    }
    assert skipped.counts == {"hidden": 2, "special": 2, "binary": 2}
    assert str(skipped).startswith("skipped 2 hidden, 2 binary, 2 special (docs/.env, docs/.git, ")


def test_the_names_of_many_skipped_files_are_cut_short() -> None:
    write("docs/a.txt")
    for number in range(9):
        write(f"docs/.hidden{number}")
    skipped = Skipped()
    assert ids("docs", skipped=skipped) == ["docs/a.txt"]
    assert len(skipped.names) == 5
    assert str(skipped).endswith(", …)")
    assert str(Skipped()) == "skipped nothing"


def test_a_binary_file_that_was_named_is_told_and_not_skipped() -> None:
    write("core", b"abc\0def")
    write("table.csv", b"\x7fELF\x81\0\0\0\x82")
    first, second = open_inputs(["core", "table.csv"])
    assert isinstance(first, BadRow)
    assert isinstance(second, BadRow)
    assert str(first).startswith("core: is binary: no reader")
    assert "is a program" in second.error


def test_a_glob_reads_the_files_that_match_sorted() -> None:
    for name in ("b.txt", "a.txt", "c.md", "sub/d.txt", ".hidden.txt"):
        write(name)
    assert ids("*.txt") == ["a.txt", "b.txt"]
    assert ids("**/*.txt") == ["a.txt", "b.txt", "sub/d.txt"]


def test_a_file_whose_name_looks_like_a_glob_is_read() -> None:
    write("notes[1].txt")
    assert ids("notes[1].txt") == ["notes[1].txt"]


def test_a_file_that_several_inputs_lead_to_is_read_once() -> None:
    write("docs/a.txt")
    write("docs/b.txt")
    skipped = Skipped()
    assert ids("./docs/b.txt", "docs", "docs/*.txt", skipped=skipped) == ["b.txt", "docs/a.txt"]
    assert skipped.counts["repeated"] == 3


def test_a_folder_has_one_name_however_it_is_spelled(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("docs/a.txt")
    write("docs/deep/t.jsonl", '{"text": "x"}')
    Path("link").symlink_to("docs", target_is_directory=True)
    known = ["docs/a.txt", "docs/deep/t.jsonl:1"]
    absolute = str(in_folder / "docs")
    for spelling in ("docs", "./docs", "docs/", "docs//", "docs/deep/../../docs", "link", "link/", absolute):
        assert ids(spelling) == known, spelling
    monkeypatch.chdir("docs")
    for spelling in (".", "../docs", "../link"):
        assert ids(spelling) == known, spelling


def test_a_file_has_its_own_name_and_a_pattern_names_from_where_it_begins(in_folder: Path) -> None:
    write("docs/deep/a.txt")
    for spelling in ("docs/deep/a.txt", "./docs//deep/a.txt", str(in_folder / "docs/deep/a.txt")):
        assert ids(spelling) == ["a.txt"]
    assert ids("docs/**/*.txt") == ids(f"{in_folder}/docs/**/*.txt") == ["deep/a.txt"]


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        (("a/docs", "b/docs"), ["a/docs/x.txt", "b/docs/x.txt"]),
        (("a/docs/x.txt", "b/docs/x.txt"), ["a/docs/x.txt", "b/docs/x.txt"]),
        (("a/docs/*.txt", "b/docs/*.txt"), ["a/docs/x.txt", "b/docs/x.txt"]),
        (("a/docs", "b/docs/x.txt"), ["docs/x.txt", "x.txt"]),
        (("a/docs", "link"), ["docs/x.txt"]),
        (("docs", "a/docs/*.txt", "b/docs/*.txt"), ["docs/y.txt", "a/docs/x.txt", "b/docs/x.txt"]),
    ],
)
def test_inputs_of_one_name_are_told_apart_by_the_names_before_it(inputs: tuple[str, ...], named: list[str]) -> None:
    for name in ("a/docs/x.txt", "b/docs/x.txt", "docs/y.txt"):
        write(name)
    Path("link").symlink_to("a/docs", target_is_directory=True)
    assert ids(*inputs) == named


def test_a_name_that_is_no_utf8_is_printable() -> None:
    Path(os.fsdecode(b"caf\xe9.txt")).write_text("words")
    (row,) = open_inputs(["*.txt"])
    assert row.custom_id == "caf\\xe9.txt"
    assert row.custom_id.encode()


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ([], "no INPUT given"),
        (["a.txt", ""], "INPUT is empty: expected a file"),
        (["ftp://example.com/a.txt"], r"ftp://… is an address of no kind that is read: expected https://, s3://"),
        (["gone.txt"], "'gone.txt': no such file or directory"),
        (["a.txt", "*.nothing"], "'*.nothing': no file matches"),
        (["-", "-"], "more than once"),
        (["empty"], "'empty': the directory holds no file"),
    ],
)
def test_wrong_inputs_are_refused_before_anything_is_read(inputs: list[str], told: str) -> None:
    write("a.txt")
    write("empty/.hidden")
    with pytest.raises(InvalidRequest) as refused:
        open_inputs(inputs)
    assert told in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-88", "base64"])
def test_an_unknown_encoding_is_refused_before_anything_is_read(encoding: str) -> None:
    with pytest.raises(InvalidRequest, match=f"--encoding is '{encoding}'"):
        check_inputs([write("a.txt")], options=ReadOptions(encoding=encoding))


def test_a_file_that_cannot_be_read_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    write("docs/a.txt")
    write("docs/b.txt")
    Path("docs/c.txt").symlink_to("nowhere")
    skipped = Skipped()
    rows = open_inputs(["docs"], skipped=skipped)
    assert next(rows).custom_id == "docs/a.txt"
    Path("docs/b.txt").unlink()
    bad, dangling = rows
    assert str(bad) == "docs/b.txt: cannot be read: No such file or directory"
    assert str(dangling) == "docs/c.txt: is a link that leads nowhere: not read"
    assert skipped.counts["special"] == 1


def test_a_directory_that_cannot_be_listed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    write("docs/a.txt")
    write("docs/locked/b.txt")
    real = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    good, bad = open_inputs(["docs"])
    assert isinstance(good, Row)
    assert str(bad) == "docs/locked: cannot be read: Permission denied"


def test_an_input_that_vanishes_between_check_and_reading_is_told() -> None:
    write("a.txt")
    write("b.txt")
    rows = open_inputs(["a.txt", "b.txt"])
    next(rows)
    Path("b.txt").unlink()
    (bad,) = rows
    assert bad.error == "cannot be read: No such file or directory"


def test_standard_input_is_a_document() -> None:
    (row,) = open_inputs(["-"], stdin=io.BytesIO(b"some words\n"))
    assert row == Row("-", "-", None, "some words\n", {})


def test_json_lines_on_standard_input_are_recognised_and_named_by_line() -> None:
    stdin = io.BytesIO(b'{"text": "one"}\n{"text": "two"}\n')
    assert [row.custom_id for row in open_inputs(["-"], stdin=stdin)] == ["-:1", "-:2"]
    assert not stdin.closed


def test_the_format_of_standard_input_can_be_told() -> None:
    rows = list(open_inputs(["-"], stdin=io.BytesIO(b"id,text\n7,x\n"), options=ReadOptions(input_format="csv")))
    assert rows == [Row("7", "-", 2, "x", {"id": "7", "text": "x"})]


def test_an_unknown_format_of_standard_input_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="--input-format is 'xml': expected one of pdf, docx, "):
        open_inputs(["-"], options=ReadOptions(input_format="xml"))


def test_a_pipe_is_read_like_standard_input() -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"id": "x"}\n')
    os.close(writing)
    try:
        assert ids(f"/dev/fd/{reading}") == ["x"]
        assert count_inputs([f"/dev/fd/{reading}"]).open_ended
    finally:
        os.close(reading)


def test_empty_standard_input_is_a_bad_row() -> None:
    (bad,) = open_inputs(["-"], stdin=io.BytesIO(b""))
    assert str(bad) == "-: is empty"


def test_rows_are_counted_without_being_parsed() -> None:
    write("a.jsonl", '{"text": "1"}\n{"text": "2"}')
    write("b.csv", "text\n1\n2\n3\n")
    write("c.txt", "1\n2\n")
    write("d.pdf", b"%PDF-1.4 \0")
    write("e.bin", b"\0")
    assert count_inputs(["*.*"]) == InputCount(8, 5, 27 + 11 + 4 + 10 + 1)
    assert count_inputs(["e.bin"]).rows == 1


def test_a_count_with_standard_input_is_open_ended() -> None:
    write("a.txt")
    assert count_inputs(["a.txt", "-"]) == InputCount(1, 1, 5, open_ended=True)


def test_what_cannot_be_read_counts_as_the_one_bad_row_that_it_becomes(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.txt")

    def refuse(file: Path) -> io.BufferedReader:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("homa.files.readers.count.opened", refuse)
    assert count_inputs(["a.txt"]) == InputCount(1, 1, 0)
