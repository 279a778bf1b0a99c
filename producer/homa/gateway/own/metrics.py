"""`/metrics`: the store's metrics for Prometheus. Those of attempts are served by each worker itself."""

from __future__ import annotations

import asyncio
import math
import time

from starlette.responses import Response
from starlette.types import ASGIApp

from homa.gateway.answers import SECURE_HEADERS
from homa.gateway.endpoint import Handler, Inquiry
from homa_shared.metrics.exposition import exposition
from homa_shared.metrics.store_metrics import Labels, Look, families, look_async
from homa_shared.model.errors import StoreUnavailable

#: Scrapers that ask within this time of one another share a look at the store, s.
_SHARED_S = 1.0


def metrics() -> Handler:
    """Answers scrapers; one for as long as the process runs, so that labels stay what they are."""
    labels, asking = Labels(), asyncio.Lock()
    found: Look | None = None
    looked_s = -math.inf

    async def answer(inquiry: Inquiry) -> ASGIApp:
        """The store's metrics in Prometheus' formats; not for a tenant's key."""
        nonlocal found, looked_s
        inquiry.principal.require_fleet()
        async with asking:
            if time.monotonic() - looked_s >= _SHARED_S:
                found = await _look(inquiry)
                looked_s = time.monotonic()
        text, content_type = exposition(families(found, labels), inquiry.request.headers.get("accept", ""))
        return Response(text, headers={**SECURE_HEADERS, "content-type": content_type})

    return answer


async def _look(inquiry: Inquiry) -> Look | None:
    try:
        return await look_async(await inquiry.jobs.store())
    except StoreUnavailable:
        return None
