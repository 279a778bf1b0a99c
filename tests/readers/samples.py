"""A file of each kind, as the programs that people use write them, or near enough."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

#: Made by hand, of the samples below, with `soffice --headless --convert-to doc` and `ppt`.
OFFICE97 = Path(__file__).parent / "office97"
WORDS = "The quick brown fox jumps over the lazy dog."


def docx() -> bytes:
    """A contract with headings, lists, a table, a link's text, bold words, a header and Word's own styles."""
    from docx import Document

    document = Document()
    document.add_heading("Contract of sale", 0)
    document.add_heading("Parties", 1)
    document.add_paragraph("Between ").add_run("Acme GmbH").bold = True
    for item in ("first", "second"):
        document.add_paragraph(item, style="List Bullet")
    document.add_paragraph("step", style="List Number")
    table = document.add_table(2, 2)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        table.cell(row, column).text = f"r{row}|c{column}"
    document.sections[0].header.paragraphs[0].text = "Draft 7"
    return _saved(document)


def pptx() -> bytes:
    """Two slides, one with notes, one with a table."""
    from pptx import Presentation

    show = Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "Quarter"
    first.placeholders[1].text = "Revenue rose\nCosts fell"
    first.notes_slide.notes_text_frame.text = "Say thanks"
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Table"
    table = second.shapes.add_table(1, 2, 0, 0, 100, 100).table
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    return _saved(show)


def doc() -> bytes:
    """The document of `docx`, as LibreOffice saves it for Word 97."""
    return lzma.decompress((OFFICE97 / "contract.doc.xz").read_bytes())


def ppt() -> bytes:
    """The show of `pptx`, as LibreOffice saves it for PowerPoint 97."""
    return lzma.decompress((OFFICE97 / "quarter.ppt.xz").read_bytes())


def xlsx(sheets: Mapping[str, Sequence[Sequence[Any]]] | None = None) -> bytes:
    """A workbook by sheets, each a list of rows; a name with `!` before it is a hidden sheet."""
    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"default_date_format": "yyyy-mm-dd"}) as book:
        for name, rows in (sheets or {"Orders": [["id", "text"], [7, "seven"]]}).items():
            sheet = book.add_worksheet(name.removeprefix("!"))
            if name.startswith("!"):
                sheet.hide()
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
    return out.getvalue()


def xls() -> bytes:
    """A workbook as Excel wrote them before 2007."""
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet("Orders")
    for column, (name, value) in enumerate((("id", 8), ("text", "eight"))):
        sheet.write(0, column, name)
        sheet.write(1, column, value)
    return _saved(book)


def pdf(pages: Iterable[Sequence[str]], *, form: Mapping[str, str] | None = None) -> bytes:
    """Pages of lines; `form` puts a filled-in field each on the first one."""
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4)
    for number, lines in enumerate(pages):
        for place, line in enumerate(lines):
            canvas.drawString(72, 760 - 14 * place, line)
        for place, (name, value) in enumerate((form or {}).items() if not number else ()):
            canvas.acroForm.textfield(name=name, value=value, x=72, y=300 - 40 * place, width=200, height=20)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def scan(pages: int = 1) -> bytes:
    """A PDF whose pages are pictures."""
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(300, 400))
    for _ in range(pages):
        canvas.drawImage(ImageReader(io.BytesIO(png())), 0, 0, 300, 400)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def png(size: tuple[int, int] = (60, 40), form: str = "PNG") -> bytes:
    """A picture in a format of PIL's."""
    from PIL import Image

    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize(size).save(out, form)
    return out.getvalue()


OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
ODT_BODY = (
    '<text:h text:outline-level="2">Report</text:h><text:p>Two<text:s text:c="2"/>blanks, '
    '<text:a xlink:href="https://example.com/">a link</text:a></text:p>'
    "<text:list><text:list-item><text:p>one</text:p></text:list-item></text:list>"
    "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
    "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table>"
)


def odf(kind: str, body: str) -> bytes:
    """An OpenDocument file: its type first, then its content."""
    spaces = " ".join(f'xmlns:{name}="{OFFICE}:{name}:1.0"' for name in ("office", "text", "table"))
    content = (
        f'<office:document-content {spaces} xmlns:xlink="http://www.w3.org/1999/xlink"><office:body>'
        f"<office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    return zipped({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content})


def ods() -> bytes:
    """A sheet of OpenDocument's."""
    cells = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{each}</text:p></table:table-cell>' for each in row
        )
        + "</table:table-row>"
        for row in (("id", "text"), ("o1", "seven"))
    )
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        '<manifest:file-entry manifest:full-path="/" '
        'manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>'
    )
    body = odf("spreadsheet", f'<table:table table:name="Orders">{cells}</table:table>')
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    return zipped({**parts, "META-INF/manifest.xml": manifest})


def epub(*chapters: str) -> bytes:
    """A book of chapters in HTML, with a table of contents that is none of them."""
    items = "".join(
        f'<item id="c{n}" href="text/c{n}.xhtml" media-type="application/xhtml+xml"/>' for n in range(len(chapters))
    )
    spine = '<itemref idref="nav"/>' + "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        f"{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    )
    pages = {f"OEBPS/text/c{n}.xhtml": f"<html><body>{chapter}</body></html>" for n, chapter in enumerate(chapters)}
    head = {"mimetype": "application/epub+zip", "META-INF/container.xml": container}
    return zipped({**head, "OEBPS/book.opf": package, "OEBPS/nav.xhtml": "<html>Contents</html>", **pages})


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """A zip file of members in their order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED)
    return out.getvalue()


def mail(
    text: str = WORDS,
    *,
    html: str | None = None,
    attached: Mapping[str, bytes] | None = None,
    subject: str = "Grüße aus Köln",
) -> EmailMessage:
    """A mail as a program sends it."""
    message = EmailMessage()
    message["From"], message["To"] = "Ada <ada@example.com>", "bob@example.com"
    message["Subject"], message["Date"] = subject, "Mon, 30 Nov 2026 09:00:00 +0000"
    message["Message-ID"] = "<1@example.com>"
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    if html is not None:
        message.add_alternative(html, subtype="html")
    for name, content in (attached or {}).items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message


def msg(properties: Mapping[int, str], attachments: Mapping[str, bytes]) -> bytes:
    """An Outlook message (MS-OXMSG): text properties by id, and attachments."""
    streams: dict[str, bytes] = {"__properties_version1.0": _property_stream(properties, 32)}
    streams |= {f"__substg1.0_{number:04X}001F": text.encode("utf-16-le") for number, text in properties.items()}
    streams["__nameid_version1.0/__substg1.0_00020102"] = b""
    for place, (name, content) in enumerate(attachments.items()):
        folder = f"__attach_version1.0_#{place:08X}"
        streams[f"{folder}/__properties_version1.0"] = _property_stream({0x3707: name}, 8, {0x3701: len(content)})
        streams[f"{folder}/__substg1.0_3707001F"] = name.encode("utf-16-le")
        streams[f"{folder}/__substg1.0_37010102"] = content
    from tests.readers.compound_file import compound_file

    return compound_file(streams)


def _property_stream(texts: Mapping[int, str], header: int, binaries: Mapping[int, int] | None = None) -> bytes:
    out = bytearray(header)
    for number, text in texts.items():
        out += struct.pack("<HHIII", 0x001F, number, 6, len(text.encode("utf-16-le")) + 2, 0)
    for number, size in (binaries or {}).items():
        out += struct.pack("<HHIII", 0x0102, number, 6, size, 0)
    return bytes(out)


def _saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
