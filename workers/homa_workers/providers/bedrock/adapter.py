"""Bedrock: chat models through Converse, embeddings through InvokeModel.

Its OpenAI-compatible endpoint does not reach Claude, Nova or Llama.

Credentials come from AWS's own chain (environment, profile, role) unless the account's options name them.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import httpx2
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import get_session
from botocore.eventstream import ParserError
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings, Usage
from homa_shared.kinds.builtin.bedrock import PROFILE
from homa_shared.kinds.output_caps import PLAIN
from homa_workers.providers.anthropic.errors import BOUND_ELSEWHERE, WITHOUT_THINKING
from homa_workers.providers.base import Emit, ProviderConfig
from homa_workers.providers.bedrock.embeddings import embedding_bodies, tokens_told, vectors_of
from homa_workers.providers.bedrock.errors import BEDROCK_RULES, failure_of
from homa_workers.providers.bedrock.failure_kinds import kind_of
from homa_workers.providers.bedrock.plain_call import PlainConverse
from homa_workers.providers.bedrock.reply import EventAssembly, completion_body
from homa_workers.providers.bedrock.request import converse
from homa_workers.providers.bedrock.session import limited_session, read_limited, size_of
from homa_workers.providers.bedrock.usage import billed, is_metered
from homa_workers.providers.conversation import thinks_aloud, without_thinking
from homa_workers.providers.direct_exchange import DirectExchange, environment_proxy
from homa_workers.providers.error_rules import classify
from homa_workers.providers.event_stream import read_to_end
from homa_workers.providers.invalid_request import chat_shaped
from homa_workers.providers.json_body import decoded, encoded
from homa_workers.providers.malformed import is_vector, well_formed
from homa_workers.providers.reply_size import ReplyTooLarge
from homa_workers.providers.sdk_errors import from_sdk
from homa_workers.providers.second_request import Another, once_more
from homa_workers.providers.transport import CONNECT_TIMEOUT_S

#: What a call raises; each is classified.
FAILURES = (ClientError, BotoCoreError, ResponseParserError, ParserError, aiohttp.ClientError, httpx2.HTTPError)

#: Options that name credentials.
CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")

#: "You invoked an unsupported model or your request did not allow prompt caching", under 400 or 403.
_REFUSES_CACHE_POINTS = re.compile(r"did not allow prompt caching|cachePoint", re.IGNORECASE)
#: What `count_tokens` accepts of a request.
COUNTED = frozenset({"messages", "system", "toolConfig", "additionalModelRequestFields"})


class BedrockProvider:
    """An account at AWS, in one region.

    Options: `region`, `profile`, `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`, `max_tokens`
    (output cap of calls that set none).
    """

    kind = PROFILE.name

    def __init__(self, config: ProviderConfig) -> None:
        self.name = config.name
        self._config = config
        self._max_tokens = int(config.options.get("max_tokens", PLAIN))
        self._session = get_session()
        if profile := config.options.get("profile"):
            self._session.set_config_variable("profile", profile)
        self._region = config.options.get("region") or self._session.get_config_variable("region")
        if not self._region:
            raise config.missing("region", "neither its options nor AWS_DEFAULT_REGION name one")
        #: Models that have refused cache points.
        self._uncached: set[str] = set()
        self._open = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._plain: PlainConverse

    async def complete(self, call: Call) -> Completion:
        return await self._cached_or_not(call, self._complete)

    async def stream(self, call: Call, emit: Emit) -> Completion:
        return await self._cached_or_not(call, lambda call: self._stream(call, emit))

    async def _cached_or_not(self, call: Call, work: Callable[[Call], Awaitable[Completion]]) -> Completion:
        """A call, and once more without what its model refuses of it: cache points, and thinking of earlier answers
        that no longer fits the conversation."""
        # Asked before the call: others in flight may learn of it in the meantime.
        had_cache_points = call.model not in self._uncached

        def another(refusal: ProviderError) -> Another[Completion] | None:
            if BOUND_ELSEWHERE.search(refusal.message) and thinks_aloud(call):
                return WITHOUT_THINKING, lambda: work(without_thinking(call))
            if not had_cache_points or not _REFUSES_CACHE_POINTS.search(refusal.message):
                return None
            self._uncached.add(call.model)
            return "without cache points", lambda: work(call)

        return await once_more(lambda: work(call), another)

    async def _complete(self, call: Call) -> Completion:
        arguments = self._arguments(call)
        try:
            client = await self._connected()
            with well_formed("the reply"):
                reply = await self._plain.call(arguments)
                if reply is None:
                    reply = await client.converse(**arguments)
        except FAILURES as error:
            raise _classified(error) from error
        with well_formed("the reply"):
            return _completion(reply, reply["ResponseMetadata"], arguments)

    async def _stream(self, call: Call, emit: Emit) -> Completion:
        arguments = self._arguments(call)
        assembly = EventAssembly()
        try:
            client = await self._connected()
            with well_formed("the reply"):
                reply = await client.converse_stream(**arguments)
            left = self._config.reply_max_bytes
            async with _closing(reply["stream"]) as events:
                async for event in events:
                    left -= size_of(event)
                    if left < 0:
                        raise ReplyTooLarge(self._config.reply_max_bytes)
                    for delta in assembly.add(event):
                        await emit(delta)
                    if assembly.has_ended:
                        await read_to_end(events, FAILURES)
                        break
        except FAILURES as error:
            raise _classified(error, assembly.text, begun=assembly.begun) from error
        with well_formed("the streamed reply"):
            return _completion(assembly.reply(), reply["ResponseMetadata"], arguments)

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        """Vectors of Cohere's models in one call, of Amazon's in one call for each text."""
        vectors: list[list[float]] = []
        tokens = 0
        for body in embedding_bodies(model, inputs, params):
            reply, counted, request_id = await self._invoke(model, body, Usage(input_tokens=tokens))
            tokens += counted
            vectors += vectors_of(reply)
        if len(vectors) != len(inputs) or not all(map(is_vector, vectors)):
            raise ProviderError(ErrorKind.MALFORMED, f"expected {len(inputs)} vectors, got {len(vectors)}")
        usage = Usage(input_tokens=tokens)
        return Embeddings(vectors=vectors, model=model, usage=usage, request_id=request_id, metered=tokens > 0)

    async def count(self, call: Call) -> int | None:
        """Input tokens by Bedrock's count API; None for models that it does not serve."""
        arguments = self._arguments(call)
        body = {name: value for name, value in arguments.items() if name in COUNTED}
        try:
            client = await self._connected()
            with well_formed("the reply"):
                reply = await client.count_tokens(modelId=call.model, input={"converse": body})
                return int(reply["inputTokens"])
        except FAILURES as error:
            failure = _classified(error)
            if failure.kind in (ErrorKind.INVALID_REQUEST, ErrorKind.UNSUPPORTED_BY_MODEL):
                return None
            raise failure from error

    async def aclose(self) -> None:
        await self._stack.aclose()

    def _arguments(self, call: Call) -> dict[str, Any]:
        with chat_shaped():
            return converse(call, max_tokens=self._max_tokens, cache_points=call.model not in self._uncached)

    async def _connected(self) -> Any:
        async with self._open:
            if self._client is None:
                client = await self._stack.enter_async_context(self._connection())
                self._plain = PlainConverse(client, await self._credentials(), self._direct)
                self._stack.push_async_callback(self._plain.aclose)
                self._client = client
        return self._client

    async def _credentials(self) -> Any:
        """Those that the client signs with, by the same order."""
        key, secret, token = (self._config.options.get(name) for name in CREDENTIALS)
        return AioCredentials(key, secret, token) if key and secret else await self._session.get_credentials()

    def _direct(self, url: str) -> DirectExchange | None:
        if self._session.get_config_variable("ca_bundle") or "REQUESTS_CA_BUNDLE" in os.environ:
            # Authorities of botocore's own settings, which botocore knows how to read (an empty variable, too).
            return None
        return DirectExchange.to(self._config.http(url), httpx2.create_ssl_context, connect_timeout_s=CONNECT_TIMEOUT_S)

    def _connection(self) -> Any:
        options = self._config.options
        return self._session.create_client(
            "bedrock-runtime",
            region_name=self._region,
            endpoint_url=self._config.base_url,
            **{name: options[name] for name in CREDENTIALS if name in options},
            config=AioConfig(
                # One attempt in all: the pipeline decides on further ones.
                retries={"total_max_attempts": 1},
                max_pool_connections=self._config.connections,
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=self._config.read_timeout_s,
                # Read as for all other kinds; botocore's own reading knows neither ports nor networks.
                proxies=self._proxies(),
                connector_args={"keepalive_timeout": self._config.keep_alive_s or 0.001},
                http_session_cls=limited_session(self._config.reply_max_bytes),
            ),
        )

    def _proxies(self) -> dict[str, str]:
        address = self._config.base_url or PROFILE.connection.address({"region": self._region}) or ""
        proxy = environment_proxy(address)
        return {address.partition("://")[0]: proxy} if proxy else {}

    async def _invoke(self, model: str, body: Mapping[str, Any], before: Usage) -> tuple[Any, int, str | None]:
        """One InvokeModel: its body, the input tokens it was billed, the request's id.

        `before` is what earlier calls for the same job have used: it is owed whatever becomes of this one.
        """
        try:
            client = await self._connected()
            content = encoded(body)
            with well_formed("the reply"):
                reply = await client.invoke_model(modelId=model, body=content, contentType="application/json")
            async with reply["body"] as stream:
                received = decoded(await read_limited(stream, self._config.reply_max_bytes))
        except FAILURES as error:
            failure = _classified(error)
            if before.input_tokens and failure.charge == "none":
                failure.usage = before
            raise failure from error
        headers = reply["ResponseMetadata"]["HTTPHeaders"]
        # A proxy in between may have dropped the header; Amazon's models say the same in their replies.
        with well_formed("the reply"):
            tokens = int(headers.get("x-amzn-bedrock-input-token-count") or tokens_told(received) or 0)
        return received, tokens, reply["ResponseMetadata"].get("RequestId")


@asynccontextmanager
async def _closing(stream: Any) -> AsyncIterator[Any]:
    """An event stream whose connection closes with it, however it ends."""
    try:
        yield stream
    finally:
        stream.close()


def _completion(reply: Mapping[str, Any], metadata: Mapping[str, Any], asked: Mapping[str, Any]) -> Completion:
    request_id, usage = metadata.get("RequestId"), billed(reply, asked)
    return Completion(
        body=completion_body(reply, str(asked["modelId"]), request_id, usage),
        usage=usage,
        request_id=request_id,
        metered=is_metered(reply),
    )


def _classified(error: Exception, partial_text: str = "", *, begun: bool = False) -> ProviderError:
    if isinstance(error, ClientError):
        return classify(failure_of(error.response, str(error)), BEDROCK_RULES, partial_text=partial_text, begun=begun)
    if isinstance(error, httpx2.HTTPError) and not isinstance(error, ReplyTooLarge):
        return from_sdk(error, BEDROCK_RULES)
    return ProviderError(kind_of(error), str(error), code=type(error).__name__, partial_text=partial_text, begun=begun)
