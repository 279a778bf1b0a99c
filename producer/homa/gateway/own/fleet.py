"""`/v1/costs`, `/v1/limits`, `/v1/queues`, `/v1/workers`: the fleet as `homa costs` and its siblings show it."""

from __future__ import annotations

from typing import Any, cast, get_args

from starlette.types import ASGIApp

from homa.client.management.costs import costs as costs_of
from homa.client.management.limits import limits as limits_of
from homa.client.management.queues import queues as queues_of
from homa.client.management.workers import workers as workers_of
from homa.gateway.answers import JsonAnswer
from homa.gateway.endpoint import Inquiry
from homa.gateway.errors import ApiError
from homa.gateway.own.documents import document_of
from homa.gateway.own.query import Query
from homa_shared.model.errors import InvalidRequest
from homa_shared.store.reads.money import By


async def costs(inquiry: Inquiry) -> ASGIApp:
    """What was spent; a tenant's key is told its own tenant's sum.

    Query: by (provider, model, tenant, tag, template, day or batch), since and until (YYYY-MM-DD), batch.
    """
    query = Query(inquiry.request.query_params, ("by", "since", "until", "batch"))
    said = query.texts("since", "until", "batch")
    by = query.texts("by").get("by", "provider" if inquiry.principal.sees_all else "tenant")
    if by not in get_args(By):
        raise InvalidRequest(f"by is {by!r:.80}: expected one of {', '.join(get_args(By))}")
    if not inquiry.principal.sees_all and (by != "tenant" or "batch" in said):
        raise ApiError(403, "a tenant's key is told costs by tenant: its own", "role_not_allowed", "by")
    table = await inquiry.jobs.run(costs_of(inquiry.jobs.keys, by=cast(By, by), **said))
    found = document_of(table)
    if not inquiry.principal.sees_all:
        found = {"rows": [row for row in found["rows"] if row["key"] == inquiry.principal.tenant]}
    return JsonAnswer({"object": "costs", "by": by, **found})


async def limits(inquiry: Inquiry) -> ASGIApp:
    """What is used of each quota, what is frozen, which breakers are open."""
    found = await _of_fleet(inquiry, limits_of(inquiry.jobs.keys))
    return _listed(found)


async def queues(inquiry: Inquiry) -> ASGIApp:
    """What waits and runs in each lane of each queue."""
    return _listed(await _of_fleet(inquiry, queues_of(inquiry.jobs.keys)))


async def workers(inquiry: Inquiry) -> ASGIApp:
    """Live workers; with `gone=true` those of the last hour, too."""
    gone = Query(inquiry.request.query_params, ("gone",)).flag("gone")
    return _listed(await _of_fleet(inquiry, workers_of(inquiry.jobs.keys, gone=gone)))


async def _of_fleet(inquiry: Inquiry, flow: Any) -> Any:
    inquiry.principal.require_fleet()
    return await inquiry.jobs.run(flow)


def _listed(rows: Any) -> JsonAnswer:
    return JsonAnswer({"object": "list", "data": list(map(document_of, rows))})
