"""Word documents as Word itself writes them: changes that are tracked, notes, links, boxes, lists of levels."""

from __future__ import annotations

from pathlib import Path

from tests.readers import samples
from tests.readers.reading import document

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MC = "http://schemas.openxmlformats.org/markup-compatibility/2006"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def word(body: str, **parts: str) -> bytes:
    """A package around a body; further parts by the name of their file."""
    head = f'xmlns:w="{W}" xmlns:r="{R}" xmlns:mc="{MC}"'
    files = {"word/document.xml": f"<w:document {head}><w:body>{body}</w:body></w:document>"}
    if links := parts.pop("rels", ""):
        files["word/_rels/document.xml.rels"] = f'<Relationships xmlns="{RELATIONS}">{links}</Relationships>'
    files |= {f"word/{name}.xml": f"<w:{name} {head}>{content}</w:{name}>" for name, content in parts.items()}
    return samples.zipped(files)


def paragraph(content: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{content}</w:p>"


def run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def test_what_was_deleted_is_left_out_and_what_was_inserted_is_read(tmp_path: Path) -> None:
    body = paragraph(
        run("The price is ")
        + "<w:del><w:r><w:delText>100</w:delText></w:r></w:del>"
        + f"<w:ins>{run('120')}</w:ins>"
        + run(" euros.")
    )
    assert document(tmp_path, "a.docx", word(body)).text == "The price is 120 euros.\n"


def test_links_breaks_and_tabs_are_kept_and_field_codes_left_out(tmp_path: Path) -> None:
    body = paragraph(
        f'See <w:hyperlink r:id="r1">{run("the list")}</w:hyperlink>'
        "<w:r><w:tab/><w:t>page</w:t><w:br/></w:r><w:r><w:instrText>PAGE \\* MERGEFORMAT</w:instrText></w:r>"
        + run("next")
    )
    relation = '<Relationship Id="r1" Target="https://example.com/list"/>'
    text = document(tmp_path, "a.docx", word(body, rels=relation)).text
    assert text == "[the list](https://example.com/list)\tpage\nnext\n"


def test_notes_follow_the_text_under_their_numbers(tmp_path: Path) -> None:
    body = paragraph(run("Delivered") + '<w:r><w:footnoteReference w:id="2"/></w:r>' + run(" in May."))
    notes = (
        f'<w:footnote w:type="separator" w:id="0">{paragraph(run("---"))}</w:footnote>'
        f'<w:footnote w:id="2">{paragraph(run("By ship."))}</w:footnote>'
    )
    text = document(tmp_path, "a.docx", word(body, footnotes=notes)).text
    assert text == "Delivered[2] in May.\n\n## Footnotes\n\n[2] By ship.\n"


def test_lists_have_their_levels_and_numbers(tmp_path: Path) -> None:
    def item(text: str, level: int) -> str:
        return paragraph(run(text), f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="5"/></w:numPr>')

    levels = '<w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/></w:lvl><w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/></w:lvl>'
    numbering = (
        f'<w:abstractNum w:abstractNumId="1">{levels}</w:abstractNum>'
        '<w:num w:numId="5"><w:abstractNumId w:val="1"/></w:num>'
    )
    body = item("first", 0) + item("within", 1) + item("second", 0) + paragraph(run("After"))
    text = document(tmp_path, "a.docx", word(body, numbering=numbering)).text
    assert text == "1. first\n  - within\n2. second\n\nAfter\n"


def test_a_text_box_is_read_once(tmp_path: Path) -> None:
    box = f"<w:txbxContent>{paragraph(run('In a box'))}</w:txbxContent>"
    either = f"<mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
    body = paragraph(run("Beside") + f"<w:r><mc:AlternateContent>{either}</mc:AlternateContent></w:r>")
    assert document(tmp_path, "a.docx", word(body)).text == "Beside\n\nIn a box\n"


def test_headings_are_told_by_their_style_in_any_language(tmp_path: Path) -> None:
    styles = '<w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>'
    body = paragraph(run("Zahlung"), '<w:pStyle w:val="berschrift2"/>') + paragraph(run("In Euro."))
    assert document(tmp_path, "a.docx", word(body, styles=styles)).text == "## Zahlung\n\nIn Euro.\n"
