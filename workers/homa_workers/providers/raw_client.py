"""Bytes through the SDKs of OpenAI and Anthropic, which share their generator.

Requests are bytes, and replies come back raw: the SDKs' typed path (a pydantic model built from each reply, the request
walked for transforms) costs more CPU than all the rest of a call, and has opinions of its own. What `client.post` does
besides is the same for every call, so that it is asked for once (`recorded_calls`) and plain calls are made without it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, Self, TypeVar, overload

import httpx2

from homa_workers.providers.base import Emit
from homa_workers.providers.error_rules import ErrorRule, classify, failure_of
from homa_workers.providers.event_stream import DONE, event_data, read_to_end
from homa_workers.providers.json_body import RawReply, decoded, encoded, plain
from homa_workers.providers.recorded_calls import RecordedCalls
from homa_workers.providers.sdk_errors import from_sdk, writable
from homa_workers.providers.stream_assembly import NO_HEADERS, StreamAssembly
from homa_workers.providers.transport import AiohttpClient

Assembly = TypeVar("Assembly", bound=StreamAssembly)


class EventStream(Protocol):
    """What the SDKs' `AsyncStream[object]` share."""

    @property
    def response(self) -> httpx2.Response: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


Stream = TypeVar("Stream", bound=EventStream)


class SdkClient(Protocol[Stream]):
    """What `AsyncOpenAI` and `AsyncAnthropic` share."""

    @overload
    async def post(self, path: str, *, cast_to: type[httpx2.Response], content: bytes) -> httpx2.Response: ...

    @overload
    async def post(
        self, path: str, *, cast_to: type[object], content: bytes, stream: Literal[True], stream_cls: type[Stream]
    ) -> Stream: ...


class RawClient(Generic[Stream]):
    """One API of an account.

    Args:
        client: `AsyncOpenAI` or `AsyncAnthropic`, which know key and headers.
        http: what the client sends through.
        stream_type: the SDK's `AsyncStream[object]`.
        api_error: the SDK's `APIError`.
        rules: what the API's failures mean.
    """

    def __init__(
        self,
        client: SdkClient[Stream],
        http: AiohttpClient,
        stream_type: type[Stream],
        api_error: type[Exception],
        rules: Sequence[ErrorRule],
    ) -> None:
        self._client = client
        self._stream_type = stream_type
        self._failures = (api_error, httpx2.HTTPError)
        self._rules = rules
        self._recorded = RecordedCalls(http, self._post)

    async def post(self, url: str, body: Mapping[str, Any]) -> RawReply:
        """Make one call.

        Args:
            url: absolute, which spares the SDK a merge of URLs.
        """
        try:
            # Not held here while its reply is awaited.
            reply = await self._recorded.post(url, encoded(body))
            if reply is None:
                with writable():
                    response = await self._post(url, encoded(body))
                return RawReply(response.content, plain(response.headers))
        except self._failures as error:
            raise from_sdk(error, self._rules) from error
        if 200 <= reply.status < 300:
            return RawReply(reply.content, reply.headers)
        raise classify(failure_of(reply.status, reply.content, reply.headers), self._rules)

    async def _post(self, url: str, content: bytes) -> httpx2.Response:
        return await self._client.post(url, content=content, cast_to=httpx2.Response)

    async def stream(
        self, url: str, body: Mapping[str, Any], emit: Emit, assemble: Callable[[Mapping[str, str]], Assembly]
    ) -> Assembly:
        """Make one call and hand each piece to `emit` as it arrives.

        Args:
            assemble: makes the assembly from the reply's headers; it is returned with all events in it.
        """
        content = encoded({**body, "stream": True})
        assembly = assemble(NO_HEADERS)
        try:
            with writable():
                stream = await self._client.post(
                    url, content=content, cast_to=object, stream=True, stream_cls=self._stream_type
                )
            async with stream:
                assembly = assemble(plain(stream.response.headers))
                events = _data_of(stream.response)
                async for data in events:
                    if data == DONE:
                        assembly.said_done = True
                        continue
                    for delta in assembly.add(self._event(data, assembly)):
                        await emit(delta)
                    if assembly.has_ended:
                        await read_to_end(events)
                        break
        except self._failures as error:
            raise from_sdk(error, self._rules, partial_text=assembly.text, begun=assembly.begun) from error
        return assembly

    def _event(self, data: bytes, assembly: StreamAssembly) -> object:
        """An event as JSON. Raises ProviderError where it is not, or tells an error."""
        event = decoded(data)
        if event is None:
            raise assembly.broken(f"an event is not valid JSON: {data[:200].decode(errors='replace')}")
        if isinstance(event, dict) and event.get("error"):
            # What it brings beside the error was generated, too.
            assembly.add(event)
            # It comes under the stream's own status, which says nothing of it.
            raise assembly.failed(failure_of(None, event, assembly.headers), self._rules)
        return event


async def _data_of(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The data of a stream's events; a server that does not stream sends its whole reply, as one."""
    if response.headers.get("content-type", "").startswith("application/json"):
        yield await response.aread()
        yield DONE
        return
    async for data in event_data(response.aiter_bytes()):
        yield data
