"""Anthropic's Messages API.

As with OpenAI, requests go through the SDK's `client.post` as bytes and come back raw: fewer copies of every reply, and
none of `messages.create`'s own opinions (it refuses an output cap above about 21 000 tokens unless a timeout is set).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
from anthropic import APIError, AsyncAnthropic, AsyncStream, transform_schema

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_shared.kinds.builtin.anthropic import PROFILE
from homa_shared.model.errors import ConfigError
from homa_workers.providers.anthropic.errors import ANTHROPIC_RULES
from homa_workers.providers.anthropic.reply import chat_completion, checked, usage_of
from homa_workers.providers.anthropic.request import DEFAULT_MAX_TOKENS, refused, request_body
from homa_workers.providers.anthropic.stream import EventAssembly
from homa_workers.providers.base import Emit, ProviderConfig
from homa_workers.providers.error_rules import request_id
from homa_workers.providers.json_body import decoded, encoded, plain, quota
from homa_workers.providers.malformed import well_formed
from homa_workers.providers.sdk_errors import from_sdk
from homa_workers.providers.transport import AiohttpClient

#: Headers of the limits: requests, then tokens (the stricter of input and output).
QUOTA_HEADERS = (
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
)

#: What `/v1/messages/count_tokens` accepts.
COUNTED = frozenset({"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"})


class AnthropicProvider:
    """An account at Anthropic.

    Options: `max_tokens` (output cap of calls that set none), `headers` (such as `anthropic-beta`).
    """

    kind = PROFILE.name

    def __init__(self, config: ProviderConfig) -> None:
        if config.api_key is None and config.base_url is None:
            setting = f"HOMA_PROVIDERS__{config.name.upper()}__API_KEY"
            raise ConfigError(
                f"provider {config.name!r} has no api_key: Anthropic takes no call without. Set {setting}."
            )
        base_url = (config.base_url or str(PROFILE.connection.endpoint)).rstrip("/").removesuffix("/v1")
        self.name = config.name
        self._max_tokens = int(config.options.get("max_tokens", DEFAULT_MAX_TOKENS))
        self._messages_url = f"{base_url}/v1/messages"
        self._client = AsyncAnthropic(
            # Given explicitly, so that no profile on the machine's disk is looked up.
            api_key=config.api_key.get_secret_value() if config.api_key else "none",
            base_url=base_url,
            default_headers=dict(config.options.get("headers", {})),
            max_retries=0,
            timeout=config.read_timeout_s,
            open_telemetry=False,
            http_client=AiohttpClient(
                base_url=base_url, connections=config.connections, read_timeout_s=config.read_timeout_s
            ),
        )

    async def complete(self, call: Call) -> Completion:
        response = await self._post(self._messages_url, self._body(call))
        headers = plain(response.headers)
        with well_formed("the reply"):
            return _completion(checked(decoded(response.content), response.content, headers), headers)

    async def stream(self, call: Call, emit: Emit) -> Completion:
        content = encoded({**self._body(call), "stream": True})
        assembly = EventAssembly()
        try:
            stream = await self._client.post(
                self._messages_url, content=content, cast_to=object, stream=True, stream_cls=AsyncStream[object]
            )
            async with stream:
                headers = plain(stream.response.headers)
                async for event in stream:
                    for delta in assembly.add(event):
                        await emit(delta)
        except (APIError, httpx2.HTTPError) as error:
            raise from_sdk(error, ANTHROPIC_RULES, partial_text=assembly.text) from error
        except ValueError as error:
            raise assembly.broken(f"an event is no JSON: {error}") from error
        with well_formed("the streamed reply"):
            return _completion(assembly.message(), headers)

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        """Raises ProviderError (INVALID_REQUEST): Anthropic has no embeddings."""
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"anthropic has no embeddings, asked for {model!r}")

    async def count(self, call: Call) -> int | None:
        """Input tokens by Anthropic's free count API."""
        body = {name: value for name, value in self._body(call).items() if name in COUNTED}
        response = await self._post(f"{self._messages_url}/count_tokens", body)
        reply = decoded(response.content)
        count = reply.get("input_tokens") if isinstance(reply, dict) else None
        if not isinstance(count, int):
            raise ProviderError(ErrorKind.MALFORMED, f"expected input_tokens, got: {response.text[:200]}")
        return count

    async def aclose(self) -> None:
        await self._client.close()

    def _body(self, call: Call) -> dict[str, Any]:
        try:
            return request_body(call, max_tokens=self._max_tokens, adapt_schema=_adapted)
        except (AttributeError, KeyError, TypeError) as error:
            raise refused("messages or params", f"not in the shape of a chat completion request ({error!r})") from error

    async def _post(self, url: str, body: Mapping[str, Any]) -> httpx2.Response:
        try:
            return await self._client.post(url, content=encoded(body), cast_to=httpx2.Response)
        except (APIError, httpx2.HTTPError) as error:
            raise from_sdk(error, ANTHROPIC_RULES) from error


def _completion(message: Mapping[str, Any], headers: Mapping[str, str]) -> Completion:
    return Completion(
        body=chat_completion(message),
        usage=usage_of(message.get("usage")),
        request_id=request_id(headers),
        quota=quota(headers, QUOTA_HEADERS),
        metered=bool(message.get("usage")),
    )


def _adapted(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema in the subset that structured output accepts; what falls outside moves into descriptions."""
    try:
        return transform_schema(schema)
    except ValueError as error:
        raise refused("response_format.json_schema", str(error)) from error
