"""One file of each kind: what a model reads of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homa.files import Row
from tests.readers import samples
from tests.readers.reading import document, fault, rows


def test_a_word_document_keeps_headings_lists_tables_and_its_header(tmp_path: Path) -> None:
    assert document(tmp_path, "a.docx", samples.docx()).text == (
        "Draft 7\n\n# Contract of sale\n\n# Parties\n\nBetween Acme GmbH\n\n- first\n- second\n1. step\n\n"
        "| r0\\|c0 | r0\\|c1 |\n| --- | --- |\n| r1\\|c0 | r1\\|c1 |\n"
    )


def test_slides_are_pages_with_their_notes(tmp_path: Path) -> None:
    row = document(tmp_path, "a.pptx", samples.pptx())
    assert row.text is not None
    assert row.text.split("\n\n")[:3] == ["## Quarter", "Revenue rose\nCosts fell", "Notes: Say thanks"]
    assert row.text[row.pages[1] :].startswith("## Table\n\n| left | right |")


def test_opendocument_text_keeps_structure_and_blanks(tmp_path: Path) -> None:
    assert document(tmp_path, "a.odt", samples.odf("text", samples.ODT_BODY)).text == (
        "## Report\n\nTwo  blanks, [a link](https://example.com/)\n\n- one\n\n| a | b |\n| --- | --- |\n"
    )


def test_rtf_gives_its_text_in_the_code_page_that_it_names(tmp_path: Path) -> None:
    source = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 {\b Title}\par Gr\'fc\'dfe \u8364? 5\par}"
    assert document(tmp_path, "a.rtf", source).text == "Title\nGrüße € 5\n"


def test_a_book_is_read_in_the_order_of_its_spine(tmp_path: Path) -> None:
    row = document(tmp_path, "a.epub", samples.epub("<h1>One</h1><p>First</p>", "<h1>Two</h1>"))
    assert row.text == "# One\n\nFirst\n\n# Two"
    assert row.pages == (0, 14)


def test_an_outlook_message_gives_its_text_and_its_attachments(tmp_path: Path) -> None:
    content = samples.msg({0x0037: "Offer", 0x1000: "See below.", 0x001A: "IPM.Note"}, {"list.csv": b"id,text\nx,y\n"})
    body, attached = rows(tmp_path, "a.msg", content)
    assert isinstance(body, Row)
    assert body.text == "Subject: Offer\nAttachments: list.csv\n\nSee below.\n"
    assert body.fields["subject"] == "Offer"
    assert isinstance(attached, Row)
    assert (attached.custom_id, attached.path, attached.text) == ("x", "a.msg/list.csv", "y")


def test_a_page_gives_its_main_text_with_tables_and_links(tmp_path: Path) -> None:
    page = """<!doctype html><html><head><title>Prices &amp; more</title><style>p {}</style></head><body>
      <nav><a href="/">Home</a></nav><main><h2>Prices</h2><p>See <a href="https://example.com/a b">the list</a>,
      <b>please</b>.</p><table><tr><th>Item</th><th>Price</th></tr><tr><td>Tea</td><td>2 | 3</td></tr></table>
      <ul><li>one<ul><li>deeper</li></ul></li><li>two</li></ul><pre>x  =  1</pre></main>
      <script>alert(1)</script><footer>© nobody</footer></body></html>"""
    row = document(tmp_path, "a.html", page)
    assert row.text == (
        "## Prices\n\nSee [the list](https://example.com/a%20b), **please**.\n\n"
        "| Item | Price |\n| --- | --- |\n| Tea | 2 \\| 3 |\n\n- one\n  - deeper\n- two\n\n```\nx  =  1\n```\n"
    )
    assert row.fields == {"title": "Prices & more"}
    raw = document(tmp_path, "a.html", page, raw=True).text
    assert raw is not None
    assert raw.startswith("<!doctype html>")


@pytest.mark.parametrize("tag", ["list", "node", "emphasised", "node_inner", "x-own"])
def test_a_tag_of_any_name_is_text(tmp_path: Path, tag: str) -> None:
    assert document(tmp_path, "a.html", f"<html><p>one <{tag}>two</{tag}></p></html>").text == "one two\n"


def test_a_page_is_read_in_the_encoding_that_it_declares(tmp_path: Path) -> None:
    page = '<html><head><meta charset="windows-1251"></head><body>Привет</body></html>'.encode("cp1251")
    assert document(tmp_path, "a.html", page).text == "Привет\n"
    quoted = '<meta charset="iso-8859-1"><p>“quoted” €</p>'.encode("cp1252")
    assert document(tmp_path, "a.html", quoted).text == "“quoted” €\n"
    wrong = '<meta charset="utf-16"><p>grün</p>'.encode()
    assert document(tmp_path, "a.html", wrong).text == "grün\n"


def test_a_notebook_is_prose_code_and_what_it_printed(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Study\n", "of x"]},
        {
            "cell_type": "code",
            "source": "print(6 * 7)",
            "outputs": [
                {"output_type": "stream", "text": ["\x1b[31m42\x1b[0m\n"]},
                {"output_type": "display_data", "data": {"image/png": "aGk=" * 9000}},
                {"output_type": "error", "ename": "ValueError", "evalue": "no"},
            ],
        },
    ]
    notebook = {"nbformat": 4, "metadata": {"kernelspec": {"language": "python"}}, "cells": cells}
    assert document(tmp_path, "a.ipynb", json.dumps(notebook)).text == (
        "# Study\nof x\n\n```python\nprint(6 * 7)\n```\n\nOutput:\n```\n42\n```\n\nOutput:\n```\nValueError: no\n```\n"
    )


SRT = "1\n00:00:01,000 --> 00:00:02,000\n<i>Hello</i>\n\n2\n00:00:03,000 --> 00:00:04,000\nthere &amp; you\n"
VTT = """WEBVTT

