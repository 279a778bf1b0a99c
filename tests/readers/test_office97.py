"""DOC and PPT of before 2007, as LibreOffice writes them: whole, damaged, of a wrong name."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from homa.files.readers.content import OLE
from tests.readers import samples
from tests.readers.compound_file import compound_file
from tests.readers.reading import document, fault, rows


def test_a_word_document_has_its_headings_lists_and_tables(tmp_path: Path) -> None:
    text = document(tmp_path, "a.doc", samples.doc()).text
    assert text is not None
    assert "# Parties\n\nBetween Acme GmbH\n\n- first\n- second\n1. step\n" in text
    assert "| r1\\|c0 | r1\\|c1 |" in text
    assert text.startswith("Draft 7")


def test_slides_are_pages_with_their_notes(tmp_path: Path) -> None:
    row = document(tmp_path, "a.ppt", samples.ppt())
    assert row.text is not None
    assert len(row.pages) == 2
    first, second = row.text[: row.pages[1]], row.text[row.pages[1] :]
    for words in ("Quarter", "Revenue rose\nCosts fell", "Notes: Say thanks"):
        assert words in first
    for words in ("Table", "left", "right"):
        assert words in second


@pytest.mark.parametrize(("name", "content"), [("doc", samples.doc()), ("ppt", samples.ppt())])
def test_they_are_told_by_content_where_a_name_says_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    assert document(tmp_path, "attachment", content).text == document(tmp_path, f"a.{name}", content).text


@pytest.mark.parametrize(("name", "content"), [("doc", samples.doc()), ("ppt", samples.ppt())])
def test_damaged_ones_have_a_reason_or_what_could_be_read(tmp_path: Path, name: str, content: bytes) -> None:
    assert "is damaged, or of" in fault(tmp_path, f"cut.{name}", content[:2000])
    assert "is damaged, or of" in fault(tmp_path, f"none.{name}", OLE + bytes(600))
    draw = random.Random(1)
    for number in range(6):
        broken = bytearray(content)
        for _ in range(200):
            broken[draw.randrange(512, len(broken))] = draw.randrange(256)
        assert len(rows(tmp_path, f"{number}.{name}", bytes(broken))) == 1


def test_what_is_encrypted_or_empty_says_so(tmp_path: Path) -> None:
    # A Word document whose header says that it is encrypted (FibBase.fEncrypted), and nothing else.
    header = bytearray(2048)
    header[:4] = b"\xec\xa5\xc1\x00"
    header[10:12] = (0x0100).to_bytes(2, "little")
    header[14:18] = (52).to_bytes(4, "little")
    locked = compound_file({"WordDocument": bytes(header), "0Table": b"\x01\x00\x01\x00" + bytes(60)})
    assert fault(tmp_path, "a.doc", locked) == "is encrypted: save it without a password first"


def test_a_mail_with_a_word_document_within_stays_a_mail(tmp_path: Path) -> None:
    found = compound_file({"__properties_version1.0": bytes(64), "x/WordDocument": bytes(64)})
    assert "holds no mail" in fault(tmp_path, "a.msg", found)
