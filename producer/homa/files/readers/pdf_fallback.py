"""The second parser of PDF, pypdf: slower, and it gets text of some pages of which PDFium gets none."""

from __future__ import annotations

import logging
from typing import IO, Any

#: Pages of one document that are read twice: a page takes it thirty times as long.
_MOST_PAGES = 200


class Fallback:
    """Opens the file when it is first asked."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._reader: Any = None
        self._broken = False
        self._read = 0

    def page(self, number: int) -> str:
        """A page's text by its number from 0; empty where there is none, or none more are read."""
        self._read += 1
        if self._read > _MOST_PAGES or not self._opened():
            return ""
        try:
            text: str = self._reader.pages[number].extract_text()
        except Exception:  # damaged files make pypdf raise nearly anything
            return ""
        return text.encode("utf-8", "replace").decode()

    def all_pages(self, most: int) -> list[str]:
        """The text of all pages, of the first `most`."""
        if not self._opened():
            return []
        try:
            count = min(len(self._reader.pages), most)
        except Exception:
            return []
        return [self.page(number) for number in range(count)]

    def _opened(self) -> bool:
        if self._reader is None and not self._broken:
            from pypdf import PdfReader

            logging.getLogger("pypdf").setLevel(logging.CRITICAL)
            try:
                self._stream.seek(0)
                self._reader = PdfReader(self._stream)
                self._broken = bool(self._reader.is_encrypted and not self._reader.decrypt(""))
            except Exception:
                self._broken = True
        return not self._broken
