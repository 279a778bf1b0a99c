"""Word's DOC and PowerPoint's PPT of before 2007, read as the DOCX and PPTX that they are converted to."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from homa.files.readers.content import OLE, Head
from homa.files.readers.document import Found, Opened, Reader, ReadOptions, Unreadable
from homa.files.readers.docx import DocxReader
from homa.files.readers.lines import LIMIT_BYTES
from homa.files.readers.pptx import PptxReader
from homa.files.readers.text import TOO_LONG

#: Largest file that is converted, whose pictures go along: it is held in memory.
_MOST_BYTES = 16 * LIMIT_BYTES


class Office97Reader:
    """One document.

    Args:
        name: of the format.
        stream: that a compound file of this format holds.
        module: that converts it.
        convert: from one path to another.
        reader: of what it is converted to.
    """

    isolated = True
    seeks = True
    markup = False

    def __init__(
        self, name: str, stream: str, module: str, convert: Callable[[Path, Path], None], reader: Reader
    ) -> None:
        self.name, self.needs = name, (module,)
        self._stream, self._convert, self._reader = stream.encode("utf-16-le"), convert, reader

    def claims(self, head: Head) -> bool:
        if not head.data.startswith(OLE) or head.holds(_PACKAGE):
            return False
        expected = _STREAMS.get(head.suffix, ())
        if self._stream in head.directory:
            # A document of another kind may hold one of these.
            return self._stream in expected or not any(each in head.directory for each in expected)
        return self._stream in expected and not any(each in head.directory for each in _KNOWN)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        """The text with its lists, tables and notes; slides are pages."""
        with tempfile.TemporaryDirectory(prefix="homa-") as folder:
            old, new = Path(folder, f"old.{self.name}"), Path(folder, f"new.{self._reader.name}")
            raw = opened.stream.read(_MOST_BYTES + 1)
            if len(raw) > _MOST_BYTES:
                raise Unreadable(TOO_LONG)
            old.write_bytes(raw)
            self._convert(old, new)
            with new.open("rb") as stream:
                yield from self._reader.read(Opened(opened.path, stream), options)


def _named(*names: str) -> tuple[bytes, ...]:
    return tuple(name.encode("utf-16-le") for name in names)


_WORD, _SHOW = _named("WordDocument"), _named("PowerPoint Document")
_BOOK, _MAIL = _named("Workbook", "Book"), _named("__properties_version1.0")
#: Ending -> streams of which such a file has one.
_STREAMS = {
    **dict.fromkeys((".doc", ".dot"), _WORD),
    **dict.fromkeys((".ppt", ".pps", ".pot"), _SHOW),
    **dict.fromkeys((".xls", ".xlt"), _BOOK),
    **dict.fromkeys((".msg", ".oft"), _MAIL),
}
_KNOWN = (*_WORD, *_SHOW, *_BOOK, *_MAIL)
#: Stream of a newer document that is encrypted.
_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_ENCRYPTED = "is encrypted: save it without a password first"


def _doc_to_docx(old: Path, new: Path) -> None:
    from doc2docx import convert
    from doc2docx.errors import Doc2DocxError, EncryptedDocumentError

    try:
        convert(old, new)
    except EncryptedDocumentError:
        raise Unreadable(_ENCRYPTED) from None
    except Doc2DocxError as error:
        raise Unreadable(_not_readable("Word", "DOCX", error)) from None


def _ppt_to_pptx(old: Path, new: Path) -> None:
    from ppt2pptx import convert
    from ppt2pptx.errors import EncryptedPresentationError, Ppt2PptxError

    try:
        convert(old, new)
    except EncryptedPresentationError:
        raise Unreadable(_ENCRYPTED) from None
    except Ppt2PptxError as error:
        raise Unreadable(_not_readable("PowerPoint", "PPTX", error)) from None


def _not_readable(program: str, newer: str, error: Exception) -> str:
    return f"is damaged, or of {program} 95 or older ({error!s:.150}): save it as {newer}"


DOC = Office97Reader("doc", "WordDocument", "doc2docx", _doc_to_docx, DocxReader())
PPT = Office97Reader("ppt", "PowerPoint Document", "ppt2pptx", _ppt_to_pptx, PptxReader())
