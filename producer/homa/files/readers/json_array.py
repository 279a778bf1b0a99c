"""A JSON file that is an array of objects: a row each, read one by one however long the array is."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO

from homa.files.readers.content import Head
from homa.files.readers.document import Document, Fault, Found, Opened, ReadOptions, Unreadable
from homa.files.readers.jsonl import JSON_NAMES, row_of
from homa.files.readers.lines import LIMIT_BYTES, mark_of

_ARRAY_OF_OBJECTS = re.compile(r"\A\s*\[\s*\{")
_BLANKS = re.compile(r"[ \t\r\n]*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_CHUNK_BYTES = 256 * 1024


class JsonArrayReader:
    """A row per element; other JSON files are documents as they stand."""

    name = "json"
    needs: tuple[str, ...] = ()
    isolated = False
    seeks = False
    markup = True

    def claims(self, head: Head) -> bool:
        named = head.suffix == ".json" or head.nameless
        return named and head.binary is None and _ARRAY_OF_OBJECTS.match(head.text) is not None

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        """Elements are numbered from 1, as lines of other files are."""
        text = _Window(opened.stream, options.encoding)
        if not text.take("["):
            raise Unreadable("is not a JSON array: expected [{…}, …]")
        number = 0
        while not text.take("]"):
            number += 1
            value = text.value(number)
            yield _row(value, number, may_be_half=text.has_surrogates)
            if not text.take(",") and not text.at("]"):
                raise Unreadable(f"is not valid JSON: expected , or ] behind element {number}; the rest is not read")
        if not number:
            raise Unreadable("is an empty array")


def _row(value: object, number: int, *, may_be_half: bool) -> Document | Fault:
    if not isinstance(value, dict):
        return Fault(f"element {number} is {JSON_NAMES[type(value)]}: expected a JSON object, {{…}}", number)
    if may_be_half:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return Fault(f"element {number} holds half of a surrogate pair, which is not text", number)
    return row_of(value, number)


class _Window:
    """The part of a long text that is looked at."""

    def __init__(self, stream: IO[bytes], encoding: str | None) -> None:
        head = stream.read(_CHUNK_BYTES)
        length, named = mark_of(head, encoding or "utf-8")
        self._decoder = codecs.getincrementaldecoder(named)("strict")
        self._stream, self._text, self._at = stream, "", 0
        self._ended = not head
        self._decode(head[length:])
        self._json = json.JSONDecoder()
        #: Whether the last value has surrogates written as escapes, of which half a pair is no text.
        self.has_surrogates = False

    def _decode(self, raw: bytes) -> None:
        try:
            self._text = self._text[self._at :] + self._decoder.decode(raw, final=self._ended)
        except UnicodeDecodeError as error:
            raise Unreadable(f"is not valid {error.encoding}: name its encoding with --encoding") from None
        self._at = 0

    def _more(self) -> bool:
        if self._ended:
            return False
        raw = self._stream.read(max(_CHUNK_BYTES, len(self._text)))
        self._ended = not raw
        self._decode(raw)
        return True

    def at(self, sign: str) -> bool:
        """Whether the next character that is not blank is this one."""
        while True:
            found = _BLANKS.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at] == sign
            if not self._more():
                return False

    def take(self, sign: str) -> bool:
        """The same, and goes on behind it."""
        found = self.at(sign)
        self._at += found
        return found

    def value(self, number: int) -> object:
        """The value that stands here."""
        self.at("")
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if len(self._text) - self._at > LIMIT_BYTES:
                    raise Unreadable(f"element {number} is longer than {LIMIT_BYTES:,} bytes") from None
                if not self._more():
                    raise Unreadable(f"is not valid JSON: {error.msg} in element {number}") from None
            except RecursionError:
                raise Unreadable(f"element {number} nests too deep") from None
            else:
                if end < len(self._text) or not self._more():
                    self.has_surrogates = _SURROGATE.search(self._text, self._at, end) is not None
                    self._at = end
                    return value
