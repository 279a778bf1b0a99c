"""docs/documents.md: its commands say what it says they say, its reader reads, its table names every reader."""

from __future__ import annotations

import importlib.util
import io
import shlex
import sys
from pathlib import Path

import pytest

from homa.files.readers.content import Head
from homa.files.readers.document import Document, Opened, Reader, ReadOptions, Unreadable
from homa.files.readers.registry import names
from tests.commands.conftest import Fleet, finished, start
from tests.docs.pages import ROOT, blocks, missing
from tests.readers import samples

PAGE = ROOT / "docs" / "documents.md"


def test_the_pages_commands_say_what_it_says(staffed: Fleet, folder: Path) -> None:
    docs = folder / "docs"
    docs.mkdir()
    for name, content in {
        "contract.docx": samples.docx(), "scan.pdf": samples.scan(), "page.html": b"<p>words</p>", "note.txt": b"words",
        "broken.xlsx": samples.xlsx()[:1000], ".drafts": b"no",
    }.items():  # fmt: skip
        (docs / name).write_bytes(content)
    invoices = folder / "invoices"
    invoices.mkdir()
    for name in ("a.txt", "b.txt"):
        (invoices / name).write_text("In all 20 euros.")
    (folder / "invoice.json").write_text('{"type": "object", "properties": {"total": {"type": "number"}}}')
    for block in (block for block in blocks(PAGE) if block.verb == "run"):
        if block.language == "python":
            exec(block.text, {"__name__": "page"})
            continue
        for command in block.commands:
            status, out, err = finished(start(staffed, *shlex.split(command.line)[1:]))
            assert status == block.status, err
            absent = missing(command.shown, err + out, {})
            assert absent is None, f"{absent}\nis not in\n{err}{out}"


def test_the_pages_reader_reads(tmp_path: Path) -> None:
    (block,) = (block for block in blocks(PAGE) if block.verb == "file")
    (tmp_path / "bibtex_reader.py").write_text(block.text)
    spec = importlib.util.spec_from_file_location("bibtex_reader", tmp_path / "bibtex_reader.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reader: Reader = module.READER
    content = b"@book{knuth,\n title = {x}}\n@book{lamport,\n}"
    assert reader.claims(Head("refs.bib", content))
    found = list(reader.read(Opened("refs.bib", io.BytesIO(content)), ReadOptions()))
    assert [each.part for each in found if isinstance(each, Document)] == ["knuth", "lamport"]
    with pytest.raises(Unreadable, match="entry 1 has no body"):
        list(reader.read(Opened("refs.bib", io.BytesIO(b"@nothing")), ReadOptions()))
    assert "bibtex_reader" not in sys.modules


def test_the_pages_table_names_every_reader() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in names() if f"`{name}`" not in text] == []
