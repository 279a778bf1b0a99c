"""Addresses: what they name, and how they are shown. What somebody could use in another's place is never shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from homa_shared.model.errors import InvalidRequest

#: Buckets of S3, Google Cloud Storage and Azure, as their tools spell them.
BUCKETS = ("s3", "gs", "az")
WEB = ("https", "http")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://")
_WILD = re.compile(r"[*?\[]")
#: Parameters by which links are signed; they differ each time, and open what they lead to.
_SIGNED = re.compile(
    r"x-amz-|x-goog-|(signature|sig|expires|policy|key-pair-id|awsaccesskeyid|googleaccessid|token|access_token|"
    r"api_?key|(sub|ocp-apim-sub)scription-key|(private|refresh|id|auth)_?token|password|passwd|pwd|(client_)?secret|jwt|"
    r"auth|authorization|sv|se|sp|sr|st|spr|ske|skt|sks|skv|skoid|sktid)$",
    re.IGNORECASE,
)

#: Those of them that are the signature itself.
_SIGNATURE = re.compile(r"(sig|signature|x-amz-signature|x-goog-signature)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Where something lies that is no file of this machine."""

    scheme: str
    #: The bucket, or the web server with its port.
    host: str
    #: The object's key; of a web server, the path. Without a slash at its beginning.
    path: str
    #: Of a web server: what stands behind the question mark, without what signs the link.
    query: str = ""

    @property
    def is_web(self) -> bool:
        return self.scheme in WEB

    @property
    def has_wildcard(self) -> bool:
        """Whether it is a pattern of objects."""
        return not self.is_web and _WILD.search(self.path) is not None

    @property
    def bucket(self) -> str:
        """The address of its bucket."""
        return f"{self.scheme}://{self.host}"

    def at(self, path: str) -> Address:
        """Another object of the same bucket."""
        return Address(self.scheme, self.host, path)

    @property
    def note(self) -> Address:
        """Of results: the note beside them, which leads to their run while that has not ended."""
        return self.at(f"{self.path.rstrip('/')}.run.json")

    def __str__(self) -> str:
        shown = f"{self.scheme}://{self.host}" + (f"/{self.path}" if self.path else "")
        return f"{shown}?{self.query}" if self.query else shown


def is_address(given: str) -> bool:
    """Whether an argument is an address and not a path."""
    return _ADDRESS.match(given) is not None


def as_told(given: str) -> str:
    """An argument as messages show it: an address without what somebody could use in another's place."""
    return str(address_of(given)) if is_address(given) else given


def address_of(given: str, what: str = "INPUT") -> Address:
    """What an address names.

    Args:
        given: `s3://bucket/key`, `gs://…`, `az://container/…`, `https://…`; of web servers with name and password, too.
        what: the argument's name, for messages.

    Raises:
        InvalidRequest: it is none that can be read.
    """
    scheme = given.partition("://")[0].lower()
    if scheme in BUCKETS:
        # Not by urlsplit: keys have question marks and hashes of their own.
        host, _, path = given.partition("://")[2].partition("/")
        if "@" in host or _is_signed(path):
            held = "a name or password" if "@" in host else "a signature"
            raise InvalidRequest(
                f"{what}: an address of a bucket with {held} in it: expected {scheme}://bucket/key, and credentials in "
                "the environment"
            )
        if not host or _WILD.search(host):
            raise InvalidRequest(f"{what} {given!r} names no bucket: expected {scheme}://bucket/key")
        return Address(scheme, host, path)
    if scheme not in WEB:
        raise InvalidRequest(
            f"{what} {given.partition('://')[0]}://… is an address of no kind that is read: expected "
            "https://, s3://, gs:// or az://"
        )
    try:
        split = urlsplit(given)
        host, port = split.hostname or "", split.port
    except ValueError:
        host, port = "", None
    if not host:
        raise InvalidRequest(f"{what}: an address of a web server without a server: expected https://server/path")
    host = f"[{host}]" if ":" in host else host
    query = urlencode([(name, value) for name, value in _parameters(split.query) if not _SIGNED.match(name)])
    path = unquote(split.path.removeprefix("/"), errors="backslashreplace")
    return Address(scheme, host if port is None else f"{host}:{port}", path, query)


def _is_signed(key: str) -> bool:
    """Whether a link's signature was pasted behind a key, which may have question marks of its own."""
    return any(_SIGNATURE.match(name) for name, _ in _parameters(key.partition("?")[2]))


def _parameters(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)
