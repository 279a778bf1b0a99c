"""`/v1/files`: upload, list, retrieve, content, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp

from homa.gateway.answers import JsonAnswer
from homa.gateway.endpoint import Inquiry
from homa.gateway.errors import ApiError
from homa.gateway.files.download import Download, first_of
from homa.gateway.files.kept_files import PART_BYTES
from homa.gateway.files.upload import upload_of
from homa.gateway.openai.paging import Page, page_of
from homa_shared.model.errors import InvalidRequest
from homa_shared.store.gateway_files import REQUESTS, Dropped, GatewayFile, index_row

_PURPOSES = ("batch", "assistants", "fine-tune", "vision", "user_data", "evals")
#: How long a file may be kept, s; those of batches are kept for the most of it where nothing is said.
LEAST_S, MOST_S = 3600, 30 * 24 * 3600
_MOST_LISTED = 10_000
#: Files that are looked at in one step of a listing.
_STEP = 500


async def upload(inquiry: Inquiry) -> ASGIApp:
    """Takes a file; it is there as soon as it is answered, and not before."""
    inquiry.principal.require_changes()
    files = inquiry.services.files
    async with upload_of(inquiry.request) as form:
        purpose, ttl_s = _purpose(form.fields), _ttl_s(form.fields)
        writer = await files.begin()
        async for piece in form.pieces(PART_BYTES):
            await writer.add(piece)
        if not writer.bytes:
            raise InvalidRequest("file is empty: expected at least one byte")
        tenant = inquiry.principal.tenant
        file = GatewayFile(writer.file_id, tenant, form.filename, purpose, writer.bytes, 0, None)
        parts = await writer.close()
    await files.put(file, parts, ttl_ms=None if ttl_s is None else ttl_s * 1000)
    return JsonAnswer(file_document(await found_file(inquiry, file.id)))


async def show(inquiry: Inquiry) -> ASGIApp:
    """A file without its content."""
    return JsonAnswer(file_document(await found_file(inquiry, inquiry.request.path_params["file"])))


async def content(inquiry: Inquiry) -> ASGIApp:
    """What is in a file."""
    file = await found_file(inquiry, inquiry.request.path_params["file"])
    pieces = inquiry.services.files.read(file.id)
    return Download(file, await first_of(pieces), pieces)


async def delete(inquiry: Inquiry) -> ASGIApp:
    """Deletes a file that no batch reads."""
    inquiry.principal.require_changes()
    file = await found_file(inquiry, inquiry.request.path_params["file"])
    if await inquiry.services.files.drop(file.id) is Dropped.READ:
        message = f"file {file.id} is read by a batch that goes on: cancel it first, or wait for its end"
        raise ApiError(409, message, "file_in_use")
    return JsonAnswer({"id": file.id, "object": "file", "deleted": True})


async def listing(inquiry: Inquiry) -> ASGIApp:
    """The files of the caller's tenant."""
    query = inquiry.request.query_params
    page, purpose = page_of(query, default=_MOST_LISTED, most=_MOST_LISTED), query.get("purpose")
    found, more = await _files(inquiry, page, await _cursor(inquiry, page), purpose)
    return JsonAnswer(page.document([file_document(file) for file in found], more=more))


async def _files(inquiry: Inquiry, page: Page, row: str | None, purpose: str | None) -> tuple[list[GatewayFile], bool]:
    files, tenant = inquiry.services.files, inquiry.principal.tenant
    found: list[GatewayFile] = []
    while True:
        step = await files.page(tenant, row, _STEP, newest_first=page.newest_first)
        found += [file for file in await files.find_all(step.ids) if purpose in (None, file.purpose)]
        if len(found) > page.limit or not step.more:
            return found[: page.limit], len(found) > page.limit
        row = step.last


async def _cursor(inquiry: Inquiry, page: Page) -> str | None:
    if page.after is None:
        return None
    found = await inquiry.services.files.find(page.after)
    if found is None or found.tenant != inquiry.principal.tenant:
        raise InvalidRequest(f"after is {page.after!r:.80}: expected the id of a file of this list")
    return index_row(found.created_ms, found.id)


async def found_file(inquiry: Inquiry, file_id: str) -> GatewayFile:
    """A file that the caller may see.

    Raises:
        ApiError: there is none; in the same words for another tenant's.
    """
    found = await inquiry.services.files.find(file_id)
    if found is None or found.purpose == REQUESTS or not inquiry.principal.sees(found.tenant):
        raise ApiError(404, f"file {file_id!r:.80} is not here: its id is wrong, or it has expired", "not_found")
    return found


def file_document(file: GatewayFile) -> dict[str, Any]:
    """A file as the API tells it."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_ms // 1000,
        "expires_at": None if file.expires_ms is None else file.expires_ms // 1000,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def _purpose(fields: Mapping[str, str]) -> str:
    purpose = fields.get("purpose")
    if purpose not in _PURPOSES:
        raise InvalidRequest(f"purpose is {purpose!r:.80}: expected one of {', '.join(_PURPOSES)}")
    return str(purpose)


def _ttl_s(fields: Mapping[str, str]) -> int | None:
    anchor, seconds = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return MOST_S if fields.get("purpose") == "batch" else None
    return expiry_s("expires_after", {"anchor": anchor, "seconds": _number(seconds)})


def _number(text: str | None) -> Any:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else text


def expiry_s(name: str, given: Any) -> int:
    """Seconds that a file is kept from its making on.

    Args:
        name: of the field.
        given: `{"anchor": "created_at", "seconds": …}`.

    Raises:
        InvalidRequest: it is something else.
    """
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"{name} is {given!r:.80}: expected an object with anchor and seconds")
    if given.get("anchor") != "created_at":
        raise InvalidRequest(f"{name}.anchor is {given.get('anchor')!r:.80}: expected created_at")
    seconds = given.get("seconds")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not LEAST_S <= seconds <= MOST_S:
        raise InvalidRequest(f"{name}.seconds is {seconds!r:.80}: expected {LEAST_S} to {MOST_S}")
    return seconds
