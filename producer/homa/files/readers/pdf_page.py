"""One page of a PDF file: its text in reading order, what is filled into its form, or its picture."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from typing import Any

from homa.files.readers.image import MOST_PIXELS, as_jpeg
from homa.files.readers.pdf_fallback import Fallback

#: A page with fewer characters than this is looked at twice.
SHORT = 16
#: Of a page's characters: more of them that mean nothing say that a font lacks its table.
MOST_UNKNOWN = 0.05
#: Dots per inch of a page as an image: print of 8 points stays legible.
_DPI = 150
#: What PDFium writes for a hyphen that a line's end made; the word goes on.
_HYPHENATED = re.compile("[\x02\ufffe\u00ad](\r?\n)?")
_UNKNOWN = re.compile("[\ufffd\x00-\x08\x0b\x0e-\x1f\ue000-\uf8ff]")
#: Longest value of a form's field that is taken, bytes of UTF-16.
_MOST_VALUE = 128 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """What a page gives."""

    text: str
    #: As JPEG; None where it is not shown.
    image: bytes | None = None
    #: It shows something and has no text.
    scanned: bool = False
    #: Its text comes from the other parser.
    patched: bool = False


def form_of(document: Any) -> Any:
    """The document's form, if it has one that can be filled in."""
    try:
        document.init_forms()
        return document.formenv
    except Exception:  # a broken form does not make the pages unreadable
        return None


def read_page(document: Any, number: int, form: Any, pages: str, fallback: Fallback) -> Page:
    """A page by its number from 0; one that PDFium cannot load is read by the other parser."""
    from pypdfium2 import PdfiumError

    try:
        page = document[number]
    except PdfiumError:
        text = fallback.page(number)
        return Page(text, patched=bool(text.strip()))
    try:
        text, patched, bare = _text(page, number, fallback)
        if form is not None:
            text = "\n".join(filter(None, [text.rstrip(), *_form_values(page, form)]))
        bare = bare and not text.strip()
        shown = pages == "image" or (pages == "auto" and bare)
        return Page(text, _picture(page) if shown else None, bare, patched)
    finally:
        page.close()


def _text(page: Any, number: int, fallback: Fallback) -> tuple[str, bool, bool]:
    """Text, whether the other parser gave it, and whether the page shows something without it."""
    textpage = page.get_textpage()
    try:
        text = _cleaned(textpage.get_text_range() if textpage.count_chars() else "")
    finally:
        textpage.close()
    unknown = len(_UNKNOWN.findall(text))
    if len(text.strip()) >= SHORT and unknown <= MOST_UNKNOWN * len(text):
        return (_UNKNOWN.sub("", text) if unknown else text), False, False
    kinds = _kinds_of_objects(page)
    if "text" in kinds or unknown:
        other = fallback.page(number)
        if _legible(other) > _legible(text):
            return _UNKNOWN.sub("", other), True, False
    text = _UNKNOWN.sub("", text)
    return text, False, bool(kinds) and not text.strip()


def _legible(text: str) -> int:
    return len(text.strip()) - 2 * len(_UNKNOWN.findall(text))


def _cleaned(text: str) -> str:
    # Half of a surrogate pair comes from fonts with broken tables; no request could carry it.
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    lines = _HYPHENATED.sub("", text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip(" \t") for line in lines)


def _kinds_of_objects(page: Any) -> set[str]:
    """What a page shows, as far as its first objects tell."""
    from pypdfium2 import raw

    found: set[str] = set()
    for count, each in enumerate(page.get_objects(max_depth=3)):
        found.add("text" if each.type == raw.FPDF_PAGEOBJ_TEXT else "other")
        if count > 200 or len(found) == 2:
            break
    return found


def _picture(page: Any) -> bytes:
    width, height = page.get_size()
    scale = min(_DPI / 72, MOST_PIXELS / max(width, height, 1))
    return as_jpeg(page.render(scale=scale).to_pil())


def _form_values(page: Any, form: Any) -> list[str]:
    """`name: value` for each field of the page's form that is filled in."""
    from pypdfium2 import raw

    lines: list[str] = []
    for place in range(raw.FPDFPage_GetAnnotCount(page.raw)):
        annotation = raw.FPDFPage_GetAnnot(page.raw, place)
        if not annotation:
            continue
        try:
            if raw.FPDFAnnot_GetSubtype(annotation) != raw.FPDF_ANNOT_WIDGET:
                continue
            kind = raw.FPDFAnnot_GetFormFieldType(form.raw, annotation)
            name = _string(raw.FPDFAnnot_GetFormFieldName, form.raw, annotation)
            value = _string(raw.FPDFAnnot_GetFormFieldValue, form.raw, annotation)
            if kind in (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON):
                value = value if raw.FPDFAnnot_IsChecked(form.raw, annotation) else ""
            if value.strip() and value != "Off" and kind != raw.FPDF_FORMFIELD_PUSHBUTTON:
                lines.append(f"{name}: {value}")
        finally:
            raw.FPDFPage_CloseAnnot(annotation)
    return lines


def _string(function: Any, form: Any, annotation: Any) -> str:
    """What a function writes as UTF-16 with a NUL behind it, into a buffer that it is given."""
    from pypdfium2 import raw

    size = min(function(form, annotation, None, 0), _MOST_VALUE)
    buffer = ctypes.create_string_buffer(size)
    function(form, annotation, ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), size)
    return buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\0")
