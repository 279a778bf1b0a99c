"""PDF: the text of its pages by PDFium, with what is filled into forms; pages without text as images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from homa.files.readers.content import Head
from homa.files.readers.document import Document, Found, Opened, ReadOptions, Unreadable
from homa.files.readers.image import MOST_IMAGES
from homa.files.readers.lines import LIMIT_BYTES
from homa.files.readers.pages import paged
from homa.files.readers.pdf_fallback import Fallback
from homa.files.readers.pdf_page import Page, form_of, read_page
from homa.files.readers.text import TOO_LONG

MAGIC = b"%PDF-"
#: By its specification a PDF may have other bytes before its header, up to so many.
_PREAMBLE_BYTES = 1024
#: More pages fit no prompt, and a file may claim any number of them.
MOST_PAGES = 20_000
#: Page numbers that are told in one note.
_TOLD = 12


class PdfReader:
    """One document with a mark a page."""

    name = "pdf"
    needs: tuple[str, ...] = ("pypdfium2", "pypdf", "PIL")
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        return head.data.startswith(MAGIC) or (head.suffix == ".pdf" and MAGIC in head.data[:_PREAMBLE_BYTES])

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        fallback = Fallback(opened.stream)
        try:
            document = _loaded(opened.stream)
        except _Damaged as damage:
            yield _repaired(fallback, str(damage))
            return
        if len(document) > MOST_PAGES:
            raise Unreadable(f"has {len(document):,} pages: at most {MOST_PAGES:,} are read; split it")
        form = form_of(document)
        pages, size, shown = [], 0, 0
        for number in range(len(document)):
            page = read_page(document, number, form, options.pages, fallback)
            pages.append(page)
            size += len(page.text.encode("utf-8", "replace"))
            if size > LIMIT_BYTES:
                raise Unreadable(TOO_LONG)
            shown += page.image is not None
            if shown > MOST_IMAGES:
                which = "pages" if options.pages == "image" else "pages without text"
                raise Unreadable(
                    f"has more than {MOST_IMAGES} {which}: so many images fit no prompt; split it, "
                    "or leave them out with --pages text"
                )
        yield _document(pages, options)


class _Damaged(Exception):
    """PDFium cannot open it."""


def _loaded(stream: IO[bytes]) -> Any:
    from pypdfium2 import PdfDocument, PdfiumError

    name = getattr(stream, "name", None)
    on_disk = isinstance(name, str) and Path(name).is_file()
    try:
        return PdfDocument(name if on_disk else stream.read())
    except PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("is encrypted: save it without a password first") from None
        raise _Damaged(str(error)) from None
    finally:
        stream.seek(0)


def _repaired(fallback: Fallback, damage: str) -> Document:
    """What the more patient of the two parsers gets of a damaged file."""
    texts = fallback.all_pages(MOST_PAGES)
    if not any(text.strip() for text in texts):
        raise Unreadable(f"is not a readable PDF: {damage}")
    text, starts = paged(texts)
    return Document(text, pages=starts, notes=("the file is damaged: what could be read of it is here",))


def _document(pages: list[Page], options: ReadOptions) -> Document:
    text, starts = paged([page.text for page in pages])
    bare = [number for number, page in enumerate(pages, 1) if page.scanned]
    shown = [(number, page.image) for number, page in enumerate(pages, 1) if page.image is not None]
    images = tuple(image for _, image in shown)
    if not text.strip() and not images:
        raise Unreadable(
            f"holds no text on its {len(pages)} pages (scanned?): --pages auto shows them to a model that sees"
            if bare
            else f"holds no text on its {len(pages)} pages: they are blank"
        )
    notes = []
    if bare and options.pages != "image":
        how = "shown as images" if images else "left out; --pages auto shows them"
        notes.append(f"{_numbers(bare)} of {len(pages)} without text (scanned?): {how}")
    if patched := [number for number, page in enumerate(pages, 1) if page.patched]:
        notes.append(f"{_numbers(patched)} read by another parser, since a font does not say what its glyphs are")
    return Document(
        text if text.strip() else "",
        pages=starts if text.strip() else (0,) * len(pages),
        notes=tuple(notes),
        images=images,
        image_pages=tuple(number for number, _ in shown),
    )


def _numbers(pages: list[int]) -> str:
    shown = ", ".join(map(str, pages[:_TOLD])) + (", …" if len(pages) > _TOLD else "")
    return f"page{'s' if len(pages) > 1 else ''} {shown}"
