"""`/v1/messages/batches`: create, retrieve, list, cancel, results, delete."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.types import ASGIApp

from homa.files.digests import Digests
from homa.gateway.answers import JsonAnswer
from homa.gateway.anthropic.batches.document import PREFIX, batch_document
from homa.gateway.anthropic.batches.lines import API, ENDPOINT
from homa.gateway.batches.file_batches import BatchRequest, batch_headers
from homa.gateway.endpoint import Inquiry
from homa.gateway.errors import ApiError
from homa.gateway.files.download import Download, first_of
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.json_safe import sound_json
from homa_shared.store.gateway_batches import OVER, GatewayBatch
from homa_shared.store.gateway_files import ABANDONED_MS, REQUESTS, GatewayFile, index_row

_WINDOW_S, _KEPT_S = 24 * 3600, 29 * 24 * 3600
_MOST_REQUESTS, _MOST_LISTED = 100_000, 1000
_CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


async def create(inquiry: Inquiry) -> ASGIApp:
    """Takes a batch: its requests become lines of a file of its own."""
    inquiry.principal.require_changes()
    for name in inquiry.body:
        if name != "requests":
            raise ApiError(400, f"{name} is no parameter of a batch", "unknown_parameter", name)
    requests, headers = _checked(inquiry.body.get("requests")), batch_headers(inquiry.request.headers)
    await inquiry.count()
    files, content = inquiry.services.files, hashlib.sha256()
    writer = await files.begin()
    for row in _rows(requests):
        content.update(row)
        await writer.add(row)
    file = GatewayFile(writer.file_id, inquiry.principal.tenant, "requests.jsonl", REQUESTS, writer.bytes, 0, None)
    # It expires where no batch comes to read it.
    await files.put(file, await writer.close(), listed=False, ttl_ms=ABANDONED_MS)
    asked = BatchRequest(
        api=API,
        endpoint=ENDPOINT,
        input_id=file.id,
        window_s=_WINDOW_S,
        files_kept_s=_KEPT_S,
        headers=headers.of_lines,
        cap=headers.cap,
        webhook=headers.webhook,
        key=headers.key,
        facts={"requests": str(len(requests))},
        content=content.digest(),
    )
    try:
        batch = await inquiry.services.batches.create(inquiry.principal, asked)
    except ApiError:
        raise
    except Exception:
        await files.drop(file.id)
        raise
    if batch.input != file.id:
        await files.drop(file.id)
    return _answer(inquiry, batch)


async def show(inquiry: Inquiry) -> ASGIApp:
    """A batch as it is now."""
    batch = await _found(inquiry)
    beside = await inquiry.services.batches.told_beside(inquiry.principal, batch)
    return JsonAnswer({**batch_document(batch, _address(inquiry)), **beside})


async def cancel(inquiry: Inquiry) -> ASGIApp:
    """Cancels a batch; one that has ended stays as it is."""
    inquiry.principal.require_changes()
    batch = await _found(inquiry)
    if batch.status not in OVER:
        await inquiry.services.batches.cancel(batch.id)
    return _answer(inquiry, await _found(inquiry))


async def delete(inquiry: Inquiry) -> ASGIApp:
    """Deletes a batch that has ended, and its results."""
    inquiry.principal.require_changes()
    batch = await _found(inquiry)
    if batch.status not in OVER:
        raise InvalidRequest(f"batch {PREFIX}{batch.id} cannot be deleted while it goes on: cancel it first")
    await inquiry.services.batches.drop(batch.id)
    return JsonAnswer({"id": PREFIX + batch.id, "type": "message_batch_deleted"})


async def results(inquiry: Inquiry) -> ASGIApp:
    """What its requests came to, a line each, in the order in which they ended."""
    batch = await _found(inquiry)
    if batch.status not in OVER:
        raise InvalidRequest(f"batch {PREFIX}{batch.id} has no results yet: it goes on")
    file = await inquiry.services.files.find(batch.raw["output"])
    if file is None:
        raise ApiError(404, f"the results of batch {PREFIX}{batch.id} are not kept any more", "not_found")
    pieces = inquiry.services.files.read(file.id)
    return Download(file, await first_of(pieces), pieces, "application/x-jsonl")


async def listing(inquiry: Inquiry) -> ASGIApp:
    """The batches of the caller's tenant, the newest first."""
    query, batches = inquiry.request.query_params, inquiry.services.batches
    limit = query.get("limit", "20")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 6 and 1 <= int(limit) <= _MOST_LISTED):
        raise InvalidRequest(f"limit is {limit!r:.80}: expected 1 to {_MOST_LISTED}")
    before, after = query.get("before_id"), query.get("after_id")
    if before and after:
        raise InvalidRequest("both before_id and after_id: expected one of them")
    cursor = before or after
    row = await _cursor(inquiry, cursor) if cursor else None
    found, more = await batches.page(API, inquiry.principal.tenant, row, int(limit), newest_first=not before)
    rows = [batch_document(batch, _address(inquiry)) for batch in (found[::-1] if before else found)]
    first, last = (rows[0]["id"], rows[-1]["id"]) if rows else (None, None)
    return JsonAnswer({"data": rows, "has_more": more, "first_id": first, "last_id": last})


