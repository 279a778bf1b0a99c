"""OpenAI's Responses API, for calls that ask for it: at OpenAI, Azure OpenAI, and compatible servers that have it.

Requests and replies are translated from and to the shape of Chat Completions, so that whoever reads a reply need not
know which API wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openai import APIError, AsyncOpenAI, AsyncStream

from homa_shared.calls.reply import Call, Completion
from homa_shared.kinds.billing import Billing
from homa_workers.providers.base import Emit
from homa_workers.providers.openai.responses_errors import RESPONSES_RULES
from homa_workers.providers.openai.responses_reply import checked, completion_of
from homa_workers.providers.openai.responses_request import request_body
from homa_workers.providers.openai.responses_stream import EventAssembly
from homa_workers.providers.raw_client import RawClient
from homa_workers.providers.transport import AiohttpClient


class ResponsesApi:
    """The Responses API of one account.

    Args:
        client: the account's, already told its key, headers and transport.
        http: that transport.
        base_url: without a slash at its end.
        defaults: parameters for what a call leaves open, in OpenAI's names of either API.
        billing: of the account's kind.
    """

    def __init__(
        self, client: AsyncOpenAI, http: AiohttpClient, base_url: str, defaults: Mapping[str, Any], billing: Billing
    ) -> None:
        self._api = RawClient(client, http, AsyncStream[object], APIError, RESPONSES_RULES)
        self._base_url = base_url
        self._url = base_url + "/responses"
        self._defaults = defaults
        self._billing = billing

    async def complete(self, call: Call) -> Completion:
        """Make one call and return its whole reply."""
        sent = self._body(call)
        reply = await self._api.post(self._url, sent)
        return completion_of(checked(reply, self._billing, sent), reply.headers, self._billing, sent)

    async def stream(self, call: Call, emit: Emit) -> Completion:
        """Make one call, hand each piece to `emit` as it arrives, and return the whole reply."""
        sent = self._body(call)

        def assembly(headers: Mapping[str, str]) -> EventAssembly:
            return EventAssembly(headers, self._billing, sent)

        return (await self._api.stream(self._url, sent, emit, assembly)).completion()

    def _body(self, call: Call) -> dict[str, Any]:
        return request_body(call, self._base_url, self._defaults)
