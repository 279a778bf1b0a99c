"""A PDF file: one row, the text of its pages."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import IO, Any

from homa.files.readers.lines import LIMIT_BYTES
from homa.files.readers.text import TOO_LONG, document_row
from homa.files.rows import BadRow, Registrar, Row, bad_row
from homa_shared.model.errors import MissingExtra

#: Between the texts of two pages.
PAGE_BREAK = "\n\n"


def check_pdf() -> None:
    """Raise MissingExtra unless PDF files can be read."""
    if find_spec("pypdf") is None:
        raise MissingExtra("Reading PDF files", "documents")


def pdf_rows(path: str, stream: IO[bytes], registrar: Registrar) -> Iterator[Row | BadRow]:
    """The file's one row: the text of all pages, a blank line between them. `stream` has to be seekable."""
    try:
        check_pdf()
        content = _text_of(stream)
    except Exception as error:  # damaged files make pypdf raise nearly anything: KeyError, RecursionError, its own
        reason = str(error) if isinstance(error, MissingExtra | _Unsuited) else f"is not a readable PDF: {error!r:.200}"
        yield bad_row(path, None, reason)
        return
    yield document_row(path, content, registrar)


class _Unsuited(Exception):
    """A sound PDF file that gives no text to send."""


def _text_of(stream: IO[bytes]) -> str:
    from pypdf import PdfReader  # here, since it takes longer to import than all the rest

    reader: Any = PdfReader(stream)
    if reader.is_encrypted and not reader.decrypt(""):
        raise _Unsuited("is encrypted: save it without a password first")
    pages: list[str] = []
    size = 0
    for page in reader.pages:
        pages.append(page.extract_text())
        size += len(pages[-1].encode("utf-8", "replace"))
        if size > LIMIT_BYTES:
            raise _Unsuited(TOO_LONG)
    if not size:
        raise _Unsuited(f"holds no text on its {len(pages)} pages (scanned?): run text recognition (OCR) on it first")
    # Fonts with broken tables give lone surrogates and NULs, which no request could carry.
    return PAGE_BREAK.join(pages).encode("utf-8", "replace").decode().replace("\0", "")