async def _cursor(inquiry: Inquiry, batch_id: str) -> str:
    found = await inquiry.services.batches.find(batch_id.removeprefix(PREFIX))
    if found is None or found.api != API or found.tenant != inquiry.principal.tenant:
        raise InvalidRequest(f"cursor is {batch_id!r:.80}: expected the id of a batch of this list")
    return index_row(found.created_ms, found.id)


async def _found(inquiry: Inquiry) -> GatewayBatch:
    """A batch that the caller may see; raises ApiError, in the same words for another tenant's."""
    batch_id = inquiry.request.path_params["batch"]
    is_id = batch_id.startswith(PREFIX)
    found = await inquiry.services.batches.find(batch_id.removeprefix(PREFIX)) if is_id else None
    if found is None or found.api != API or not inquiry.principal.sees(found.tenant):
        raise ApiError(404, f"batch {batch_id!r:.80} is not here: its id is wrong, or it is too old", "not_found")
    return found


def _answer(inquiry: Inquiry, batch: GatewayBatch) -> JsonAnswer:
    return JsonAnswer(batch_document(batch, _address(inquiry)))


def _address(inquiry: Inquiry) -> str:
    """The gateway's address as its client wrote it, which the client is told and nobody else."""
    url, said = inquiry.request.base_url, inquiry.request.headers.get("x-forwarded-proto", "")
    return f"{'https' if said == 'https' else url.scheme}://{url.netloc}"


def _checked(requests: object) -> list[Mapping[str, Any]]:
    if not isinstance(requests, list) or not 0 < len(requests) <= _MOST_REQUESTS:
        raise InvalidRequest(f"requests is {requests!r:.80}: expected a list of 1 to {_MOST_REQUESTS} requests")
    ids = Digests()
    for number, request in enumerate(requests):
        place = f"requests[{number}]"
        if not isinstance(request, Mapping) or not isinstance(request.get("params"), Mapping):
            raise InvalidRequest(f"{place} is {request!r:.80}: expected an object with custom_id and params")
        custom_id = request.get("custom_id")
        if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
            raise InvalidRequest(
                f"{place}.custom_id is {custom_id!r:.80}: expected 1 to 64 letters, digits, underscores and hyphens"
            )
        if not ids.add(custom_id):
            raise InvalidRequest(f"{place}.custom_id is {custom_id!r:.80}, which a request before has too")
    return requests


def _rows(requests: list[Mapping[str, Any]]) -> Iterator[bytes]:
    for request in requests:
        yield sound_json({"custom_id": request["custom_id"], "params": request["params"]}) + b"\n"
