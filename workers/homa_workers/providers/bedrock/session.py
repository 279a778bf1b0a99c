"""aiobotocore's HTTP session, which reads no more of a reply than may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiobotocore.httpsession import AIOHTTPSession

from homa_workers.providers.recording import held_back
from homa_workers.providers.reply_room import ROOM
from homa_workers.providers.reply_size import ReplyTooLarge, limited_response

#: What an event takes beside its texts, in bytes.
_EVENT_BYTES = 100


class _NotSentError(Exception):
    """The request is only looked at."""


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def limited_session(most: int) -> type[AIOHTTPSession]:
    """The class of sessions of whose replies so many bytes are read; event streams are counted by `size_of`."""
    response_class = limited_response(most)

    class LimitedSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
        async def send(self, request: Any) -> Any:
            if (seen := held_back()) is not None:
                headers = {name.lower(): _text(value) for name, value in request.headers.items()}
                seen.append((request.url, headers))
                raise _NotSentError
            return await super().send(request)

        async def _get_session(self, proxy_url: str | None) -> Any:
            session = await super()._get_session(proxy_url)
            # aiobotocore hands no class on to the session that it makes.
            session._response_class = response_class  # noqa: SLF001
            return session

    return LimitedSession


async def read_limited(stream: Any, most: int) -> bytes:
    """The body of a reply that is handed over unread. Raises ReplyTooLarge where it is longer."""
    parts: list[bytes] = []
    size, share = 0, ROOM.share()
    try:
        while piece := await stream.read(1024 * 1024):
            parts.append(piece)
            size += len(piece)
            if size > most:
                raise ReplyTooLarge(most)
            await share.grown(size)
    except BaseException:
        # The error holds this frame for as long as somebody looks at it.
        parts.clear()
        raise
    finally:
        share.leave()
    return b"".join(parts)


def size_of(event: Mapping[str, Any]) -> int:
    """About the bytes of an event of a stream."""
    pieces = (value for delta in event.values() if isinstance(delta, Mapping) for value in _leaves(delta))
    return _EVENT_BYTES + sum(len(piece) for piece in pieces)


def _leaves(value: object) -> list[str | bytes]:
    if isinstance(value, str | bytes):
        return [value]
    if isinstance(value, Mapping):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return []
