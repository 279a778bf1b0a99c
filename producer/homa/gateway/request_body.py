"""The body of a request: JSON, read within bounds of size and time."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from starlette.requests import Request

from homa.gateway.errors import ApiError
from homa.gateway.json_depth import TOO_DEEP, is_too_deep

#: Most bytes of a body: the most that a provider takes in one request with images in it.
MOST_BYTES = 50 * 1024 * 1024
#: A body has to be here within this time, s.
BODY_S = 60.0


async def json_object(request: Request, most_bytes: int) -> dict[str, Any]:
    """The JSON object that a request carries.

    Raises:
        ApiError: another type of content, too long, too slow, no JSON, or no object.
        ClientDisconnect: the client went away before its end.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, f"content-type is {kind!r:.80}: expected application/json", "unsupported_media_type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(415, "content-encoding is set: expected a body that is not compressed", "unsupported_media_type")
    try:
        async with asyncio.timeout(BODY_S):
            data = await _read(request, most_bytes)
    except TimeoutError:
        raise ApiError(408, f"the body was not here within {BODY_S:g} s", "request_timeout") from None
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not JSON: {error}", "invalid_json") from None
    if not isinstance(body, dict):
        raise ApiError(400, f"the body is {type(body).__name__}: expected a JSON object", "invalid_request")
    if is_too_deep(data, body):
        raise ApiError(400, f"the body {TOO_DEEP}", "invalid_request")
    return body


async def _read(request: Request, most_bytes: int) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > most_bytes:
        raise _too_long(most_bytes)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most_bytes:
            raise _too_long(most_bytes)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_long(most_bytes: int) -> ApiError:
    # What is still to come is not read: the connection ends with the answer.
    message = f"the body is too long: expected at most {most_bytes} bytes"
    return ApiError(413, message, "request_too_large", headers={"connection": "close"}, retry=False)
