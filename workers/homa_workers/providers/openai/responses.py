"""OpenAI's Responses API, for calls that ask for it: at OpenAI, Azure OpenAI, and compatible servers that have it.

Requests and replies are translated from and to the shape of Chat Completions, so that whoever reads a reply need not
know which API wrote it. As there, bytes go through the SDK's `client.post` and come back as the raw response.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from openai import APIError, AsyncOpenAI, AsyncStream

from homa_shared.calls.reply import Call, Completion
from homa_workers.providers.base import Emit
from homa_workers.providers.json_body import decoded, encoded, plain
from homa_workers.providers.openai.responses_errors import RESPONSES_RULES
from homa_workers.providers.openai.responses_reply import checked, completion_of
from homa_workers.providers.openai.responses_request import request_body
from homa_workers.providers.openai.responses_stream import EventAssembly
from homa_workers.providers.sdk_errors import from_sdk


class ResponsesApi:
    """The Responses API of one account.

    Args:
        client: the account's, already told its key, headers and transport.
        base_url: without a slash at its end.
        defaults: parameters for what a call leaves open, in OpenAI's names of either API.
    """

    def __init__(self, client: AsyncOpenAI, base_url: str, defaults: Mapping[str, Any]) -> None:
        self._client = client
        self._base_url = base_url
        self._url = base_url + "/responses"
        self._defaults = defaults

    async def complete(self, call: Call) -> Completion:
        """Make one call and return its whole reply."""
        content = encoded(request_body(call, self._base_url, self._defaults))
        try:
            response = await self._client.post(self._url, content=content, cast_to=httpx2.Response)
        except (APIError, httpx2.HTTPError) as error:
            raise from_sdk(error, RESPONSES_RULES) from error
        headers = plain(response.headers)
        return completion_of(checked(decoded(response.content), response.content, headers), headers)

    async def stream(self, call: Call, emit: Emit) -> Completion:
        """Make one call, hand each piece to `emit` as it arrives, and return the whole reply."""
        content = encoded(request_body(call, self._base_url, self._defaults) | {"stream": True})
        assembly = EventAssembly({})
        try:
            stream = await self._client.post(
                self._url, content=content, cast_to=object, stream=True, stream_cls=AsyncStream[object]
            )
            async with stream:
                assembly = EventAssembly(plain(stream.response.headers))
                async for event in stream:
                    for delta in assembly.add(event):
                        await emit(delta)
        except (APIError, httpx2.HTTPError) as error:
            raise from_sdk(error, RESPONSES_RULES, partial_text=assembly.text) from error
        except ValueError as error:
            raise assembly.broken(f"an event is no JSON: {error}") from error
        return assembly.completion()