NOTE x

00:01.000 --> 00:02.000 align:start
Hello

00:02.000 --> 00:03.000
Hello
there & you
"""


@pytest.mark.parametrize(("name", "content"), [("a.srt", SRT), ("a.vtt", VTT)])
def test_subtitles_give_what_is_said(tmp_path: Path, name: str, content: str) -> None:
    assert document(tmp_path, name, content).text == "Hello\nthere & you\n"


def test_subtitles_name_who_speaks(tmp_path: Path) -> None:
    cue = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud Mary Ann>Come <i>here</i></v>\n"
    assert document(tmp_path, "a.vtt", cue).text == "Mary Ann: Come here\n"


def test_an_image_is_a_document_that_is_shown(tmp_path: Path) -> None:
    row = document(tmp_path, "a.png", samples.png())
    assert (row.text, row.images) == ("", (samples.png(),))
    assert "is an image, which has no text" in fault(tmp_path, "a.png", samples.png(), pages="text")


def test_an_image_that_no_provider_reads_or_that_is_too_large_becomes_a_jpeg(tmp_path: Path) -> None:
    for name, content in (("a.tif", samples.png(form="TIFF")), ("b.png", samples.png((3000, 100)))):
        (shown,) = document(tmp_path, name, content).images
        assert shown.startswith(b"\xff\xd8\xff")


def test_a_row_of_a_sheet_is_a_row(tmp_path: Path) -> None:
    assert rows(tmp_path, "a.xlsx", samples.xlsx()) == [Row("7", "a.xlsx", 2, "seven", {"id": 7, "text": "seven"})]
    assert rows(tmp_path, "a.xls", samples.xls()) == [Row("8", "a.xls", 2, "eight", {"id": 8, "text": "eight"})]


def test_a_row_of_an_opendocument_sheet_is_a_row(tmp_path: Path) -> None:
    assert rows(tmp_path, "a.ods", samples.ods()) == [Row("o1", "a.ods", 2, "seven", {"id": "o1", "text": "seven"})]


def test_source_code_is_text_whatever_it_quotes(tmp_path: Path) -> None:
    source = '# <html> and From: x\nPAGE = "<!doctype html><p>x</p>"\n'
    assert document(tmp_path, "a.py", source).text == source
