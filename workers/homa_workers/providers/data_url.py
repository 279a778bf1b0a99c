"""Media inside messages: `data:` URLs and files, read alike for every provider that takes another shape."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from homa_workers.providers.invalid_request import refused

_SCHEME = "data:"
#: Names in use → those that are registered, and that providers know (iana.org/assignments/media-types).
_REGISTERED = {"image/jpg": "image/jpeg"}
#: Longest scheme of an address (`https://`, `gs://`), in characters; base64 has no colon.
_SCHEME_CHARS = 16


@dataclass(frozen=True, slots=True)
class DataUrl:
    """Bytes that a message carries itself."""

    #: Media type, without parameters.
    media_type: str
    #: The bytes in base64, as they were given.
    base64: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises ProviderError (INVALID_REQUEST) for what is not `data:<media type>;base64,<data>`."""
        head, _, data = url.removeprefix(_SCHEME).partition(",")
        if not is_data_url(url) or not head.endswith(";base64") or not data:
            raise refused(f"messages: data URL {url[:40]!r}", "expected data:<media type>;base64,<data>")
        media_type = head.partition(";")[0]
        return cls(_REGISTERED.get(media_type, media_type), data)

    def decoded(self) -> bytes:
        """The bytes themselves. Raises ProviderError (INVALID_REQUEST) for invalid base64."""
        try:
            return base64.b64decode(self.base64, validate=True)
        except binascii.Error as error:
            raise refused(f"messages: {self.media_type} data", f"not base64 ({error})") from error


def is_data_url(url: str) -> bool:
    """Whether a URL carries its bytes; all others are addresses."""
    return url.startswith(_SCHEME)


def file_url(file: Mapping[str, Any]) -> str:
    """Where the bytes of a file part are: a `data:` URL (bare base64 is taken for a PDF), an address, or empty."""
    data = str(file.get("file_data") or "")
    if not data or is_data_url(data) or "://" in data[:_SCHEME_CHARS]:
        return data
    return f"{_SCHEME}application/pdf;base64,{data}"
