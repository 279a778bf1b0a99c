"""What happens to every request: who sends it, what it asks, and errors in the shape of its API."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from homa.gateway import errors
from homa.gateway.access.doorkeeper import Doorkeeper
from homa.gateway.access.principal import Principal
from homa.gateway.answers import JsonAnswer, raw
from homa.gateway.batches.file_batches import FileBatches
from homa.gateway.departure import ClientGone
from homa.gateway.dialect import OPENAI, Dialect
from homa.gateway.errors import ApiError
from homa.gateway.files.kept_files import KeptFiles
from homa.gateway.live_jobs import LiveJobs
from homa.gateway.rate_headers import retry_headers
from homa.gateway.request_body import MOST_BYTES, json_object
from homa.submit.asked import AcceptedJob, Asked
from homa.submit.key_rates import within_rate
from homa_shared.model.errors import HomaError, KeyRateExceeded, StoreUnavailable
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
    files: KeptFiles
    batches: FileBatches
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
    dialect: Dialect = OPENAI
    #: Headers of the answer that are known before it.
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def jobs(self) -> LiveJobs:
        return self.services.jobs

    async def submit(self, asked: Asked) -> AcceptedJob:
        """Accepts a job within the rate and under the budget of whoever asks; raises as `AsyncHoma.submit`."""
        accepted = await self.jobs.submit(replace(asked, gateway_key=self.principal.key))
        if accepted.headroom is not None:
            self.headers.update(self.dialect.rate_headers(accepted.headroom))
        if not accepted.is_new:
            await self._settle(accepted, 0)
        return accepted

    async def count(self) -> None:
        """Counts a request for a batch or a retry against its key's rate; raises KeyRateExceeded beyond it."""
        headroom = await self.jobs.run(within_rate(self.jobs.keys, self.principal.key, lambda: 0))
        if headroom is not None:
            self.headers.update(self.dialect.rate_headers(headroom))

    async def settle(self, job: AcceptedJob, tokens: int) -> None:
        """Counts the tokens that a job took against its key's rate, in the place of those that were expected."""
        if job.is_new:  # one that was there before has been counted then
            await self._settle(job, tokens)

    async def _settle(self, job: AcceptedJob, tokens: int) -> None:
        key = self.principal.key
        if key is not None and key.tpm is not None and job.headroom is not None:
            # What was expected stands where the store is away.
            with suppress(StoreUnavailable):
                await self.jobs.settle_rate(key, job.headroom, tokens)


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
        self.handler, self._services, self.dialect = handler, services, dialect
        self.takes_body, self._route = takes_body, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"req_{unique_id()}"
        self._services.open += 1
        try:
            headers = {self.dialect.request_id_header: request_id}
            with self._traced(scope):
                answer = await self._answer(Request(scope, receive, send), request_id, headers)
                await answer(scope, receive, _with_headers(send, headers))
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

    async def _answer(self, request: Request, request_id: str, headers: dict[str, str]) -> ASGIApp:
        try:
            return await self.handler(await self._inquiry(request, request_id, headers))
        except ApiError as error:
            return self._refusal(error, request_id)
        except KeyRateExceeded as error:
            return self._refusal(self._too_fast(error), request_id)
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

    async def _inquiry(self, request: Request, request_id: str, headers: dict[str, str]) -> Inquiry:
        services = self._services
        if services.open > services.limits.requests:
            raise ApiError(503, "too many requests at once; try again in a moment", "server_is_overloaded", None, 1)
        principal = await services.doorkeeper.admit(request)
        body = await json_object(request, services.limits.body_bytes) if self.takes_body else {}
        return Inquiry(request, principal, services, body, request_id, self.dialect, headers)

    def _too_fast(self, error: KeyRateExceeded) -> ApiError:
        told = ApiError(429, str(error), "rate_limit_exceeded")
        told.headers = self.dialect.rate_headers(error.headroom) | retry_headers(error.headroom.wait_ms)
        return told

    def _refusal(self, error: ApiError, request_id: str) -> JsonAnswer:
        return JsonAnswer(self.dialect.error(error, request_id), error.status, error.all_headers())


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] += raw(headers)
        await send(message)

    return sending
