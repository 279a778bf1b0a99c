"""A page or file of a web server, copied: bounded in size and time, tried anew where it fails.

What it is called, for telling its kind, is what the server says (`Content-Disposition`), else its address, else by its
content type; what it is, is told by its content, as of any file.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import mimetypes
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from homa.files.readers.allowed import lies_in
from homa.files.remote.address import WEB, Address
from homa.files.remote.objects import Unfetchable
from homa_shared.backoff import Backoff
from homa_shared.model.errors import PlaceUnavailable

#: Largest file that is fetched, unpacked, bytes.
MOST_BYTES = 1024**3
#: For one answer to begin, and between two pieces of it, s.
_SILENCE_S = 60.0
#: For all of it, s.
_WHOLE_S = 3600.0
_TRIES = 4
_PAUSES = Backoff(first_s=0.5, longest_s=8, jitter=0.2)
_CHUNK_BYTES = 256 * 1024
#: Answers that may be others the next time.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_FINAL = {
    401: "wants a name and a password, or is not public",
    403: "refuses this process",
    404: "has nothing there",
    410: "has nothing there any more",
}


@dataclass(frozen=True, slots=True)
class WebFile:
    """What a web server has at an address.

    Args:
        given: as it was given, with name, password and signature.
        within: places that this process may read for somebody else; redirects do not lead out of them. None: anywhere.
    """

    given: str
    address: Address
    within: Sequence[str] | None = None
    most_bytes: int = MOST_BYTES

    @property
    def size(self) -> None:
        return None

    def stream(self) -> None:
        return None

    def copy(self, path: Path) -> str:
        for tried in range(1, _TRIES + 1):
            try:
                with self._answer() as answer, path.open("wb") as out:
                    self._take(answer, out)
                    return _name(answer.headers, self.address)
            except (_Passing, OSError, http.client.HTTPException, zlib.error) as error:
                if tried == _TRIES:
                    raise PlaceUnavailable(f"{self.address} cannot be fetched: {_told(error)}") from error
            time.sleep(_PAUSES.pause_s(tried))
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _answer(self) -> Iterator[http.client.HTTPResponse]:
        opener = urllib.request.build_opener(_Redirects(self.within))
        try:
            answer = opener.open(_request(self.given), timeout=_SILENCE_S)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _PASSING:
                raise _Passing(f"answers {error.code}") from None
            if 300 <= error.code < 400:
                raise Unfetchable(f"is redirected to where nothing is followed ({error.code})") from None
            why = _FINAL.get(error.code, f"answers {error.code}")
            raise Unfetchable(f"is not given: {self.address.host} {why} ({error.code})") from None
        with answer:
            yield answer

    def _take(self, answer: http.client.HTTPResponse, out: IO[bytes]) -> None:
        give_up_s = time.monotonic() + _WHOLE_S
        unpacked = _unpacking(answer.headers.get("Content-Encoding", ""))
        size = 0
        while chunk := answer.read(_CHUNK_BYTES):
            for piece in unpacked.pieces(chunk):
                size += len(piece)
                if size > self.most_bytes:
                    raise Unfetchable(f"is larger than {self.most_bytes:,} bytes: fetch it yourself, and name the file")
                out.write(piece)
            if time.monotonic() > give_up_s:
                raise Unfetchable(f"did not come within {_WHOLE_S:.0f} s: fetch it yourself, and name the file")
        if answer.length:  # bytes that were announced and did not come
            raise _Passing(f"ends {answer.length:,} bytes early")
        unpacked.check_end()


class _Passing(Exception):
    """It may go better the next time."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects that stay with web servers, and with encryption; and within what may be read for somebody else."""

    def __init__(self, within: Sequence[str] | None) -> None:
        self._within = within

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme.lower()
        if scheme not in WEB or (req.type == "https" and scheme != "https"):
            raise Unfetchable(f"is redirected to {scheme}://…, which is not followed from {req.type}://")
        if self._within is not None and not lies_in(newurl, self._within):
            where = urlsplit(newurl).hostname
            raise Unfetchable(f"is redirected to {where}, which this process may not read for others")
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            made.remove_header("Authorization")  # what one server is told is no other's business
        return made


class _Unpacking:
    """What comes as it is."""

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk

    def check_end(self) -> None:
        """Raises _Passing where the end is missing."""


class _Gzip(_Unpacking):
    """What was packed for the way, a bounded piece at a time."""

    def __init__(self) -> None:
        self._unpack = zlib.decompressobj(wbits=47)  # with the header of gzip or of zlib

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        while chunk and not self._unpack.eof:
            yield self._unpack.decompress(chunk, _CHUNK_BYTES)
            chunk = self._unpack.unconsumed_tail

    def check_end(self) -> None:
        if not self._unpack.eof:
            raise _Passing("ends early")


def _unpacking(encoding: str) -> _Unpacking:
    encoding = encoding.strip().lower()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _Gzip()
    if encoding in ("", "identity"):
        return _Unpacking()
    raise Unfetchable(f"comes packed as {encoding!r:.40}, which was not asked for")


def _request(given: str) -> urllib.request.Request:
    split = urlsplit(given)
    headers = {"User-Agent": "homa", "Accept": "*/*", "Accept-Encoding": "gzip, identity"}
    if split.username is not None:
        pair = f"{unquote(split.username)}:{unquote(split.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    host = split.netloc.rpartition("@")[2]
    host = host if host.isascii() else host.encode("idna").decode()
    path = quote(split.path, safe="/%:@!$&'()*+,;=~-._")
    query = quote(split.query, safe="/%:@!$&'()*+,;=?~-._")
    return urllib.request.Request(urlunsplit((split.scheme.lower(), host, path, query, "")), headers=headers)


def _name(headers: http.client.HTTPMessage, address: Address) -> str:
    """A name with an ending that says what the file is."""
    said = headers.get_filename()
    if said and PurePosixPath(said).suffix:
        return PurePosixPath(said.replace("\\", "/")).name
    name = PurePosixPath(address.path).name or address.host
    kind = headers.get_content_type() if headers.get("Content-Type") else ""
    ending = mimetypes.guess_extension(kind) if kind not in ("", "application/octet-stream", "text/plain") else None
    known = PurePosixPath(address.path).suffix
    if ending is None or (known and mimetypes.guess_type(f"a{known}")[0] not in (None, "text/html")):
        return name
    return f"{name}{ending}"


def _told(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason)[:200] or type(error).__name__
