"""Scripts and styles: each under a name that holds its digest, so that browsers keep it for good."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from homa.gateway.answers import SECURE_HEADERS

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_FOR_GOOD = {**SECURE_HEADERS, "cache-control": "public, max-age=31536000, immutable"}


@cache
def _files() -> dict[str, tuple[str, bytes]]:
    """Name -> digest and bytes of every file that is served; licences stand beside them and are not."""
    found = {}
    for path in sorted(_FOLDER.rglob("*")):
        if path.suffix in _TYPES:
            data = path.read_bytes()
            found[path.relative_to(_FOLDER).as_posix()] = (hashlib.sha256(data).hexdigest()[:16], data)
    return found


def asset(name: str) -> str:
    """The address of a file."""
    return f"/dashboard/static/{_files()[name][0]}/{name}"


async def serve_asset(request: Request) -> Response:
    """Answers with a file; whoever asks by a digest of before gets the present one, which it may not keep."""
    name = request.path_params["name"]
    if name not in _files():
        return Response("there is no such file", 404, SECURE_HEADERS, "text/plain")
    digest, data = _files()[name]
    headers = _FOR_GOOD if request.path_params["digest"] == digest else SECURE_HEADERS
    return Response(data, 200, headers, _TYPES[Path(name).suffix])
