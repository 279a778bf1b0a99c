"""OpenAI's Chat Completions, and every server that speaks them: Azure OpenAI, Ollama, vLLM, routers.

Requests and replies are kept in this shape, so that there is little to translate. The request goes through the SDK's
`client.post` as bytes and comes back as the raw response: its typed path (a pydantic model built from each reply, the
request walked for transforms) costs more CPU than all the rest of a call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
from openai import APIError, AsyncOpenAI, AsyncStream

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import RESPONSES_API, Call, Completion, Embeddings
from homa_shared.kinds.profile import Connection
from homa_shared.kinds.registry import profile_of
from homa_shared.model.errors import ConfigError
from homa_workers.providers.base import Emit, ProviderConfig
from homa_workers.providers.error_rules import classify, failure_of, request_id
from homa_workers.providers.json_body import decoded, encoded, plain, quota
from homa_workers.providers.malformed import well_formed
from homa_workers.providers.openai.dialects import OPENAI, Body, Dialect, request_body
from homa_workers.providers.openai.reply import checked, embeddings_of, is_metered, usage_of
from homa_workers.providers.openai.responses import ResponsesApi
from homa_workers.providers.openai.stream import ChunkAssembly
from homa_workers.providers.sdk_errors import from_sdk
from homa_workers.providers.transport import AiohttpClient


class OpenAIProvider:
    """An account at OpenAI, or an endpoint that speaks its protocol.

    `dialect` holds what the server differs in on the wire; its address, its key and its APIs stand in its kind's
    profile. Options: `organization`, `project`, `headers`, `params` (parameters of every chat completion that sets none
    of its own, such as Ollama's `keep_alive`).
    """

    def __init__(self, config: ProviderConfig, dialect: Dialect = OPENAI) -> None:
        profile = profile_of(config.kind)
        connection = profile.connection
        base_url = config.base_url or connection.endpoint
        if base_url is None:
            raise ConfigError(_missing(config, "BASE_URL", f"a provider of kind {config.kind} has no default endpoint"))
        if config.api_key is None and connection.key_needed and config.base_url is None:
            raise ConfigError(_missing(config, "API_KEY", f"{base_url} takes no call without one"))
        key = config.api_key.get_secret_value() if config.api_key else "none"
        self._config = config
        self._dialect = dialect
        self._base_url = base_url.rstrip("/")
        self._client = AsyncOpenAI(
            api_key=key,
            base_url=self._base_url,
            organization=config.options.get("organization"),
            project=config.options.get("project"),
            default_headers={**_further_keys(connection, key), **config.options.get("headers", {})},
            max_retries=0,
            timeout=config.read_timeout_s,
            http_client=AiohttpClient(
                base_url=self._base_url, connections=config.connections, read_timeout_s=config.read_timeout_s
            ),
        )
        own_params = config.options.get("params", {})
        self._responses = ResponsesApi(self._client, self._base_url, own_params) if profile.responses_api else None

    @property
    def name(self) -> str:
        return self._config.name

    @property
    def kind(self) -> str:
        return self._config.kind

    async def complete(self, call: Call) -> Completion:
        if call.api == RESPONSES_API and self._responses is not None:
            return await self._responses.complete(call)
        response = await self._post("/chat/completions", self._body(call))
        headers = plain(response.headers)
        reply = decoded(response.content)
        with well_formed("the reply"):
            reply = self._dialect.from_wire(reply) if isinstance(reply, dict) else reply
        body = checked(reply, response.content, headers, self._dialect.rules)
        return Completion(
            body=body,
            usage=usage_of(body.get("usage")),
            request_id=request_id(headers),
            quota=quota(headers, self._dialect.quota_headers),
            metered=is_metered(body.get("usage")),
        )

    async def stream(self, call: Call, emit: Emit) -> Completion:
        if call.api == RESPONSES_API and self._responses is not None:
            return await self._responses.stream(call, emit)
        body = self._body(call) | {"stream": True, **self._dialect.stream_params}
        assembly = ChunkAssembly(self._dialect.from_wire)
        try:
            stream = await self._client.post(
                self._base_url + "/chat/completions",
                content=encoded(body),
                cast_to=object,
                stream=True,
                stream_cls=AsyncStream[object],
            )
            async with stream:
                headers = plain(stream.response.headers)
                async for chunk in stream:
                    for delta in assembly.add(chunk):
                        await emit(delta)
        except (APIError, httpx2.HTTPError) as error:
            raise from_sdk(error, self._dialect.rules, partial_text=assembly.text) from error
        except ValueError as error:
            raise assembly.broken(f"a chunk is no JSON: {error}") from error
        completion = assembly.completion(request_id(headers))
        return Completion(
            completion.body,
            completion.usage,
            completion.request_id,
            quota(headers, self._dialect.quota_headers),
            completion.metered,
        )

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        names = self._dialect.embedding_names
        own = {names.get(name, name): value for name, value in params.items()}
        body = {"model": model, "input": list(inputs), **self._dialect.embedding_params, **own}
        response = await self._post("/embeddings", body)
        headers = plain(response.headers)
        reply = decoded(response.content)
        with well_formed("the reply"):
            vectors = embeddings_of(reply, len(inputs))
        if vectors is None or not isinstance(reply, dict):
            raise self._not_a_reply(response.content, headers, f"{len(inputs)} vectors")
        return Embeddings(
            vectors=vectors,
            model=str(reply.get("model") or model),
            usage=usage_of(reply.get("usage")),
            request_id=request_id(headers),
            metered=is_metered(reply.get("usage")),
        )

    async def count(self, call: Call) -> int | None:
        """None: this protocol has no way to ask."""
        return None

    async def aclose(self) -> None:
        await self._client.close()

    def _body(self, call: Call) -> Body:
        return request_body(call, self._dialect, self._base_url, self._config.options.get("params", {}))

    async def _post(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        try:
            # An absolute address spares the SDK a merge of URLs at each call.
            return await self._client.post(self._base_url + path, content=encoded(body), cast_to=httpx2.Response)
        except (APIError, httpx2.HTTPError) as error:
            raise from_sdk(error, self._dialect.rules) from error

    def _not_a_reply(self, content: bytes, headers: Mapping[str, str], expected: str) -> ProviderError:
        error = classify(failure_of(200, content, headers), self._dialect.rules)
        if error.kind is ErrorKind.MALFORMED:
            error.message = f"expected {expected}, got: {error.message}"
        return error


def _further_keys(connection: Connection, key: str) -> dict[str, str]:
    """Headers that carry the key beside `authorization`, which the SDK sends."""
    return {name: key for name in connection.key_headers if name != "authorization"}


def _missing(config: ProviderConfig, field: str, why: str) -> str:
    return (
        f"provider {config.name!r} has no {field.lower()}: {why}. Set HOMA_PROVIDERS__{config.name.upper()}__{field}."
    )
