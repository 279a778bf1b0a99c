"""PDF: order, forms, page marks, and pages that are pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO

import pypdf
import pytest

from homa.files import BadRow, ReadOptions
from homa.files.readers import pdf, pdf_page
from homa.files.readers.document import Document, Opened, Unreadable
from homa.files.readers.pdf import MOST_PAGES, PdfReader
from tests.readers import samples
from tests.readers.reading import document, fault, rows


def found_in(content: bytes, pages: str = "auto") -> Document:
    (found,) = PdfReader().read(Opened("a.pdf", io.BytesIO(content)), ReadOptions(pages=pages))
    assert isinstance(found, Document)
    return found


def encrypted(user: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(samples.pdf([["secret words here"]])))
    writer.encrypt(user_password=user, owner_password="owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pages_stand_in_order_with_their_marks(tmp_path: Path) -> None:
    row = document(tmp_path, "a.pdf", samples.pdf([["First line", "second line"], [], ["Last page, long enough"]]))
    assert row.text == "First line\nsecond line\n\n\n\nLast page, long enough"
    assert [row.text[mark : mark + 5] for mark in row.pages] == ["First", "\n\nLas", "Last "]
    assert row.notes == ()


def test_what_is_filled_into_a_form_is_read(tmp_path: Path) -> None:
    content = samples.pdf([["Application for leave"]], form={"Name": "Ada Lovelace", "Days": "12", "Empty": ""})
    text = document(tmp_path, "a.pdf", content).text
    assert text == "Application for leave\nName: Ada Lovelace\nDays: 12"


def test_a_file_that_its_owner_alone_protected_is_read_and_one_with_a_password_is_told(tmp_path: Path) -> None:
    assert document(tmp_path, "a.pdf", encrypted("")).text == "secret words here"
    assert fault(tmp_path, "a.pdf", encrypted("letmein")).startswith("is encrypted: save it without a password")


def test_a_scan_is_shown_where_that_is_wanted() -> None:
    shown = found_in(samples.scan(2))
    assert shown.text == ""
    assert [image[:3] for image in shown.images] == [b"\xff\xd8\xff"] * 2
    assert shown.notes == ("pages 1, 2 of 2 without text (scanned?): shown as images",)
    with pytest.raises(Unreadable, match=r"holds no text on its 2 pages \(scanned\?\): --pages auto shows them"):
        found_in(samples.scan(2), "text")


def test_pages_without_text_among_others_are_told_or_shown() -> None:
    writer = pypdf.PdfWriter()
    for part in (samples.pdf([["A page of text, long enough"]]), samples.scan()):
        writer.append(io.BytesIO(part))
    out = io.BytesIO()
    writer.write(out)
    told = found_in(out.getvalue(), "text")
    assert (told.images, told.notes) == (
        (),
        ("page 2 of 2 without text (scanned?): left out; --pages auto shows them",),
    )
    assert len(found_in(out.getvalue()).images) == 1
    assert len(found_in(out.getvalue(), "image").images) == 2


def test_a_file_that_is_cut_off_gives_what_is_left_of_it_or_its_reason(tmp_path: Path) -> None:
    whole = samples.pdf([[f"Page {number} with some words on it"] for number in range(20)])
    for share in (0.3, 0.6, 0.9, 0.99):
        (row,) = rows(tmp_path, "a.pdf", whole[: int(len(whole) * share)])
        if isinstance(row, BadRow):
            assert row.error.startswith("is not a readable PDF")
        else:
            assert "with some words" in str(row.text)


def test_a_file_of_very_many_pages_is_told_at_once(tmp_path: Path) -> None:
    """Pages may share one object, so that a small file has any number of them."""
    kids = b"3 0 R " * (MOST_PAGES + 1)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [" + kids + b"] /Count %d >>" % (MOST_PAGES + 1),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 10 10] >>",
    ]
    body = b"%PDF-1.4\n" + b"".join(b"%d 0 obj\n%s\nendobj\n" % (n, each) for n, each in enumerate(objects, 1))
    assert "20,001 pages: at most 20,000 are read" in fault(
        tmp_path, "a.pdf", body + b"trailer << /Size 4 /Root 1 0 R >>\n%%EOF\n"
    )


def test_a_page_whose_characters_mean_nothing_is_read_by_the_other_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    content = samples.pdf([["Legible words of a page"], ["More of them on the next"]])
    monkeypatch.setattr(pdf_page, "_cleaned", lambda text: "\ufffd" * len(text))
    found = found_in(content)
    assert found.text == "Legible words of a page\n\nMore of them on the next"
    assert found.notes == ("pages 1, 2 read by another parser, since a font does not say what its glyphs are",)


def test_a_file_that_one_parser_cannot_open_is_read_by_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    content = samples.pdf([["First page"], ["Second page"]])

    def refuse(stream: IO[bytes]) -> None:
        raise pdf._Damaged("no pages")

    monkeypatch.setattr(pdf, "_loaded", refuse)
    found = found_in(content)
    assert found.text == "First page\n\nSecond page"
    assert found.pages == (0, 12)
    assert found.notes == ("the file is damaged: what could be read of it is here",)
    with pytest.raises(Unreadable, match="is not a readable PDF: no pages"):
        found_in(content[:200])


def test_a_word_that_a_lines_end_divided_is_one() -> None:
    assert pdf_page._cleaned("manip\ufffe\r\nulation of a\u00adb\x02c\r\nend") == "manipulation of abc\nend"


def test_too_many_scanned_pages_for_one_prompt_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MOST_IMAGES", 2)
    with pytest.raises(Unreadable, match="has more than 2 pages without text: so many images fit no prompt"):
        found_in(samples.scan(3))
