"""Images and documents of a request: told by their first bytes, known by their digest, kept out of its messages.

A medium is stored once, whatever number of jobs show it. In the stored request a reference stands in its place,
`homa:sha256:<digest>`; the worker puts the bytes back right before the call. So neither the store's lists nor logs nor
what a person looks at ever hold an image.

Only bytes get in this way: a `file:` URL or a bare path inside messages is refused, since who writes messages may be
far away from this machine and must not choose which of its files are read.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from homa_shared.model.errors import InvalidRequest

#: What stands in a stored request instead of a medium's bytes; its SHA-256 in hex follows.
REFERENCE = "homa:sha256:"
PDF = "application/pdf"
#: The first bytes of the formats that providers read.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
)
#: Brands of the ISO container that HEIC and HEIF images have behind `ftyp`.
_HEIF_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx"), "image/heic"),
    **dict.fromkeys((b"mif1", b"msf1", b"heif"), "image/heif"),
}
#: A PDF may have other bytes before its header, by its specification up to so many.
_PDF_PREAMBLE = 1024
_REMOTE = ("https://", "http://")
#: Where a part keeps its medium: part's type -> field, and the field within it.
_FIELDS = {"image_url": ("image_url", "url"), "file": ("file", "file_data"), "input_audio": ("input_audio", "data")}


@dataclass(frozen=True)
class Medium:
    """Bytes of one image or document."""

    data: bytes
    #: Media type, as its first bytes tell it.
    type: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex: equal media are one."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def reference(self) -> str:
        return REFERENCE + self.digest

    @property
    def is_image(self) -> bool:
        return self.type.startswith("image/")

    def __repr__(self) -> str:
        return f"Medium({self.type}, {len(self.data)} bytes)"


def media_type(data: bytes) -> str | None:
    """The media type that first bytes tell; None for a format that no provider reads."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return _HEIF_BRANDS[data[8:12]]
    found = next((kind for signature, kind in _SIGNATURES if data.startswith(signature)), None)
    return PDF if found is None and b"%PDF-" in data[:_PDF_PREAMBLE] else found


def medium(data: bytes, name: str) -> Medium:
    """Bytes as a medium, whatever they are called.

    Args:
        name: where they came from, for the message.

    Raises:
        InvalidRequest: they are of no format that any provider reads.
    """
    kind = media_type(data)
    if kind is None:
        raise InvalidRequest(
            f"{name} ({len(data)} bytes) is of no known format: expected PNG, JPEG, GIF, WebP, HEIC or PDF"
        )
    return Medium(data, kind)


def from_data_url(url: str, name: str) -> Medium:
    """The medium that a `data:` URL holds. What it says of its type does not count; its bytes do.

    Raises:
        InvalidRequest: it is no base64, or of no known format.
    """
    head, comma, text = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise InvalidRequest(f"{name} is {head[:40]!r}…: expected data:<media type>;base64,<data>")
    return medium(decode_base64(text, name), name)


def decode_base64(text: str, name: str) -> bytes:
    """Bytes of base64.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"{name} is no base64 ({error}): expected the bytes of an image or document") from error


def data_url(data: bytes, kind: str | None = None) -> str:
    """A `data:` URL of bytes."""
    return f"data:{kind or media_type(data) or 'application/octet-stream'};base64,{b64encode(data).decode()}"


@dataclass(frozen=True, slots=True)
class Extracted:
    """Messages with references in the place of media."""

    messages: Sequence[Mapping[str, Any]]
    #: Digest -> medium.
    media: Mapping[str, Medium]


def extract(messages: Sequence[Mapping[str, Any]]) -> Extracted:
    """Takes the media out of messages.

    Raises:
        InvalidRequest: a part names a local file, a URL of a scheme that nobody fetches, or holds bytes of no known
            format; it is named by its place.
    """
    media: dict[str, Medium] = {}

    def put(kind: str, value: str, name: str) -> str:
        if kind == "input_audio":
            found: Medium | None = Medium(decode_base64(value, name), "audio")
        else:
            found = _inline(kind, value, name)
        if found is None:
            return value
        media[found.digest] = found
        return found.reference

    replaced = replace_media(messages, put)
    return Extracted(replaced if media else messages, media)


def _inline(kind: str, value: str, name: str) -> Medium | None:
    """The medium that a part holds; None where it names an address."""
    scheme = value[:8].lower()
    if scheme.startswith("data:"):
        return from_data_url(value, name)
    if scheme.startswith(_REMOTE):
        return None
    if kind == "file" and ":" not in value[:16] and "/" not in value[:4] and not value.startswith((".", "~")):
        # OpenAI's file parts may hold bare base64.
        return medium(decode_base64(value, name), name)
    raise InvalidRequest(
        f"{name} is {value[:60]!r}: expected https://…, or data:<media type>;base64,…. Files of this machine are "
        "opened only for images= and files= of the Python client and for --image and --file"
    )


def replace_media(
    messages: Sequence[Mapping[str, Any]], put: Callable[[str, str, str], str]
) -> list[Mapping[str, Any]]:
    """Messages with another value in each place where a part holds a medium.

    Args:
        put: is given the part's type, what stands there, and the name of the place; returns what shall stand there.
    """
    return [_replaced(message, f"messages[{i}]", put) for i, message in enumerate(messages)]


def _replaced(message: Mapping[str, Any], name: str, put: Callable[[str, str, str], str]) -> Mapping[str, Any]:
    content = message.get("content")
    if not isinstance(content, list | tuple):
        return message
    parts = [_part(part, f"{name}.content[{i}]", put) for i, part in enumerate(content)]
    return {**message, "content": parts}


def _part(part: Any, name: str, put: Callable[[str, str, str], str]) -> Any:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        return part
    field, inner = _FIELDS[kind]
    holder = part.get(field)
    if isinstance(holder, str):  # image_url as a bare text, which some clients write
        return {**part, field: {inner: put(kind, holder, f"{name}.{field}")}}
    value = holder.get(inner) if isinstance(holder, Mapping) else None
    if not isinstance(holder, Mapping) or not isinstance(value, str):
        return part  # a file_id, or a shape that the provider may know
    return {**part, field: {**holder, inner: put(kind, value, f"{name}.{field}.{inner}")}}


def places(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Each place where a part holds or names a medium: the part's type, what stands there, the place's name."""
    found: list[tuple[str, str, str]] = []

    def note(kind: str, value: str, name: str) -> str:
        found.append((kind, value, name))
        return value

    replace_media(messages, note)
    return iter(found)


def references(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Digests that messages refer to, each once."""
    values = (value for _, value, _ in places(messages))
    return list(dict.fromkeys(value.removeprefix(REFERENCE) for value in values if value.startswith(REFERENCE)))


def restored(messages: Sequence[Mapping[str, Any]], media: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Messages with their media put back as `data:` URLs.

    Args:
        media: digest -> bytes, for every reference.
    """

    def put(kind: str, value: str, _: str) -> str:
        if not value.startswith(REFERENCE):
            return value
        data = media[value.removeprefix(REFERENCE)]
        return b64encode(data).decode() if kind == "input_audio" else data_url(data)

    return [dict(message) for message in replace_media(messages, put)]
