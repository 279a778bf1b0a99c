"""What happens to every request: who sends it, what it asks, and errors in the shape of its API."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from homa.gateway import errors
from homa.gateway.access.doorkeeper import Doorkeeper
from homa.gateway.access.principal import Principal
from homa.gateway.answers import JsonAnswer
from homa.gateway.departure import ClientGone
from homa.gateway.dialect import OPENAI, Dialect
from homa.gateway.errors import ApiError
from homa.gateway.live_jobs import LiveJobs
from homa.gateway.request_body import MOST_BYTES, json_object
from homa_shared.model.errors import HomaError
from homa_shared.model.ids import unique_id

_log = logging.getLogger("homa.gateway")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one client may take."""

    #: How long a request waits for its job, s.
    wait_s: float = 900.0
    #: Most requests that are being answered at once.
    requests: int = 20_000
    body_bytes: int = MOST_BYTES


@dataclass(slots=True)
class Services:
    """What all requests share."""

    jobs: LiveJobs
    doorkeeper: Doorkeeper
    limits: Limits = field(default_factory=Limits)
    #: Requests that are being answered.
    open: int = 0


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A request that was let in, with its body."""

    request: Request
    principal: Principal
    services: Services
    #: Empty where the endpoint takes none.
    body: dict[str, Any]
    request_id: str

    @property
    def jobs(self) -> LiveJobs:
        return self.services.jobs


Handler = Callable[[Inquiry], Awaitable[ASGIApp]]


class Endpoint:
    """An ASGI application that answers one route.

    Args:
        handler: answers what was let in.
        services: are shared by all.
        dialect: tells of errors.
        takes_body: whether it wants a JSON object.
        route: pattern of the path that it answers, for spans.
    """

    def __init__(
        self,
        handler: Handler,
        services: Services,
        dialect: Dialect = OPENAI,
        *,
        takes_body: bool = False,
        route: str = "",
    ) -> None:
        self._handler, self._services, self._dialect = handler, services, dialect
        self._takes_body, self._route = takes_body, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"req_{unique_id()}"
        self._services.open += 1
        try:
            with self._traced(scope):
                answer = await self._answer(Request(scope, receive, send), request_id)
                await answer(scope, receive, self._with_id(send, request_id))
        except (ClientGone, ClientDisconnect):
            return
        finally:
            self._services.open -= 1

    def _traced(self, scope: Scope) -> AbstractContextManager[None]:
        """The span of a request, a part of its sender's trace where that sends `traceparent`."""
        if (traces := self._services.jobs.traces) is None:
            return nullcontext()
        parent = next((value for name, value in scope["headers"] if name == b"traceparent"), b"").decode("latin-1")
        method = str(scope["method"])
        said = {"http.request.method": method, "http.route": self._route, "url.scheme": str(scope["scheme"])}
        return traces.serving(f"{method} {self._route}", parent, said)

    async def _answer(self, request: Request, request_id: str) -> ASGIApp:
        try:
            return await self._handler(await self._inquiry(request, request_id))
        except ApiError as error:
            return self._refusal(error, request_id)
        except HomaError as error:
            told = errors.of_error(error)
            if told.status >= 500:
                _log.warning("%s: %s", request_id, error)
            return self._refusal(told, request_id)
        except (ClientGone, ClientDisconnect):
            raise
        except Exception:
            _log.exception("%s: %s %s failed", request_id, request.method, request.url.path)
            return self._refusal(errors.internal(), request_id)

    async def _inquiry(self, request: Request, request_id: str) -> Inquiry:
        services = self._services
        if services.open > services.limits.requests:
            raise ApiError(503, "too many requests at once; try again in a moment", "server_is_overloaded", None, 1)
        principal = await services.doorkeeper.admit(request)
        body = await json_object(request, services.limits.body_bytes) if self._takes_body else {}
        return Inquiry(request, principal, services, body, request_id)

    def _refusal(self, error: ApiError, request_id: str) -> JsonAnswer:
        return JsonAnswer(self._dialect.error(error, request_id), error.status, error.all_headers())

    def _with_id(self, send: Send, request_id: str) -> Send:
        name = (self._dialect.request_id_header.encode(), request_id.encode())

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append(name)
            await send(message)

        return sending
