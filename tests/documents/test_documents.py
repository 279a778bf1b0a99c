"""Text, Markdown and PDF files: one row each."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

import pypdf
import pytest

from homa.files import BadRow, ReadOptions, Row, open_inputs
from homa.files.readers import pdf as pdf_module
from homa.files.readers import registry
from homa.files.readers import text as text_reader
from homa.files.readers.document import Opened, Unreadable
from homa.files.readers.pdf import PdfReader


def read(path: Path, content: bytes, encoding: str | None = None) -> Row | BadRow:
    path.write_bytes(content)
    (row,) = open_inputs([str(path)], options=ReadOptions(encoding=encoding))
    return row


def text_of(row: Row | BadRow) -> str | None:
    assert isinstance(row, Row), row
    return row.text


def fault_of(row: Row | BadRow) -> str:
    assert isinstance(row, BadRow), row
    assert row.custom_id == row.path
    return row.error


def pdf_with(text: str) -> bytes:
    """The smallest PDF file that shows a line of text."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
            b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, each in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return bytes(out + b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start)


def test_a_document_is_named_by_its_file_and_has_no_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    assert read(path, b"# Title\n") == Row("a.md", "a.md", None, "# Title\n", {})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding_and_is_no_text(tmp_path: Path, encoding: str) -> None:
    assert text_of(read(tmp_path / "a.txt", "Grüße\r\nan alle".encode(encoding))) == "Grüße\nan alle"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "cp1252", "cp500", "iso2022_jp", "shift_jis"])
def test_an_encoding_without_a_mark_has_to_be_named(tmp_path: Path, encoding: str) -> None:
    assert text_of(read(tmp_path / "a.txt", "plain words".encode(encoding), encoding)) == "plain words"


def test_a_mark_is_believed_over_the_encoding_given(tmp_path: Path) -> None:
    assert text_of(read(tmp_path / "a.txt", codecs.BOM_UTF8 + "ü".encode(), "cp1252")) == "ü"


def test_a_badly_encoded_document_is_told_with_the_byte(tmp_path: Path) -> None:
    assert "not valid utf-8: byte 0xfc" in fault_of(read(tmp_path / "a.txt", "Gr\xfc\xdfe".encode("latin-1"), "utf-8"))
    assert "not valid utf-16-le" in fault_of(read(tmp_path / "b.txt", codecs.BOM_UTF16_LE + b"a\0b"))


@pytest.mark.parametrize("content", [b"", b" \n\t\n", codecs.BOM_UTF8])
def test_an_empty_document_is_a_bad_row(tmp_path: Path, content: bytes) -> None:
    assert fault_of(read(tmp_path / "a.txt", content)) == "is empty"


def test_a_nul_far_into_a_document_is_told(tmp_path: Path) -> None:
    assert "holds a NUL at character 100,000" in fault_of(read(tmp_path / "a.txt", b"x" * 100_000 + b"\0"))


def test_a_document_longer_than_the_limit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_reader, "LIMIT_BYTES", 10)
    assert "split it into several files" in fault_of(read(tmp_path / "a.txt", b"12345678901"))


def test_the_text_of_a_pdf_file_is_read(tmp_path: Path) -> None:
    assert text_of(read(tmp_path / "a.pdf", pdf_with("Hello from a page"))) == "Hello from a page"


def test_a_pdf_file_is_known_by_its_first_bytes_too(tmp_path: Path) -> None:
    assert text_of(read(tmp_path / "scan", pdf_with("Hello"))) == "Hello"
    (row,) = open_inputs(["-"], stdin=Unseekable(pdf_with("Hello")))
    assert text_of(row) == "Hello"


class Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False


def test_a_pdf_file_without_text_asks_for_text_recognition(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    out = io.BytesIO()
    writer.write(out)
    assert "no text on its 1 pages: they are blank" in fault_of(read(tmp_path / "a.pdf", out.getvalue()))


def test_an_encrypted_pdf_file_is_told(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_with("secret")))
    writer.encrypt("password", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    assert fault_of(read(tmp_path / "a.pdf", out.getvalue())).startswith("is encrypted")


def test_a_damaged_pdf_file_is_told(tmp_path: Path) -> None:
    assert "is not a readable PDF" in fault_of(read(tmp_path / "a.pdf", b"%PDF-1.4\nnonsense"))


def test_a_pdf_file_longer_than_the_limit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_module, "LIMIT_BYTES", 3)
    with pytest.raises(Unreadable, match="split it into several files"):
        list(PdfReader().read(Opened("a.pdf", io.BytesIO(pdf_with("Hello"))), ReadOptions()))


def test_a_file_whose_reader_is_not_installed_has_a_line_with_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    assert "pip install 'homa-queue[documents]'" in fault_of(read(tmp_path / "scan", pdf_with("Hello")))
