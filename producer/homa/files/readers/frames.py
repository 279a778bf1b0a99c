"""What helper processes and their starter tell each other: JSON with a length before it, images behind it as bytes.

Not pickle: a parser that was taken over by a document must not run code in the process that asked.
"""

from __future__ import annotations

import json
import os
import select
import struct
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson

from homa.files.readers.document import Document, Fault, Remark
from homa.files.readers.lines import LIMIT_BYTES
from homa.files.readers.text import TOO_LONG
from homa_shared.model.json_safe import valid_text

#: Bytes of JSON, and of images behind it.
_LENGTHS = struct.Struct("!II")
_CHUNK_BYTES = 1024 * 1024
#: Longest frame that is believed.
_MOST_BYTES = 256 * 1024 * 1024
#: Status of a helper that ended for want of work; not 0, with which a parser may end it: that is not tried again.
UNASKED = 75
#: How a frame begins that orjson could not have written.
_EXACT = b'{"exact"'
_KINDS = {"document": Document, "fault": Fault, "remark": Remark}


class Garbled(Exception):
    """What came is not a frame of ours: a document may have taken its parser over."""


def packed_path(file: Path) -> str:
    """A path as JSON can carry it: names are bytes, not always UTF-8."""
    return os.fsencode(file.absolute()).decode("latin-1")


def path_of(told: str) -> str:
    """The path that was packed so."""
    return os.fsdecode(told.encode("latin-1"))


def packed(head: Mapping[str, Any], blobs: Iterable[bytes] = ()) -> bytes:
    """A frame as bytes."""
    parts = list(blobs)
    if parts:
        head = {**head, "blobs": [len(part) for part in parts]}
    try:
        body = orjson.dumps(head, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # an integer beyond 64 bits, half a surrogate pair
        body = valid_text(json.dumps({"exact": 1, **head}, ensure_ascii=False, default=_plain)).encode()
    behind = b"".join(parts)
    return _LENGTHS.pack(len(body), len(behind)) + body + behind


def _plain(value: object) -> object:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return f"<{len(value)} bytes>"
    return str(value)


def frame_of(found: Document | Fault | Remark) -> bytes:
    """What a reader found as a frame; a fault in its place where it is too large to be taken."""
    frame = _frame(found)
    if isinstance(found, Document) and len(frame) > LIMIT_BYTES and (why := _too_large(found, len(frame))):
        return _frame(Fault(why, found.line, found.part, custom_id=found.custom_id))
    return frame


def _too_large(found: Document, frame_bytes: int) -> str | None:
    """A small file may expand to any size; the frame of a text is larger than the text."""
    texts = (value for value in (found.text, *found.fields.values()) if isinstance(value, str))
    if sum(len(text.encode("utf-8", "replace")) for text in texts) > LIMIT_BYTES:
        return TOO_LONG
    return f"is larger than {_MOST_BYTES:,} bytes with its images: split it" if frame_bytes > _MOST_BYTES else None


def _frame(found: Document | Fault | Remark) -> bytes:
    """What is empty is left out."""
    kind = type(found).__name__.lower()
    head = {name: value for name in found.__slots__ if (value := getattr(found, name)) not in (None, ())}
    blobs = head.pop("images", ())
    return packed({"is": kind, **head}, blobs)


def document_of(head: dict[str, Any], blobs: list[bytes]) -> Document | Fault | Remark:
    """What a frame says was found. Raises Garbled for what no reader finds."""
    kind = head.pop("is")
    head.pop("blobs", None)
    try:
        for name in ("pages", "notes", "image_pages"):
            if name in head:
                head[name] = tuple(head[name])
        if blobs:
            head["images"] = tuple(blobs)
        found: Document | Fault | Remark = _KINDS[kind](**head)
    except (KeyError, TypeError) as error:
        raise Garbled(f"{kind!r:.40} of {error}") from None
    return found


class Frames:
    """Frames that come in by a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()
        # Not select(), which knows no descriptor beyond 1024: a process with many connections has such.
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        #: Size of the last one.
        self.last_bytes = 0

    def wait(self, seconds: float) -> bool:
        """Waits until something comes, or nothing will any more; false where the time is up first."""
        return bool(self._poll.poll(seconds * 1000))

    def fill(self) -> None:
        """Takes what is there. Raises EOFError when nothing will come any more."""
        chunk = os.read(self._descriptor, _CHUNK_BYTES)
        if not chunk:
            raise EOFError
        self._buffer += chunk

    def next_ready(self) -> tuple[dict[str, Any], list[bytes]] | None:
        """The next frame, if it is here as a whole. Raises Garbled for what is none."""
        buffer = self._buffer
        if len(buffer) < _LENGTHS.size:
            return None
        size, behind = _LENGTHS.unpack_from(buffer)
        if size + behind > _MOST_BYTES:
            raise Garbled("a frame of impossible length")
        end = _LENGTHS.size + size + behind
        if len(buffer) < end:
            return None
        body = bytes(buffer[_LENGTHS.size : _LENGTHS.size + size])
        head = _parsed(body)
        blobs, start = [], _LENGTHS.size + size
        for length in head.get("blobs", ()):
            blobs.append(bytes(buffer[start : start + length]))
            start += length
        del buffer[:end]
        self.last_bytes = end
        return head, blobs


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        # Beyond 64 bits orjson makes a float of an integer, which would change an id.
        found: object = json.loads(body) if body.startswith(_EXACT) else orjson.loads(body)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"a frame that is not JSON: {error}") from None
    match found:
        case {"is": str()} | {"reader": str()} if isinstance(found, dict) and _lengths(found.get("blobs", [])):
            found.pop("exact", None)
            return found
    raise Garbled("a frame of no kind")


def _lengths(given: object) -> bool:
    return isinstance(given, list) and all(isinstance(each, int) for each in given)
