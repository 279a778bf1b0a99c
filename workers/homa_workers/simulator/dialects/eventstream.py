"""AWS's binary event stream: what ConverseStream answers with.

A frame is total length, length of headers, CRC of both; headers; payload; CRC of everything before. All numbers are
big-endian. https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import orjson

_STRING = 7
#: Bytes of a frame that are neither headers nor payload: prelude with its CRC, and the last CRC.
_OVERHEAD = 16


def event(kind: str, body: Any) -> bytes:
    """The frame of an event."""
    return _frame({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, body)


def exception(kind: str, body: Any) -> bytes:
    """The frame of an error in mid-stream."""
    return _frame({":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}, body)


def _frame(headers: Mapping[str, str], body: Any) -> bytes:
    payload = orjson.dumps(body)
    encoded = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", len(encoded) + len(payload) + _OVERHEAD, len(encoded))
    frame = prelude + struct.pack(">I", crc32(prelude)) + encoded + payload
    return frame + struct.pack(">I", crc32(frame))


def _header(name: str, value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", _STRING, len(raw)) + raw
