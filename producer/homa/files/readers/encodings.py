"""Bytes to text: a byte order mark, else UTF-8, else a guess, which is told."""

from __future__ import annotations

import codecs
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
    if b"\x1b$" in raw[:_SAMPLE_BYTES] and _reads(raw, "iso2022_jp"):  # ASCII alone, as UTF-8 sees it
        return _strict(raw, "iso2022_jp"), (note_of("iso2022_jp"),)
    try:
        return raw.decode(), ()
    except UnicodeDecodeError as error:
        guess = guessed(raw)
        if guess is None:
            raise Unreadable(undecodable(error) + ("" if _can_guess() else f", {_INSTALL}")) from None
        return _strict(raw, guess), (note_of(guess),)


#: What those who declare an encoding mostly mean: the larger one that has it as a part (WHATWG's Encoding Standard).
_MEANT = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-8",
    "utf-16-le": "utf-8",
    "utf-16-be": "utf-8",
}


def declared(raw: bytes, name: str) -> str | None:
    """Text in the encoding that a page or a mail declares; None where it is in another."""
    try:
        known = codecs.lookup(name).name
    except LookupError:
        return None
    for encoding in (_MEANT.get(known, known), known):
        try:
            return raw.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return None


def note_of(encoding: str) -> str:
    """What is told of a guess."""
    return f"its encoding is guessed: {encoding} (name it with --encoding)"


def guessed(raw: bytes) -> str | None:
    """The likely encoding of bytes that are not valid UTF-8; None where there is none, or nobody to ask."""
    sample = raw[:_SAMPLE_BYTES]
    if (wide := guess_utf16(sample)) is not None:
        return wide
    if _MULTIBYTE.search(sample) and _mostly_utf8(sample):
        return None
    if _reads(raw, _WESTERN) and _is_western(sample):
        return _WESTERN
    if not _can_guess():
        return None
    from charset_normalizer import from_bytes  # takes longer to import than a file to read

    best = from_bytes(sample, steps=10, threshold=_MOST_CHAOS).best()
    if best is not None and _WESTERN not in best.could_be_from_charset and _reads(raw, best.encoding):
        return best.encoding
    return _WESTERN if _reads(raw, _WESTERN) else None


#: What most text is in that is neither UTF-8 nor marked.
_WESTERN = "cp1252"
#: Letters beyond ASCII, and signs, of the languages of Western Europe.
_WESTERN_SIGNS = frozenset("äöüßÄÖÜéèêëàâáåãçñíìîïóòôõøúùûœæÉÈÊÀÂÁÅÇÑÍÓÔÕØÚŒÆ«»„“”‚‘’–—…€£§°ºª¿¡·•©®×½²\xa0")
#: Of text in them more is ASCII than this.
_LEAST_ASCII = 0.75
#: But for a word or two.
_FEW = 8
_LEAST_WESTERN = 0.96


def _is_western(sample: bytes) -> bool:
    """Whether text is in a language of Western Europe: few letters beyond ASCII, and those that such have."""
    text = sample.decode(_WESTERN, "replace")
    found = [character for character in text if character > "\x7f"]
    letters = sum(character.isalpha() for character in text)
    if not found or len(found) > max((1 - _LEAST_ASCII) * letters, min(_FEW, letters / 2)):
        return False
    signs = set(found)
    # Hungarian and Estonian have these two in the places of letters of their own.
    foreign = ("õ" in signs and "ã" not in signs) or ("û" in signs and not signs & set("èêàç"))
    western = sum(character in _WESTERN_SIGNS for character in found)
    return western >= _LEAST_WESTERN * len(found) and not foreign


def _reads(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(raw: bytes) -> bool:
    good = sum(len(found) for found in _MULTIBYTE.findall(raw))
    return good >= 0.8 * sum(byte >= 0x80 for byte in raw)


def _can_guess() -> bool:
    return find_spec("charset_normalizer") is not None


def _strict(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(undecodable(error)) from None
