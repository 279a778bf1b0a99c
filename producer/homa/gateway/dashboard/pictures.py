"""How many pixels a picture has, by its own header: a few bytes may unfold into gigabytes of whoever looks at them.

Sources: PNG (W3C, 11.2.1 IHDR), GIF89a (18. Logical Screen Descriptor), JPEG (ITU-T T.81, B.2.2 frame header), WebP
(RFC 9649, 2.5 to 2.7).
"""

from __future__ import annotations

import struct
from struct import unpack_from

#: Most pixels of a picture that a page shows: a browser takes four bytes for each.
MOST_PIXELS = 50_000_000
#: Markers of JPEG that begin a frame (SOF0 to SOF15 without DHT, JPG and DAC), and those that have no length.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))


def size_of(data: bytes, kind: str) -> tuple[int, int] | None:
    """Width and height in pixels; None where no header tells them.

    Args:
        kind: media type, as the first bytes tell it.
    """
    readers = {"image/png": _png, "image/gif": _gif, "image/jpeg": _jpeg, "image/webp": _webp}
    try:
        return readers[kind](data)
    except (struct.error, IndexError):
        return None


def _png(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = unpack_from(">II", data, 16)
    return width, height


def _gif(data: bytes) -> tuple[int, int]:
    width, height = unpack_from("<HH", data, 6)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
            continue
        if marker in _BARE:
            at += 2
            continue
        if marker in _FRAMES:
            height, width = unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + max(2, unpack_from(">H", data, at + 2)[0])
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    form = data[12:16]
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if form == b"VP8L" and data[20] == 0x2F:
        (bits,) = unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return (width, height) if len(data) >= 30 else None
    return None
