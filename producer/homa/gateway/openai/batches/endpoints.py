"""`/v1/batches`: create, retrieve, list, cancel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.types import ASGIApp

from homa.gateway.answers import JsonAnswer
from homa.gateway.batches.file_batches import BatchRequest, batch_headers
from homa.gateway.endpoint import Inquiry
from homa.gateway.errors import ApiError
from homa.gateway.openai.batches.document import PREFIX, batch_document
from homa.gateway.openai.batches.forms import FORMS
from homa.gateway.openai.batches.lines import API, canonical
from homa.gateway.openai.files import MOST_S, expiry_s, found_file
from homa.gateway.openai.paging import page_of
from homa.gateway.request_checks import optional_object
from homa_shared.model.errors import InvalidRequest
from homa_shared.store.gateway_batches import OVER, GatewayBatch
from homa_shared.store.gateway_files import index_row

_WINDOW = re.compile(r"([1-9]\d{0,6})([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
#: Longest window, s.
_MOST_WINDOW_S = 30 * 24 * 3600
#: Most pairs of metadata, characters of a name and of a value.
_PAIRS, _NAME, _VALUE = 16, 64, 512
_MOST_LISTED = 100
_FIELDS = frozenset({"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"})


async def create(inquiry: Inquiry) -> ASGIApp:
    """Takes a batch; its file is checked behind the answer."""
    inquiry.principal.require_changes()
    body = inquiry.body
    for name in body:
        if name not in _FIELDS:
            raise ApiError(400, f"{name} is no parameter of a batch", "unknown_parameter", name)
    asked = _asked(inquiry, body)
    file = await found_file(inquiry, asked.input_id)
    if file.purpose != "batch":
        raise InvalidRequest(f"input_file_id is {file.id}, of purpose {file.purpose}: expected one of purpose batch")
    await inquiry.count()
    batch = await inquiry.services.batches.create(inquiry.principal, asked)
    return JsonAnswer(await _document(inquiry, batch))


async def show(inquiry: Inquiry) -> ASGIApp:
    """A batch as it is now."""
    batch = await _found(inquiry, inquiry.request.path_params["batch"])
    beside = await inquiry.services.batches.told_beside(inquiry.principal, batch)
    return JsonAnswer({**await _document(inquiry, batch), **beside})


async def cancel(inquiry: Inquiry) -> ASGIApp:
    """Cancels a batch; one that has ended stays as it is."""
    inquiry.principal.require_changes()
    batch = await _found(inquiry, inquiry.request.path_params["batch"])
    if batch.status in OVER:
        raise ApiError(409, f"batch {PREFIX}{batch.id} is {batch.status} already", "batch_ended")
    await inquiry.services.batches.cancel(batch.id)
    return JsonAnswer(await _document(inquiry, await _found(inquiry, PREFIX + batch.id)))


async def listing(inquiry: Inquiry) -> ASGIApp:
    """The batches of the caller's tenant, the newest first."""
    page = page_of(inquiry.request.query_params, default=20, most=_MOST_LISTED)
    row = None
    if page.after is not None:
        row = await _cursor(inquiry, page.after)
    batches, tenant = inquiry.services.batches, inquiry.principal.tenant
    found, more = await batches.page(API, tenant, row, page.limit, newest_first=page.newest_first)
    rows = [await _document(inquiry, batch) for batch in found]
    return JsonAnswer(page.document(rows, more=more))


async def _cursor(inquiry: Inquiry, batch_id: str) -> str:
    found = await inquiry.services.batches.find(batch_id.removeprefix(PREFIX))
    if found is None or found.api != API or found.tenant != inquiry.principal.tenant:
        raise InvalidRequest(f"after is {batch_id!r:.80}: expected the id of a batch of this list")
    return index_row(found.created_ms, found.id)


async def _found(inquiry: Inquiry, batch_id: str) -> GatewayBatch:
    """A batch that the caller may see; raises ApiError, in the same words for another tenant's."""
    is_id = batch_id.startswith(PREFIX)
    found = await inquiry.services.batches.find(batch_id.removeprefix(PREFIX)) if is_id else None
    if found is None or found.api != API or not inquiry.principal.sees(found.tenant):
        raise ApiError(404, f"batch {batch_id!r:.80} is not here: its id is wrong, or it is too old", "not_found")
    return found


async def _document(inquiry: Inquiry, batch: GatewayBatch) -> dict[str, Any]:
    over = batch.status in OVER
    return batch_document(batch, None if over else await inquiry.services.batches.progress(batch.id))


def _asked(inquiry: Inquiry, body: Mapping[str, Any]) -> BatchRequest:
    input_id, endpoint, window = (body.get(name) for name in ("input_file_id", "endpoint", "completion_window"))
    if not isinstance(input_id, str) or not input_id:
        raise InvalidRequest(f"input_file_id is {input_id!r:.80}: expected the id of a file")
    if not isinstance(endpoint, str) or canonical(endpoint) not in FORMS:
        raise InvalidRequest(f"endpoint is {endpoint!r:.80}: expected one of {', '.join(FORMS)}")
    kept = body.get("output_expires_after")
    facts = {"said_endpoint": endpoint, "window": str(window)}
    if body.get("metadata") is not None:
        facts["metadata"] = orjson.dumps(_metadata(optional_object(body, "metadata"))).decode()
    headers = batch_headers(inquiry.request.headers)
    return BatchRequest(
        api=API,
        endpoint=canonical(endpoint),
        input_id=input_id,
        window_s=_window_s(window),
        files_kept_s=MOST_S if kept is None else expiry_s("output_expires_after", kept),
        headers=headers.of_lines,
        cap=headers.cap,
        webhook=headers.webhook,
        key=headers.key,
        facts=facts,
    )


def _window_s(window: object) -> int:
    found = _WINDOW.fullmatch(window) if isinstance(window, str) else None
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 0 < seconds <= _MOST_WINDOW_S:
        raise InvalidRequest(f"completion_window is {window!r:.80}: expected a time such as 24h, 30d at most")
    return seconds


def _metadata(given: Mapping[str, Any]) -> dict[str, str]:
    if len(given) > _PAIRS:
        raise InvalidRequest(f"metadata has {len(given)} pairs: expected at most {_PAIRS}")
    for name, value in given.items():
        if not isinstance(value, str) or len(value) > _VALUE or len(name) > _NAME:
            raise InvalidRequest(
                f"metadata has {name!r:.80}: expected names of at most {_NAME} and texts of at most {_VALUE} characters"
            )
    return dict(given)
