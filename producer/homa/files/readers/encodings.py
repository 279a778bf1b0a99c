"""Bytes to text: a byte order mark, else UTF-8, else a guess, which is told."""

from __future__ import annotations

import re
from importlib.util import find_spec

from homa.files.readers.content import guess_utf16
from homa.files.readers.document import Unreadable
from homa.files.readers.lines import mark_of, undecodable

#: Bytes that a guess is made from.
_SAMPLE_BYTES = 128 * 1024
#: A character of several bytes in UTF-8: text that has some is UTF-8 with a fault, not another encoding.
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_INSTALL = "or have it guessed: pip install 'homa-queue[documents]'"
#: What has more of a share of characters that text does not use is no text in the encoding guessed.
_MOST_CHAOS = 0.35


def decoded(raw: bytes, encoding: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The text, and a note where its encoding was guessed.

    Args:
        encoding: by name, which is then taken at its word; None: UTF-8, else a guess.

    Raises Unreadable where neither helps.
    """
    length, named = mark_of(raw, encoding or "utf-8")
    if length or encoding is not None:
        return _strict(raw[length:], named), ()
    if b"\0" in raw[:_SAMPLE_BYTES] and (wide := guess_utf16(raw[:_SAMPLE_BYTES])) is not None:
        return _strict(raw, wide), (note_of(wide),)
    try:
        return raw.decode(), ()
    except UnicodeDecodeError as error:
        guess = guessed(raw)
        if guess is None:
            raise Unreadable(undecodable(error) + ("" if _can_guess() else f", {_INSTALL}")) from None
        return _strict(raw, guess), (note_of(guess),)


def note_of(encoding: str) -> str:
    """What is told of a guess."""
    return f"its encoding is guessed: {encoding} (name it with --encoding)"


def guessed(raw: bytes) -> str | None:
    """The likely encoding of bytes that are not valid UTF-8; None where there is none, or nobody to ask."""
    if (wide := guess_utf16(raw[:_SAMPLE_BYTES])) is not None:
        return wide
    if _MULTIBYTE.search(raw[:_SAMPLE_BYTES]) and _mostly_utf8(raw[:_SAMPLE_BYTES]):
        return None
    if not _can_guess():
        return None
    from charset_normalizer import from_bytes  # takes longer to import than a file to read

    best = from_bytes(raw[:_SAMPLE_BYTES], steps=10, threshold=_MOST_CHAOS).best()
    if best is None or best.encoding in ("ascii", "utf_8") or "cp1252" in best.could_be_from_charset:
        return _western(raw)
    if best.encoding not in _SINGLE_BYTE_LATIN and _high_bytes(raw) < _FEW:
        return _western(raw) or best.encoding
    return best.encoding if _reads(raw, best.encoding) else _western(raw)


#: Encodings of languages in Latin letters, which a handful of characters tells apart.
_SINGLE_BYTE_LATIN = frozenset(
    {"cp1250", "cp1254", "cp1257", "cp1258", "iso8859_2", "iso8859_9", "iso8859_15", "mac_roman"}
)
#: With fewer bytes beyond ASCII than this, statistics of other scripts are chance.
_FEW = 16


def _high_bytes(raw: bytes) -> int:
    return sum(byte >= 0x80 for byte in raw[:_SAMPLE_BYTES])


def _western(raw: bytes) -> str | None:
    return "cp1252" if _reads(raw, "cp1252") else None


def _reads(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(raw: bytes) -> bool:
    good = sum(len(found) for found in _MULTIBYTE.findall(raw))
    return good >= 0.8 * _high_bytes(raw)


def _can_guess() -> bool:
    return find_spec("charset_normalizer") is not None


def _strict(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(undecodable(error)) from None
