"""The simulated providers as an HTTP server on loopback.

aiohttp's low-level `web.Server` serves it: one handler, paths found in a dict, no middleware, no access log. A
simulator shares the machine with what is being measured, so that each of its microseconds falsifies a benchmark.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from homa_shared.kinds.registry import known_kinds, profile_of
from homa_shared.model.example_models import EXAMPLES
from homa_workers.simulator.bill import Bill
from homa_workers.simulator.buckets import Clock
from homa_workers.simulator.config import SimulatorConfig, with_changes
from homa_workers.simulator.control import Control
from homa_workers.simulator.delivery import Delivery, cut, json_response, raw_response
from homa_workers.simulator.dialect import Dialect, Router
from homa_workers.simulator.dialects import all_dialects
from homa_workers.simulator.engine import Dropped, Engine
from homa_workers.simulator.stats import Stats
from homa_workers.simulator.wire import Failure, FailureKind, Operation, Prompt, Route, invalid

#: Largest body, in bytes.
_MAX_BODY_BYTES = 256 * 2**20
#: What counts as a call, however it is answered.
_CALLS = frozenset({Operation.CHAT, Operation.EMBED})
_DEFAULT_MODELS = tuple(example.model for example in EXAMPLES)


class Simulator:
    """Simulated providers, inside this event loop.

    ```python
    async with Simulator(SimulatorConfig(latency_ms=20)) as simulator:
        client = AsyncOpenAI(base_url=f"{simulator.url}/openai/v1", api_key="any", max_retries=0)
    ```

    Args:
        config: behaviour; default: answer at once, without limits or faults.
        host: address to listen on.
        port: port to listen on; 0 picks a free one.
        max_requests: stop after this many model calls have been answered.
        clock: seconds for token buckets; tests turn it by hand.
        epoch: seconds since the epoch.
    """

    def __init__(
        self,
        config: SimulatorConfig | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        max_requests: int | None = None,
        clock: Clock = time.monotonic,
        epoch: Clock = time.time,
    ) -> None:
        self.engine = Engine(config or SimulatorConfig(), clock, epoch)
        self._host = host
        self._port = port
        self._max_requests = max_requests
        self._delivery = Delivery(self.engine)
        self._control = Control(self.engine)
        dialects = all_dialects()
        self._router = Router(dialects)
        self._key_headers = {name for kind in known_kinds() for name in profile_of(kind).connection.key_headers}
        self._own_headers = [(dialect.own_header, dialect.kind) for dialect in dialects if dialect.own_header]
        self._runner: web.ServerRunner | None = None
        self._done = asyncio.Event()

    @property
    def config(self) -> SimulatorConfig:
        return self.engine.config

    @property
    def bill(self) -> Bill:
        return self.engine.bill

    @property
    def stats(self) -> Stats:
        return self.engine.stats

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    def configure(self, **changes: Any) -> None:
        """Change settings, as `POST /control` does.

        Raises:
            ConfigError: a name is unknown or a value out of range.
        """
        self.engine.configure(self.config.changed(changes))

    def script(self, *faults: str) -> None:
        """Give the next admitted requests these faults, in order of arrival; `ok` is none."""
        self.engine.faults.script(faults)

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the port is taken.
        """
        # A handler whose client went away is cancelled: it gives its concurrency slot back and stops generating.
        server = web.Server(
            self._handle,
            request_factory=_request,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=self.config.keep_alive_s,
        )
        runner = web.ServerRunner(server, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port, backlog=4096)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self._port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening; requests in flight are cut."""
        self._done.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def wait_done(self) -> None:
        """Return when `max_requests` have been answered, or after `stop`."""
        await self._done.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        preferred = next((kind for header, kind in self._own_headers if header in request.headers), "")
        found = self._router.find(request.method, request.path, preferred)
        if found is None:
            return await self._control.handle(request)
        dialect, route = found
        account = self._account(request, dialect, route)
        request_id = self.engine.request_id()
        body: dict[str, Any] = {}
        answering: Coroutine[Any, Any, web.StreamResponse]
        try:
            self._expect_key(request)
            if route.operation is Operation.MODELS:
                return self._models(dialect, route, request_id)
            body = await _body(request)
            prompt = _prompt(dialect, route, body)
            if route.operation is Operation.COUNT:
                return json_response(200, dialect.count(prompt), dialect.identity(request_id))
        except Failure as failure:
            refusal = self._refuse(dialect, account, None, request_id, failure)
            if route.operation not in _CALLS:
                return refusal
            self.engine.refuse_unread(account, route.model or str(body.get("model") or ""))
            answering = _given(refusal)
        else:
            answering = self._call(request, dialect, account, prompt, request_id)
        self.stats.arrive()
        try:
            response = await answering
            self.stats.by_status[response.status] += 1
        except (ConnectionError, asyncio.CancelledError):
            self.stats.disconnects += 1
            self._leave()
            raise
        if self._max_requests is not None:
            # Written out here: the server goes when the last one has left.
            with suppress(ConnectionError):
                await response.prepare(request)
                await response.write_eof()
        self._leave()
        return response

    def _leave(self) -> None:
        self.stats.leave()
        if self._max_requests is not None and self.stats.received >= self._max_requests and not self.stats.in_flight:
            self._done.set()

    async def _call(
        self, request: web.BaseRequest, dialect: Dialect, account: str, prompt: Prompt, request_id: str
    ) -> web.StreamResponse:
        marker = request.headers.get("x-homa-attempt", "")
        try:
            exchange = self.engine.admit(dialect, account, prompt, request_id, marker)
        except Failure as failure:
            return self._refuse(dialect, account, prompt, request_id, failure)
        except Dropped:
            return cut(request)
        try:
            return await self._delivery.deliver(request, exchange)
        finally:
            self.engine.settle(exchange)

    def _refuse(
        self, dialect: Dialect, account: str, prompt: Prompt | None, request_id: str, failure: Failure
    ) -> web.Response:
        status, body = dialect.failure(failure, request_id)
        headers = {**dialect.identity(request_id), **dialect.error_headers(failure)}
        if self.config.headers:
            levels = self.engine.levels(account, prompt.model) if prompt else {}
            headers.update(dialect.headers(request_id, levels, failure))
        if status == 200 and prompt is not None and prompt.stream:
            told = dialect.stream_failure(failure, request_id, prompt.shape)
            return raw_response(200, told, headers, dialect.stream_type)
        return json_response(status, body, with_changes(headers, self.config.failure_headers))

    def _models(self, dialect: Dialect, route: Route, request_id: str) -> web.Response:
        if route.model:
            self.engine.expect_model(route.model)
            body = dialect.model(route.model)
        else:
            body = dialect.models(self.config.models or _DEFAULT_MODELS)
        return json_response(200, body, dialect.identity(request_id))

    def _account(self, request: web.BaseRequest, dialect: Dialect, route: Route) -> str:
        if route.account:
            return route.account
        key = self._api_key(request) if self.config.account_by_key else ""
        return f"{dialect.kind}:{hashlib.sha256(key.encode()).hexdigest()[:8]}" if key else dialect.kind

    def _expect_key(self, request: web.BaseRequest) -> None:
        if self.config.api_keys and self._api_key(request) not in self.config.api_keys:
            shown = f": {self._api_key(request)}" if self.config.echoes_key else ""
            raise Failure(FailureKind.UNAUTHORIZED, f"Incorrect API key provided{shown}.")

    def _api_key(self, request: web.BaseRequest) -> str:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return bearer or next((request.headers[name] for name in self._key_headers if name in request.headers), "")


async def _given(response: web.StreamResponse) -> web.StreamResponse:
    return response


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]) -> web.BaseRequest:
    """aiohttp's own request, for bodies above its default of 1 MiB: documents and images come as base64."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY_BYTES)


def _prompt(dialect: Dialect, route: Route, body: dict[str, Any]) -> Prompt:
    try:
        return dialect.read(route, body)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # A field of another type than the dialect expects: every provider answers that with a 400.
        raise invalid(f"A field of the body is of the wrong type: {error}") from error


async def _body(request: web.BaseRequest) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise invalid(f"We could not parse the JSON body of your request: {error}") from None
    if not isinstance(body, dict):
        raise invalid(f"The body is {body!r:.60}; expected a JSON object")
    return body
