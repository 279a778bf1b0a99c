"""Text, Markdown and source code: one document, the whole file."""

from __future__ import annotations

from collections.abc import Iterator

from homa.files.readers.content import Head
from homa.files.readers.document import Document, Found, Opened, ReadOptions, Unreadable
from homa.files.readers.encodings import decoded
from homa.files.readers.lines import LIMIT_BYTES

TOO_LONG = f"is longer than {LIMIT_BYTES:,} bytes: split it into several files"


class TextReader:
    """Reads whatever is text; asked last, since nearly everything is."""

    name = "text"
    needs: tuple[str, ...] = ()
    isolated = False
    seeks = False
    markup = False

    def claims(self, head: Head) -> bool:
        return head.binary is None

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        """One document; newlines are `\\n` whatever they were, a byte order mark is gone."""
        content, notes = read_text(opened, options)
        yield whole(content, notes)


def read_text(opened: Opened, options: ReadOptions) -> tuple[str, tuple[str, ...]]:
    """A file's text, and what was guessed of it.

    Raises Unreadable for what is too long, or in no known encoding.
    """
    raw = opened.stream.read(LIMIT_BYTES + 1)
    if len(raw) > LIMIT_BYTES:  # first: cut at the limit, a good file may well end within a character
        raise Unreadable(TOO_LONG)
    content, notes = decoded(raw, options.encoding)
    return content.replace("\r\n", "\n").replace("\r", "\n"), notes


def whole(content: str, notes: tuple[str, ...] = (), **more: object) -> Document:
    """A whole file as a document. Raises Unreadable where there is nothing to send."""
    if (at := content.find("\0")) >= 0:
        raise Unreadable(f"holds a NUL at character {at:,}: expected text; a UTF-16 file needs --encoding")
    if not content.strip():
        raise Unreadable("is empty")
    return Document(content, notes=notes, **more)  # type: ignore[arg-type]
