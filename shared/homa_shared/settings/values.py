"""Kinds of value that settings are written in: durations, dollars, lists, URLs, zones, names.

Each takes what a person writes in a file or a variable, and says what it expected when it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from homa_shared.kinds.registry import is_kind, known_kinds
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.money import parse_usd, usd
from homa_shared.model.webhook_urls import checked_webhook

_SECONDS_OF_UNIT = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d+)\s*([smhdw]?)")
_NAME = re.compile(r"[^\s:/{}]+")
STORE_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
BLOB_SCHEMES = ("file", "s3", "gs", "az", "azure", "abfss", "memory")
#: What an address looks like, for people.
_EXAMPLE = "https://api.example.com/v1"


def duration_s(value: Any) -> int:
    """Seconds of "7d", "12h", "90s" or a whole number.

    Raises:
        ValueError: it is anything else.
    """
    match = _DURATION.fullmatch(str(value).strip()) if isinstance(value, str | int) else None
    if match is None or isinstance(value, bool):
        raise ValueError('expected a duration such as "7d", "12h", "30m" or "90s", or a whole number of seconds')
    return int(match[1]) * _SECONDS_OF_UNIT[match[2]]


def listed(value: Any) -> Any:
    """A list as it is, and the parts of one text with commas between them."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _share(value: Any) -> Any:
    return {"off": 0.0, "all": 1.0}.get(str(value).lower(), value)


def _webhook_url(url: str) -> str:
    try:
        return checked_webhook("webhook", url)
    except InvalidRequest as error:
        raise ValueError(str(error)) from None


def _http_url(value: str) -> str:
    if not value.strip():
        raise ValueError(f"expected a URL such as {_EXAMPLE}; leave it out where the kind's own address is meant")
    if any(character.isspace() for character in value):
        raise ValueError(f"expected a URL without blanks, such as {_EXAMPLE}")
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"expected a URL such as {_EXAMPLE}")
    return value


def _store_url(value: str) -> str:
    if urlsplit(value).scheme not in STORE_SCHEMES:
        raise ValueError(
            "expected redis://host:port/db, rediss://…, unix:///path or redis+sentinel://host1,host2/service/db"
        )
    return value


def _blobs_url(value: Any) -> Any:
    """A bucket's URL as it is; a directory as a file: URL."""
    if not isinstance(value, str):
        return value
    scheme = urlsplit(value).scheme
    if len(scheme) <= 1:  # a path; on some systems it begins with a drive's letter
        return Path(value).expanduser().absolute().as_uri()
    if scheme not in BLOB_SCHEMES:
        raise ValueError("expected a directory, or s3://bucket/prefix, gs://bucket/prefix or az://container/prefix")
    return value


def _read_place(value: Any) -> Any:
    """The beginning of an address as it is; a directory's absolute path."""
    if not isinstance(value, str) or "://" in value:
        return value
    return str(Path(value).expanduser().absolute())


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, OSError, ValueError):
        raise ValueError("expected an IANA time zone such as UTC or America/Los_Angeles") from None
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("expected a name without spaces, colons, slashes and braces")
    return value


def _price(value: Any) -> Any:
    return value if value is None else parse_usd(value)


def _kind(name: str) -> str:
    if not is_kind(name):
        *most, last = (repr(kind) for kind in known_kinds())
        raise ValueError(f"expected {', '.join(most)} or {last}; a kind of another package needs that package here")
    return name


@dataclass(frozen=True, slots=True)
class Choices:
    """Mark of a setting whose words are known only where it is read: which those are."""

    words: Callable[[], Sequence[str]]


#: A hundred years in seconds; a moment much further away is none that the store can keep.
_LONGEST_S = 100 * 365 * 86_400
#: A length of time in whole seconds.
Seconds = Annotated[int, BeforeValidator(duration_s), Field(ge=0, le=_LONGEST_S)]
#: Nano-dollars, written in dollars.
NanoUsd = Annotated[
    int, BeforeValidator(_price), PlainSerializer(usd, when_used="json"), WithJsonSchema({"type": "string"})
]
#: Several words: a list, or one string with commas between them.
Words = Annotated[tuple[str, ...], BeforeValidator(listed)]
#: A share of something: `off`, `all`, or a number between.
Share = Annotated[float, BeforeValidator(_share), Field(ge=0, le=1)]
#: A path on this machine; `~` is the user's own directory.
LocalPath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
#: A URL that workers post to.
WebhookUrl = Annotated[str, AfterValidator(_webhook_url)]
BlobsUrl = Annotated[str, BeforeValidator(_blobs_url)]
#: Several of them: a list, or one string with commas between them.
BlobsUrls = Annotated[tuple[BlobsUrl, ...], BeforeValidator(listed)]
#: Directories and beginnings of addresses: a list, or one string with commas between them.
ReadPlaces = Annotated[
    tuple[Annotated[str, BeforeValidator(_read_place), Field(min_length=1)], ...], BeforeValidator(listed)
]
StoreUrl = Annotated[str, AfterValidator(_store_url)]
Zone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, AfterValidator(_name)]
#: The store's scripts reckon in doubles, in which a thousand times this is still exact.
_MOST = 10**12
Positive = Annotated[int, Field(gt=0, le=_MOST)]
#: A kind of provider that is installed here. The fleet's settings keep plain text: who reads them need not have it.
Kind = Annotated[str, AfterValidator(_kind), Choices(known_kinds)]


def plain(value: Any) -> Any:
    """A value as JSON can hold it: TOML's decimals become numbers again where they are not money."""
    if isinstance(value, Decimal):
        if not isfinite(value):
            raise ValueError(f"expected finite numbers, not {value}")
        return float(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


#: Parameters handed through to a provider or its SDK.
Parameters = Annotated[dict[str, Any], BeforeValidator(plain)]
