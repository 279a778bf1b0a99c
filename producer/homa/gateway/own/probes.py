"""`/healthz`: the process answers. `/readyz`: it can accept jobs. Neither tells anything of the fleet."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from homa.gateway.answers import JsonAnswer
from homa.gateway.endpoint import Services
from homa_shared.model.errors import HomaError

#: A probe's answer is due within this time, s.
_WITHIN_S = 2.0


def healthz(services: Services) -> ASGIApp:
    """Answers as long as the event loop turns."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await JsonAnswer({"status": "ok"})(scope, receive, send)

    return _Probe(answer)


def readyz(services: Services) -> ASGIApp:
    """Answers 200 where the store does."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (await _readiness(services))(scope, receive, send)

    return _Probe(answer)


async def _readiness(services: Services) -> JsonAnswer:
    try:
        async with asyncio.timeout(_WITHIN_S):
            await services.jobs.ping()
    except (HomaError, TimeoutError):
        return JsonAnswer({"status": "unavailable", "reason": "the store does not answer"}, 503, {"retry-after": "1"})
    return JsonAnswer({"status": "ok"})


class _Probe:
    """An ASGI application from a function; Starlette would take the function itself for an endpoint of requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
