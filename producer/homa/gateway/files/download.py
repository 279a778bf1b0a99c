"""Content of a file as an answer, a part at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.types import Receive, Scope, Send

from homa.gateway.answers import SECURE_HEADERS, raw
from homa_shared.store.gateway_files import GatewayFile


class Download:
    """The content of a file.

    Args:
        content: its parts; the first has been asked for, so that one that cannot be read is told as an error.
        kind: its content type.
    """

    status = 200

    def __init__(
        self,
        file: GatewayFile,
        first: bytes,
        content: AsyncGenerator[bytes, None],
        kind: str = "application/octet-stream",
    ) -> None:
        self._first, self._content = first, content
        name = file.filename.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "/")
        told = {"content-length": str(file.bytes), "content-disposition": f'attachment; filename="{name}"'}
        self.headers = {**SECURE_HEADERS, "content-type": kind, **told}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": raw(self.headers)})
        async with aclosing(self._content) as content:
            if scope["method"] != "HEAD":
                await send({"type": "http.response.body", "body": self._first, "more_body": True})
                async for piece in content:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def first_of(content: AsyncGenerator[bytes, None]) -> bytes:
    """The first part of a content; empty where it has none. Raises as `KeptFiles.read`."""
    return await anext(content, b"")
