"""Server-sent events as servers really send them: any line ending, comments, a byte order mark, no last blank line.

The SDKs' decoders lose an event behind a byte order mark and end a stream at an empty one. The protocol:
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2

#: What OpenAI's protocol says last.
DONE = b"[DONE]"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: How long the end of the body is waited for behind the last event, s: a connection that was read to its end is used
#: again, and one that stays open must not hold the reply.
_END_S = 0.25


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each event, with `DONE` for the last where a server says so; events without data are left out.

    Args:
        chunks: a body, in pieces of any size.
    """
    data: list[bytes] = []
    is_first = True
    lines = _lines(chunks)
    async for line in lines:
        if is_first and line.startswith(b"{"):
            # Not a stream, whatever its headers say.
            yield b"\n".join([line, *[line async for line in lines]])
            yield DONE
            return
        is_first = is_first and not line
        if _is_done(line):
            # Some servers put no blank line before it, or behind.
            break
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            if event := b"\n".join(data).strip():
                yield event
            data = []
    else:
        if event := b"\n".join(data).strip():
            yield event
        return
    if event := b"\n".join(data).strip():
        yield event
    yield DONE
    await read_to_end(chunks)


def _is_done(line: bytes) -> bool:
    return line.startswith(b"data:") and line[5:].lstrip().startswith(DONE)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines without their ends, which are CRLF, LF or CR. Each byte is looked at once, however a line is cut up."""
    parts: list[bytes] = []
    is_first, ends_in_cr = True, False
    async for chunk in chunks:
        if not chunk:
            continue
        if ends_in_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        ends_in_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        head, *rest = chunk.split(b"\n")
        parts.append(head)
        for following in rest:
            line = b"".join(parts)
            yield line.removeprefix(_BYTE_ORDER_MARK) if is_first else line
            is_first = False
            parts = [following]
    if last := b"".join(parts):
        yield last.removeprefix(_BYTE_ORDER_MARK) if is_first else last


async def read_to_end(
    pieces: AsyncIterator[object], failures: tuple[type[Exception], ...] = (httpx2.HTTPError, OSError)
) -> None:
    """Read what follows the last word of a stream, for a moment: nothing that happens there takes a whole reply back.

    Args:
        failures: of the connection.
    """
    try:
        async with asyncio.timeout(_END_S):
            async for _ in pieces:
                pass
    except TimeoutError:
        return
    except failures:
        return
