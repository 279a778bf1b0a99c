"""OpenAI's Chat Completions, and every server that speaks them: Azure OpenAI, Ollama, vLLM, routers.

Requests and replies are kept in this shape, so that there is little to translate.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from openai import APIError, AsyncOpenAI, AsyncStream

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import RESPONSES_API, Call, Completion, Embeddings
from homa_shared.kinds.output_caps import CHAT_CAP_NAMES
from homa_shared.kinds.profile import Connection
from homa_shared.kinds.registry import profile_of
from homa_shared.model.errors import ConfigError
from homa_workers.providers.base import Emit, ProviderConfig
from homa_workers.providers.error_rules import not_a_reply, request_id
from homa_workers.providers.invalid_request import chat_shaped, unsupported
from homa_workers.providers.malformed import well_formed
from homa_workers.providers.openai.cut_reply import cut_unsaid
from homa_workers.providers.openai.dialects import AZURE, OPENAI, Body, Dialect, request_body
from homa_workers.providers.openai.ollama import OLLAMA
from homa_workers.providers.openai.refused_schemas import RefusedSchemas
from homa_workers.providers.openai.reply import checked, completion_of, embeddings_of
from homa_workers.providers.openai.responses import ResponsesApi
from homa_workers.providers.openai.stream import ChunkAssembly
from homa_workers.providers.openai.usage import billed, is_metered, usage_of
from homa_workers.providers.raw_client import RawClient
from homa_workers.providers.transport import AiohttpClient


class OpenAIProvider:
    """An account at OpenAI, or an endpoint that speaks its protocol.

    `dialect` holds what the server differs in on the wire; its address, its key and its APIs stand in its kind's
    profile. Options: `organization`, `project`, `headers`, `params` (parameters of every chat completion that sets none
    of its own, such as Ollama's `keep_alive`), `output_cap` (the server's name of the output cap).
    """

    def __init__(self, config: ProviderConfig, dialect: Dialect = OPENAI) -> None:
        profile = profile_of(config.kind)
        connection = profile.connection
        base_url = config.base_url or connection.endpoint
        if base_url is None:
            raise config.missing("base_url", f"a provider of kind {config.kind} has no default endpoint")
        if config.api_key is None and connection.key_needed and config.base_url is None:
            raise config.missing("api_key", f"{base_url} takes no call without one")
        key = config.api_key.get_secret_value() if config.api_key else "none"
        self._config = config
        self._dialect = _with_own_cap(config, dialect)
        self._billing = profile.billing
        self._base_url = base_url.rstrip("/")
        http = AiohttpClient(config.http(self._base_url))
        self._client = AsyncOpenAI(
            api_key=key,
            base_url=self._base_url,
            organization=config.options.get("organization"),
            project=config.options.get("project"),
            default_headers={**_further_keys(connection, key), **config.options.get("headers", {})},
            max_retries=0,
            timeout=config.read_timeout_s,
            http_client=http,
        )
        self._schemas = RefusedSchemas()
        self._api = RawClient(self._client, http, AsyncStream[object], APIError, dialect.rules)
        self._chat_url = self._base_url + "/chat/completions"
        #: What each call gets that leaves it open.
        self.own_params: Mapping[str, Any] = config.options.get("params", {})
        self._responses = (
            ResponsesApi(self._client, http, self._base_url, self.own_params, self._billing)
            if profile.responses_api
            else None
        )

    @property
    def name(self) -> str:
        return self._config.name

    @property
    def kind(self) -> str:
        return self._config.kind

    def complete(self, call: Call) -> Coroutine[Any, Any, Completion]:
        return self._schemas.strictly_or_not(call, self._complete)

    def stream(self, call: Call, emit: Emit) -> Coroutine[Any, Any, Completion]:
        return self._schemas.strictly_or_not(call, lambda call: self._stream(call, emit))

    async def _complete(self, call: Call) -> Completion:
        if call.api == RESPONSES_API and self._responses is not None:
            return await self._responses.complete(call)
        sent = self._body(call)
        try:
            reply = await self._api.post(self._chat_url, sent)
        except ProviderError as error:
            return cut_unsaid(call, error)
        body = checked(reply, self._dialect.rules, self._dialect.from_wire, self._billing, sent)
        return completion_of(body, reply.headers, self._dialect.quota_headers, self._billing, sent)

    async def _stream(self, call: Call, emit: Emit) -> Completion:
        if call.api == RESPONSES_API and self._responses is not None:
            return await self._responses.stream(call, emit)
        body = self._body(call) | {"stream": True, **self._dialect.stream_params}
        dialect = self._dialect

        def assembly(headers: Mapping[str, str]) -> ChunkAssembly:
            return ChunkAssembly(
                headers, dialect.from_wire, dialect.quota_headers, dialect.rules, self._billing, asked=body
            )

        try:
            return (await self._api.stream(self._chat_url, body, emit, assembly)).completion()
        except ProviderError as error:
            return cut_unsaid(call, error)

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        for name in self._dialect.embedding_lacks.keys() & params.keys():
            raise unsupported(name, self._dialect.embedding_lacks[name])
        names = self._dialect.embedding_names
        own = {own: value for name, value in params.items() if (own := names.get(name, name)) is not None}
        body = {"model": model, "input": list(inputs), **self._dialect.embedding_params, **own}
        reply = await self._api.post(self._base_url + "/embeddings", body)
        found = reply.json()
        with well_formed("the reply"):
            vectors = embeddings_of(found, len(inputs))
        if vectors is None or not isinstance(found, dict):
            raise not_a_reply(reply.content, reply.headers, self._dialect.rules, f"{len(inputs)} vectors")
        return Embeddings(
            vectors=vectors,
            model=str(found.get("model") or model),
            usage=billed(found, usage_of(found.get("usage")), self._billing),
            request_id=request_id(reply.headers),
            metered=is_metered(found.get("usage")),
        )

    async def count(self, call: Call) -> int | None:
        """None: this protocol has no way to ask."""
        return None

    async def aclose(self) -> None:
        await self._client.close()

    def _body(self, call: Call) -> Body:
        with chat_shaped():
            return request_body(call, self._dialect, self._base_url, self.own_params)


def azure(config: ProviderConfig) -> OpenAIProvider:
    """An account at Azure OpenAI. Options: as OpenAI's."""
    return OpenAIProvider(config, AZURE)


def ollama(config: ProviderConfig) -> OpenAIProvider:
    """A server of Ollama's. Options: as OpenAI's, but for `output_cap`."""
    return OpenAIProvider(config, OLLAMA)


def _with_own_cap(config: ProviderConfig, dialect: Dialect) -> Dialect:
    """The dialect with the name of the output cap that the account's options say.

    Raises:
        ConfigError: there is no such name.
    """
    name = config.options.get("output_cap", dialect.output_cap)
    if name not in ("", *CHAT_CAP_NAMES):
        known = " or ".join(reversed(CHAT_CAP_NAMES))
        raise ConfigError(
            f"provider {config.name!r} has the option output_cap = {name!r}; expected {known}. "
            f"Mend [providers.{config.name}.options]."
        )
    return replace(dialect, output_cap=name)


def _further_keys(connection: Connection, key: str) -> dict[str, str]:
    """Headers that carry the key beside `authorization`, which the SDK sends."""
    return {name: key for name in connection.key_headers if name != "authorization"}
