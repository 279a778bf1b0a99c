"""Delivering a reply over HTTP, whole or streamed, or what a fault makes of it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from aiohttp import web

from homa_workers.simulator.config import with_changes
from homa_workers.simulator.dialect import Piece
from homa_workers.simulator.engine import Engine, Exchange
from homa_workers.simulator.faults import ERRORS, Fault
from homa_workers.simulator.wire import Failure, FailureKind

_JSON = "application/json"
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"
#: What a reply without an end consists of, and the end that it has all the same, at 4 GiB.
_SPACE = b" " * 65_536
_MOST_PIECES = 65_536
_BOMB_BYTES = 320 * 1024 * 1024
_OVERLOADED = Failure(FailureKind.OVERLOADED, "Overloaded (simulated).")


@cache
def _bomb() -> bytes:
    squeeze = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    zeros = bytes(1024 * 1024)
    pieces = [squeeze.compress(zeros) for _ in range(_BOMB_BYTES // len(zeros))]
    return b"".join([*pieces, squeeze.flush()])


def json_response(status: int, body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    return raw_response(status, orjson.dumps(body), headers)


def raw_response(
    status: int, body: bytes, headers: Mapping[str, str] | None = None, content_type: str = _JSON
) -> web.Response:
    return web.Response(status=status, body=body, headers={"content-type": content_type, **(headers or {})})


def cut(request: web.BaseRequest) -> web.Response:
    """Cut the connection; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


class Delivery:
    """Delivers what the engine admitted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def deliver(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        """Wait out the latency, then answer as the exchange's fault says."""
        if exchange.fault is Fault.HANG:
            await asyncio.sleep(self._engine.config.hang_s)
            return cut(request)
        if exchange.latency_s:
            await asyncio.sleep(exchange.latency_s)
        if exchange.fault is Fault.DROP:
            return cut(request)
        if exchange.fault in ERRORS:
            return self._error(exchange, self._engine.failure_of(exchange.fault))
        if exchange.fault is Fault.ENDLESS:
            return await self._endless(request, exchange)
        if exchange.fault is Fault.BOMB:
            return raw_response(200, _bomb(), {**self._headers(exchange), "content-encoding": "gzip"})
        broken = self._malformed(exchange)
        if broken is not None:
            return broken
        return await (self._stream if exchange.reply.prompt.stream else self._whole)(request, exchange)

    def _error(self, exchange: Exchange, failure: Failure) -> web.Response:
        status, body = exchange.dialect.failure(failure, exchange.reply.request_id)
        headers = {**self._headers(exchange), **exchange.dialect.error_headers(failure)}
        return json_response(status, body, with_changes(headers, self._engine.config.failure_headers))

    def _malformed(self, exchange: Exchange) -> web.Response | None:
        headers = self._headers(exchange)
        match exchange.fault:
            case Fault.GARBAGE:
                return raw_response(200, _HTML, headers, "text/html")
            case Fault.EMPTY:
                return raw_response(200, b"{}", headers)
            case Fault.TRUNCATED_JSON:
                body = orjson.dumps(exchange.dialect.write(exchange.reply))
                return raw_response(200, body[: len(body) // 2], headers)
            case Fault.ERROR_BODY:
                return json_response(200, self._error_body(exchange), headers)
            case Fault.STREAM_ERROR | Fault.SILENT_END if not exchange.reply.prompt.stream:
                return json_response(200, self._error_body(exchange), headers)
        return None

    def _error_body(self, exchange: Exchange) -> Any:
        return exchange.dialect.failure(_OVERLOADED, exchange.reply.request_id)[1]

    async def _whole(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        body = orjson.dumps(exchange.dialect.write(exchange.reply))
        if exchange.fault is not Fault.CUT:
            return raw_response(200, body, self._headers(exchange))
        response = web.StreamResponse(headers={"content-type": _JSON, **self._headers(exchange)})
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        return await _cut_after(request, response)

    async def _endless(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        is_streamed = exchange.reply.prompt.stream
        kind = exchange.dialect.stream_type if is_streamed else _JSON
        response = web.StreamResponse(headers={"content-type": kind, **self._headers(exchange)})
        try:
            await response.prepare(request)
            for _ in range(_MOST_PIECES):
                await response.write(_SPACE)
        finally:
            self._engine.charge(exchange, exchange.reply.answer.usage)
        return response

    async def _stream(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        fault = exchange.fault
        pieces = exchange.dialect.stream(exchange.reply)
        whole = fault in (Fault.OK, Fault.SLOW)
        headers = {"content-type": exchange.dialect.stream_type, "cache-control": "no-cache", **self._headers(exchange)}
        response = web.StreamResponse(headers=headers)
        delivered = 0
        try:
            await response.prepare(request)
            for batch in self._paced(pieces if whole else pieces[: len(pieces) // 2]):
                delivered += sum(piece.tokens for piece in batch)
                if self._engine.config.token_ms:
                    await asyncio.sleep(sum(piece.tokens for piece in batch) * self._engine.config.token_ms / 1000)
                if whole and batch[-1] is pieces[-1]:
                    # Before the last word, so that who has read it finds it on the bill.
                    self._engine.charge(exchange, exchange.reply.answer.usage)
                await response.write(b"".join(piece.data for piece in batch))
        finally:
            self._engine.charge_part(exchange, delivered)
        if fault is Fault.CUT:
            return await _cut_after(request, response)
        if fault is Fault.STREAM_ERROR:
            reply = exchange.reply
            await response.write(exchange.dialect.stream_failure(_OVERLOADED, reply.request_id, reply.prompt.shape))
        await response.write_eof()
        return response

    def _paced(self, pieces: Any) -> list[list[Piece]]:
        """Pieces that are written together: all of them, unless tokens take time."""
        return [[piece] for piece in pieces] if self._engine.config.token_ms else [list(pieces)]

    def _headers(self, exchange: Exchange) -> dict[str, str]:
        dialect, request_id = exchange.dialect, exchange.reply.request_id
        levels = self._engine.levels(exchange.account, exchange.reply.prompt.model)
        headers = dialect.identity(request_id) | dialect.told(exchange.reply)
        headers = {**headers, **dialect.headers(request_id, levels, None)} if levels else headers
        return with_changes(headers, self._engine.config.reply_headers)


async def _cut_after(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """Cut the connection once what was written is on its way."""
    transport = request.transport
    if transport is not None:
        transport.close()
    return response
