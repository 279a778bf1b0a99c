"""An upload: multipart/form-data, parsed as it comes by python-multipart and written to disk, never held whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from homa.gateway.errors import ApiError

#: Most bytes of a file, as at OpenAI; and of the form around it.
MOST_BYTES, _FORM_BYTES = 200 * 1024 * 1024, 64 * 1024
#: The next bytes of an upload have to be here within this time, and all of them within that, s.
_SILENCE_S, _WHOLE_S = 30.0, 1800.0
_MOST_FIELDS, _FIELD_BYTES = 20, 4096
_MOST_NAME = 255


@dataclass(frozen=True, slots=True)
class Upload:
    """A form with one file in it, which lies on disk until the form is left."""

    file: UploadFile
    filename: str
    fields: Mapping[str, str]

    async def pieces(self, size: int) -> AsyncGenerator[bytes, None]:
        """The content of the file."""
        while data := await self.file.read(size):
            yield data


@asynccontextmanager
async def upload_of(request: Request) -> AsyncGenerator[Upload, None]:
    """The form that a request carries.

    Raises:
        ApiError: another type of content, too long, too slow, no form, or no file in it.
        ClientDisconnect: the client went away before its end.
    """
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "multipart/form-data" or "boundary=" not in parameters:
        message = f"content-type is {kind!r:.80}: expected multipart/form-data with a boundary"
        raise ApiError(415, message, "unsupported_media_type")
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > MOST_BYTES + _FORM_BYTES:
        raise _too_long()
    parser = MultiPartParser(
        request.headers, _bounded(request), max_files=1, max_fields=_MOST_FIELDS, max_part_size=_FIELD_BYTES
    )
    try:
        async with asyncio.timeout(_WHOLE_S):
            form = await parser.parse()
    except MultiPartException as error:
        raise ApiError(400, f"the form cannot be read: {error.message}", "invalid_multipart") from None
    except UnicodeError:
        raise ApiError(400, "the form cannot be read: charset names none of texts", "invalid_multipart") from None
    except TimeoutError:
        raise ApiError(408, f"the upload was not here within {_WHOLE_S:g} s", "request_timeout") from None
    try:
        yield _read(form)
    finally:
        await form.close()


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    size, pieces = 0, request.stream()
    while True:
        try:
            async with asyncio.timeout(_SILENCE_S):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ApiError(408, f"nothing of the upload came for {_SILENCE_S:g} s", "request_timeout") from None
        size += len(piece)
        if size > MOST_BYTES + _FORM_BYTES:
            raise _too_long()
        yield piece


def _read(form: FormData) -> Upload:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ApiError(400, "file is missing: expected a form with a file in it", "invalid_request", "file")
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    name = "".join(letter for letter in file.filename or "" if letter.isprintable())
    return Upload(file, name[-_MOST_NAME:] or "file", fields)


def _too_long() -> ApiError:
    message = f"the file is too long: expected at most {MOST_BYTES} bytes"
    return ApiError(413, message, "request_too_large", "file", retry=False, headers={"connection": "close"})
