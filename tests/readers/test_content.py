"""A file is what its bytes say: names help only where those say nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from homa.files import ReadOptions, Row, Skipped, open_inputs
from homa.files.readers.content import Head
from homa.files.readers.registry import names, reader_of
from tests.readers import samples
from tests.readers.reading import document, fault, rows

MAIL = samples.mail().as_bytes()


@pytest.mark.parametrize(
    ("name", "content", "reader"),
    [
        ("report.txt", samples.pdf([["x"]]), "pdf"),
        ("upload", samples.docx(), "docx"),
        ("table.csv", samples.xlsx(), "xlsx"),
        ("old.doc", samples.xls(), "xlsx"),
        ("old.bin", samples.doc(), "doc"),
        ("old.doc", samples.ppt(), "ppt"),
        ("book.zip", samples.epub("x"), "epub"),
        ("letter.zip", samples.odf("text", samples.ODT_BODY), "odt"),
        ("page.txt", b"\n<!DOCTYPE html><p>x", "html"),
        ("page.xml", b'<?xml version="1.0"?>\n<!-- c -->\n<html xmlns="http://www.w3.org/1999/xhtml"/>', "html"),
        ("letter.doc", b"{\\rtf1 x}", "rtf"),
        ("message", MAIL, "eml"),
        ("message.txt", MAIL, "eml"),
        ("archive", b"From bob@x Mon Nov 30 09:00:00 2026\n" + MAIL, "mbox"),
        ("notes.txt", b"From: me\nSubject: no mail, just notes\n\nwords", "text"),
        ("rows.json", b'{"a": 1}\n{"a": 2}\n', "jsonl"),
        ("rows.ndjson", b'{"a": 1}\n', "jsonl"),
        ("rows.json", b'[\n  {"a": 1}\n]', "json"),
        ("object.json", b'{"a": 1}', "text"),
        ("numbers.json", b"[1, 2]", "text"),
        ("photo.txt", samples.png(), "image"),
        ("logs.txt", b"\x1f\x8b\x08rest", "compressed"),
        ("script.py", b"# <!doctype html>\n", "text"),
        ("readme.md", b"# Title\n", "text"),
        ("text.txt", "grün".encode("utf-16-le"), "text"),
    ],
)
def test_the_reader_is_told_by_content(name: str, content: bytes, reader: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with path.open("rb") as stream:
        found = reader_of(Head(str(path), content[:65536], stream), ReadOptions())
    assert found is not None
    assert found.name == reader


def test_every_reader_has_a_name_of_its_own() -> None:
    assert len(set(names())) == len(names())


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Sehr geehrte Damen und Herren, über die Größe müssen wir reden: 5 €"),
        ("cp1252", "Grüße"),
        ("cp1250", "Zażółć gęślą jaźń, proszę Państwa, książka żółta i źdźbło trawy na łące"),
        ("cp1251", "Съешь же ещё этих мягких французских булок, да выпей чаю"),
        ("cp932", "日本語のテキストです。これはテストです。今日は天気がいいですね。"),
        ("gb18030", "这是一个中文文本文件。我们今天去北京旅行,看长城。"),
        ("utf-16-le", "Plain words without a mark"),
    ],
)
def test_an_encoding_is_guessed_where_it_is_not_utf8_and_the_guess_is_told(
    tmp_path: Path, encoding: str, text: str
) -> None:
    row = document(tmp_path, "a.txt", text.encode(encoding))
    assert row.text == text
    assert row.notes[0].startswith("its encoding is guessed: ")


def test_a_wrong_byte_in_utf8_is_told_and_not_guessed_away(tmp_path: Path) -> None:
    content = "Grüße aus dem schönen Köln".encode() + b"\xff"
    assert "not valid utf-8: byte 0xff" in fault(tmp_path, "a.txt", content)


def test_a_guess_about_a_table_is_told_once(tmp_path: Path) -> None:
    skipped = Skipped()
    content = "id;größe\n1;übergroß\n2;mäßig\n".encode("cp1252")
    found = rows(tmp_path, "a.csv", content, skipped=skipped)
    assert [row.fields["größe"] for row in found if isinstance(row, Row)] == ["übergroß", "mäßig"]
    assert [remark.rpartition("a.csv: ")[2] for remark in skipped.remarks] == [
        "its encoding is guessed: cp1252 (name it with --encoding)"
    ]


def test_a_format_that_is_named_is_believed(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "a.txt", "id,text\n1,x\n", input_format="csv")
    assert (row.custom_id, row.path) == ("1", "a.txt")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.pub", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an Office document of before 2007"),
        (
            "a.docx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
            "is an encrypted Office document",
        ),
        ("a.mp3", b"ID3\x04\0\0", "is sound"),
        ("a.rar", b"Rar!\x1a\x07\0", "is a RAR archive"),
        ("a.jar", samples.zipped({"A.class": b"x"}), "is binary"),
    ],
)
def test_what_no_reader_has_is_called_by_its_kind(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (row,) = rows(tmp_path, name, content)
    assert str(row).startswith(f"{name}: {told}")
    assert row.skipped == "binary"


def test_a_folder_of_one_file_a_kind_has_a_row_for_each(tmp_path: Path) -> None:
    files = {
        "a.docx": samples.docx(), "b.pptx": samples.pptx(), "c.pdf": samples.pdf([["words"]]), "d.xlsx": samples.xlsx(),
        "e.odt": samples.odf("text", samples.ODT_BODY), "f.epub": samples.epub("words"), "g.eml": MAIL,
        "h.html": b"<p>words</p>", "i.png": samples.png(), "j.txt": b"words", "k.docx": samples.docx()[:3000],
        "l.pdf": b"%PDF-1.7\nnothing", "m.xlsx": samples.xlsx()[:2000], "n.zip": samples.zipped({"x.txt": b"words"}),
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    found = {row.path.removeprefix(f"{tmp_path.name}/"): isinstance(row, Row) for row in open_inputs([str(tmp_path)])}
    bad = {"k.docx", "l.pdf", "m.xlsx"}
    assert found == {("n.zip/x.txt" if name == "n.zip" else name): name not in bad for name in files}


def test_damaged_files_of_any_kind_have_their_rows_and_stop_nobody(tmp_path: Path) -> None:
    """Bytes changed and ends cut off at random places, the same ones each time."""
    draw = random.Random(35)
    files = {
        "docx": samples.docx(), "pptx": samples.pptx(), "xlsx": samples.xlsx(), "xls": samples.xls(),
        "pdf": samples.pdf([["words of a page"]], form={"a": "b"}), "odt": samples.odf("text", samples.ODT_BODY),
        "epub": samples.epub("<p>x</p>"), "msg": samples.msg({0x37: "a", 0x1000: "b"}, {"a.txt": b"x" * 5000}),
        "eml": samples.mail(attached={"a.pdf": samples.pdf([["x"]])}).as_bytes(), "png": samples.png(),
        "zip": samples.zipped({"a.txt": "x", "b.docx": samples.docx()}), "rtf": b"{\\rtf1\\ansi {\\b x}\\par y}",
    }  # fmt: skip
    written = set()
    for kind, content in files.items():
        for number in range(4):
            damaged = bytearray(content)
            for _ in range(draw.randrange(1, 12)):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            path = tmp_path / f"{number}.{kind}"
            path.write_bytes(damaged[: draw.randrange(len(damaged) // 2, len(damaged)) if number % 2 else None])
            written.add(f"{tmp_path.name}/{path.name}")
    found = list(open_inputs([str(tmp_path)], options=ReadOptions(deadline_s=10)))
    # What stands in a file may have rows of its own beside it.
    assert {path for path in written if not any(row.path.startswith(path) for row in found)} == set()
    assert all(row.text or row.images or row.fields for row in found if isinstance(row, Row))
