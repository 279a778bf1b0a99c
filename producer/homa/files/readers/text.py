"""A text or Markdown file: one row, the whole file its text."""

from __future__ import annotations

from collections.abc import Iterator

from homa.files.readers.lines import LIMIT_BYTES, Text, undecodable
from homa.files.rows import BadRow, Registrar, Row, bad_row

TOO_LONG = f"is longer than {LIMIT_BYTES:,} bytes: split it into several files"


def text_rows(path: str, text: Text, registrar: Registrar) -> Iterator[Row | BadRow]:
    """The file's one row; newlines are `\\n` whatever they were, a byte order mark is gone."""
    try:
        raw = text.stream.read(LIMIT_BYTES + 1)
        # The limit first: cut at the limit, a good file may well end within a character.
        content = None if len(raw) > LIMIT_BYTES else raw.decode(text.encoding)
    except UnicodeDecodeError as error:
        yield bad_row(path, None, undecodable(error))
        return
    if content is None:
        yield bad_row(path, None, TOO_LONG)
    else:
        yield document_row(path, content.replace("\r\n", "\n").replace("\r", "\n"), registrar)


def document_row(path: str, content: str, registrar: Registrar) -> Row | BadRow:
    """A whole document as a row, or what keeps it from being one."""
    if (at := content.find("\0")) >= 0:
        return bad_row(path, None, f"holds a NUL at character {at:,}: expected text; a UTF-16 file needs --encoding")
    if not content.strip():
        return bad_row(path, None, "is empty")
    return registrar.admit(path, None, {}, text=content)
