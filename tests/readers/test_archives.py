"""Compressed files and archives: folders of documents, within bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest

from homa.files import Row
from homa.files.readers import expansion
from homa.files.readers.content import Head
from homa.files.readers.document import Opened, ReadOptions, Unreadable
from homa.files.readers.expansion import Expanding
from tests.readers import samples
from tests.readers.reading import by_id, fault, rows

ROWS = b'{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n'


def zstd(content: bytes) -> bytes:
    packed: bytes = pyarrow.compress(content, "zstd", asbytes=True)
    return packed


def tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("ending", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstd)]
)
def test_what_is_compressed_is_read_as_what_it_is(
    tmp_path: Path, ending: str, compress: Callable[[bytes], bytes]
) -> None:
    found = rows(tmp_path, f"a.jsonl.{ending}", compress(ROWS))
    assert [(row.custom_id, row.path, row.line) for row in found] == [
        ("a", f"a.jsonl.{ending}", 1),
        ("b", f"a.jsonl.{ending}", 2),
    ]
    assert by_id(rows(tmp_path, f"b.pdf.{ending}", compress(samples.pdf([["words of a page"]])))) == {
        f"b.pdf.{ending}": "words of a page"
    }


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_an_archive_is_a_folder(tmp_path: Path, mode: str) -> None:
    content = tar({"./docs/a.txt": b"one", "docs/b.html": b"<p>two</p>", "docs/.git/x": b"no"}, mode)
    assert by_id(rows(tmp_path, "a.tgz", content)) == {
        "a.tgz/docs/a.txt": "one",
        "a.tgz/docs/b.html": "two\n",
        "a.tgz/docs/.git/x": "! is hidden: not read",
    }


def test_an_archive_within_an_archive_is_one_too(tmp_path: Path) -> None:
    inner = samples.zipped({"c.txt": "three", "rows.csv": "id,text\nx,y\n"})
    assert by_id(rows(tmp_path, "a.zip", samples.zipped({"b.zip": inner, "a.txt": "one"}))) == {
        "a.zip/a.txt": "one",
        "a.zip/b.zip/c.txt": "three",
        "x": "y",
    }


@pytest.mark.parametrize(
    ("ending", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstd)]
)
def test_what_is_compressed_within_an_archive_is_read_as_what_it_is(
    tmp_path: Path, ending: str, compress: Callable[[bytes], bytes]
) -> None:
    packed = compress(b"id,text\na,one\nb,two\n")
    members = {f"rows.csv.{ending}": packed, f"more.csv.{ending}.{ending}": compress(compress(b"id,text\nc,three\n"))}
    wanted = {"a": "one", "b": "two", "c": "three"}
    assert by_id(rows(tmp_path, "a.zip", samples.zipped(members))) == wanted
    assert by_id(rows(tmp_path, "a.tar", tar(members))) == wanted


def test_a_format_that_is_named_is_the_archives_and_not_its_members(tmp_path: Path) -> None:
    members = {"a.txt": b"one", "b.html": b"<p>two</p>"}
    wanted = {"a.zip/a.txt": "one", "a.zip/b.html": "two\n"}
    assert by_id(rows(tmp_path, "a.zip", samples.zipped(members), input_format="zip")) == wanted
    assert by_id(rows(tmp_path, "a.gz", gzip.compress(b"one"), input_format="compressed")) == {"a.gz": "one"}


def test_a_member_without_a_name_does_not_cost_the_others(tmp_path: Path) -> None:
    out = io.BytesIO(samples.zipped({"ok.txt": "fine"}))
    with zipfile.ZipFile(out, "a") as archive:
        nameless = zipfile.ZipInfo("y")
        nameless.filename = ""
        archive.writestr(nameless, "text")
    found = by_id(rows(tmp_path, "a.zip", out.getvalue()))
    assert found == {"a.zip": "text", "a.zip/ok.txt": "fine"}


def test_members_of_one_name_have_a_line_each(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in (("a.txt", b""), ("b.txt", b"one"), ("a.txt", b"two"), ("b.txt", b"three")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    found = rows(tmp_path, "a.tar", out.getvalue())
    assert [row.custom_id for row in found] == ["a.tar/a.txt", "a.tar/b.txt", "a.tar/a.txt (2)", "a.tar/b.txt (2)"]
    assert [isinstance(row, Row) for row in found] == [False, True, False, False]


def test_a_member_that_is_compressed_in_an_unknown_way_does_not_cost_the_others(tmp_path: Path) -> None:
    content = bytearray(samples.zipped({"a.txt": "one" * 100, "b.txt": "two" * 100}))
    content[8] = content[content.index(b"PK\x01\x02") + 10] = 99
    found = by_id(rows(tmp_path, "a.zip", bytes(content)))
    assert found["a.zip/a.txt"].startswith("! cannot be unpacked: That compression method is not supported")
    assert found["a.zip/b.txt"] == "two" * 100


def test_names_that_leave_and_links_are_told_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    leaving = {"../up.txt": "x", "/etc/passwd": "x", "C:\\up.txt": "x", "a/../../up.txt": "x", "good..txt": "good"}
    found = by_id(rows(folder, "a.zip", samples.zipped(leaving)))
    assert found.pop("a.zip/good..txt") == "good"
    assert len(found) == 4
    assert set(found.values()) == {"! has a name that leaves the archive: not read"}
    assert [each.name for each in tmp_path.rglob("*")] == ["inside", "a.zip"]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("passwd.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert "is a link or a device" in fault(folder, "a.tar", out.getvalue())
    linked = zipfile.ZipInfo("passwd.txt")
    linked.external_attr = (stat.S_IFLNK | 0o777) << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        zipped.writestr(linked, "/etc/passwd")
    assert "is a link, which is not followed" in fault(folder, "b.zip", out.getvalue())


def test_a_bomb_is_told_before_it_goes_off(tmp_path: Path) -> None:
    zeros = bytes(100 * 1024 * 1024)
    assert fault(tmp_path, "a.zip", samples.zipped({"zeros.bin": zeros})) == expansion.BOMB
    (row,) = rows(tmp_path, "a.jsonl.gz", gzip.compress(zeros))
    assert not isinstance(row, Row)
    nested = samples.zipped({"b.zip": samples.zipped({"zeros.txt": zeros})})
    assert fault(tmp_path, "c.zip", nested) == expansion.BOMB


def test_a_stream_that_expands_too_far_ends() -> None:
    bomb = Expanding(io.BytesIO(bytes(80 * 1024 * 1024)), lambda: 1000)
    with pytest.raises(Unreadable, match="as a decompression bomb does"):
        bomb.read()


@pytest.mark.parametrize("cut", [0.2, 0.7, 0.97])
def test_what_is_cut_off_is_told_and_what_stands_before_is_read(tmp_path: Path, cut: float) -> None:
    many = b"".join(b'{"id": "r%d", "text": "row %d"}\n' % (n, n * n) for n in range(20_000))
    packed = gzip.compress(many)
    *good, last = rows(tmp_path, "a.jsonl.gz", packed[: int(len(packed) * cut)])
    assert not isinstance(last, Row)
    assert "cut off" in last.error
    assert all(isinstance(row, Row) for row in good)
    assert len(good) > 20_000 * cut * 0.5


def test_encrypted_and_damaged_members_are_told_and_the_others_read(tmp_path: Path) -> None:
    content = bytearray(samples.zipped({"a.txt": "one" * 100, "b.txt": "two" * 100}))
    place = content.index(b"b.txt")
    content[place + 8 : place + 12] = b"\xff\xff\xff\xff"
    found = by_id(rows(tmp_path, "a.zip", bytes(content)))
    assert found["a.zip/a.txt"] == "one" * 100
    assert found["a.zip/b.txt"].startswith("! ")
    flagged = bytearray(samples.zipped({"a.txt": "one"}))
    flagged[6] |= 1
    flagged[flagged.index(b"PK\x01\x02") + 8] |= 1
    assert "is encrypted: unpack the archive" in fault(tmp_path, "b.zip", bytes(flagged))
    assert "is an empty archive" in fault(tmp_path, "c.zip", samples.zipped({}))


@pytest.mark.parametrize("name", ["a.docx", "a.odt", "a.pptx"])
@pytest.mark.parametrize("before", ["", f"<!--{'x' * 200_000}-->"])
def test_xml_that_declares_entities_is_refused(tmp_path: Path, name: str, before: str) -> None:
    declared = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    bomb = f'<?xml version="1.0"?>{before}{declared}'
    parts = {
        "a.docx": {"[Content_Types].xml": "<x/>", "word/document.xml": bomb},
        "a.pptx": {"ppt/presentation.xml": bomb},
        "a.odt": {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": bomb},
    }[name]
    assert "declares entities in" in fault(tmp_path, name, samples.zipped(parts))


def test_a_long_listing_is_not_looked_through_for_a_documents_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    content = samples.zipped({"word/document.xml": "<x/>"})
    assert Head("a.zip", content, io.BytesIO(content)).members == {"word/document.xml"}
    monkeypatch.setattr("homa.files.readers.content._LISTING_BYTES", 40)
    assert not Head("a.zip", content, io.BytesIO(content)).members


def test_a_reader_of_archives_needs_no_more_than_a_stream() -> None:
    from homa.files.readers.archives import TarReader

    (member,) = TarReader().read(Opened("a.tar", io.BytesIO(tar({"a.txt": b"one"}))), ReadOptions())
    assert getattr(member, "name", "") == "a.txt"
