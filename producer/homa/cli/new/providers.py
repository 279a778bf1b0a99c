"""The kind of provider that `homa new provider` writes."""

SOURCE = '''\
"""A kind of provider: its profile, and the adapter that speaks its protocol.

The protocol here is `POST /generate` with model and messages, answered by text and tokens: put the real one in its
place.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Delta, Embeddings, Usage
from homa_shared.kinds.features import Feature
from homa_shared.kinds.profile import Connection, KindProfile, Quota, Variable
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_workers.providers.base import Emit, ProviderConfig

#: What of a refusal its status says; other errors may have been charged.
_KINDS = {
    400: ErrorKind.INVALID_REQUEST,
    401: ErrorKind.UNAUTHORIZED,
    403: ErrorKind.UNAUTHORIZED,
    404: ErrorKind.MODEL_NOT_FOUND,
    429: ErrorKind.RATE_LIMITED,
    503: ErrorKind.OVERLOADED,
}


class Adapter:
    """Calls one account."""

    kind = "$name"

    def __init__(self, config: ProviderConfig) -> None:
        if not config.base_url or config.api_key is None:
            raise config.missing("base_url" if not config.base_url else "api_key", "calls could not be sent")
        self.name = config.name
        self._url = config.base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {config.api_key.get_secret_value()}"}
        self._timeout = aiohttp.ClientTimeout(total=config.read_timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def complete(self, call: Call) -> Completion:
        """Make one call and return its whole reply."""
        body = {**call.params, "model": call.model, "messages": call.messages}
        try:
            async with self._client().post(f"{self._url}/generate", json=body, headers=self._headers) as response:
                if response.status != 200:
                    kind = _KINDS.get(response.status, ErrorKind.AMBIGUOUS)
                    raise ProviderError(kind, await response.text(), status=response.status)
                return self._completion(call, await response.json())
        except aiohttp.ClientConnectorError as error:
            raise ProviderError(ErrorKind.UNREACHABLE, str(error)) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            # It was sent: nobody knows whether it was charged.
            raise ProviderError(ErrorKind.AMBIGUOUS, f"{type(error).__name__}: {error}") from error

    async def stream(self, call: Call, emit: Emit) -> Completion:
        """Make one call; its text comes in one piece."""
        found = await self.complete(call)
        await emit(Delta(found.text))
        return found

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        """There are none: the profile says so, and no job gets here."""
        raise ProviderError(ErrorKind.INVALID_REQUEST, "$name has no embeddings")

    async def count(self, call: Call) -> int | None:
        """It offers no count."""
        return None

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self._session

    def _completion(self, call: Call, said: Any) -> Completion:
        """A reply in the shape of OpenAI's Chat Completions."""
        try:
            message = {"role": "assistant", "content": str(said["text"])}
            usage = Usage(int(said["input_tokens"]), int(said["output_tokens"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ProviderError(ErrorKind.MALFORMED, f"no reply: {error!r}") from error
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"object": "chat.completion", "created": int(time.time()), "model": call.model, "choices": [choice]}
        return Completion(body, usage)


PROFILE = KindProfile(
    "$name",
    adapter=Adapter,
    connection=Connection(key_needed=True, variables=(Variable(("${upper}_API_KEY",), "api_key"),)),
    quota=Quota(ReservePolicy.SEPARATE),
    features=frozenset({Feature.CHAT, Feature.STREAM}),
)
'''

TEST = '''\
"""The adapter, against a server that speaks the protocol."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion
from homa_workers.providers.base import Provider, ProviderConfig
from pydantic import SecretStr

from $module import Adapter


async def _ask(status: int, reply: object) -> tuple[Completion, Any]:
    asked: list[Any] = []

    async def generate(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.json_response(reply, status=status)

    app = web.Application()
    app.router.add_post("/generate", generate)
    async with TestServer(app) as server:
        adapter = Adapter(ProviderConfig("mine", "$name", SecretStr("key"), str(server.make_url(""))))
        assert isinstance(adapter, Provider)
        try:
            return await adapter.complete(Call("m", [{"role": "user", "content": "Hi"}], {"max_tokens": 5})), asked[0]
        finally:
            await adapter.aclose()


def test_a_reply_is_taken_over_with_its_tokens() -> None:
    found, asked = asyncio.run(_ask(200, {"text": "Hello", "input_tokens": 3, "output_tokens": 1}))
    assert (found.text, found.usage.input_tokens, found.usage.output_tokens) == ("Hello", 3, 1)
    assert asked == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, ErrorKind.RATE_LIMITED),
        (401, ErrorKind.UNAUTHORIZED),
        (500, ErrorKind.AMBIGUOUS),
        (200, ErrorKind.MALFORMED),
    ],
)
def test_what_goes_wrong_is_told_by_its_kind(status: int, kind: ErrorKind) -> None:
    with pytest.raises(ProviderError) as caught:
        asyncio.run(_ask(status, {"error": "no"}))
    assert caught.value.kind is kind
'''
