"""Anthropic's Messages API.

Calls go past the SDK's `messages.create`, which refuses an output cap above about 21 000 tokens unless a timeout is
set.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from anthropic import APIError, AsyncAnthropic, AsyncStream, transform_schema

from homa_shared.calls.failures import ErrorKind, NotSent, ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_shared.kinds.builtin.anthropic import PROFILE
from homa_shared.kinds.output_caps import PLAIN
from homa_workers.providers.anthropic.errors import ANTHROPIC_RULES, BOUND_ELSEWHERE, WITHOUT_THINKING
from homa_workers.providers.anthropic.reply import checked, completion_body
from homa_workers.providers.anthropic.request import request_body
from homa_workers.providers.anthropic.stream import EventAssembly
from homa_workers.providers.anthropic.usage import is_metered, usage_of
from homa_workers.providers.base import Emit, ProviderConfig
from homa_workers.providers.conversation import thinks_aloud, without_thinking
from homa_workers.providers.error_rules import not_a_reply, request_id
from homa_workers.providers.invalid_request import chat_shaped, refused
from homa_workers.providers.json_body import quota
from homa_workers.providers.malformed import well_formed
from homa_workers.providers.raw_client import RawClient
from homa_workers.providers.second_request import Another, once_more
from homa_workers.providers.transport import AiohttpClient

#: The API's version that requests are written for (platform.claude.com/docs/en/api/versioning): each request names one,
#: and a new release of the SDK must not change which. All models are served under this one. 2026-10-21 differs in what
#: it refuses: sampling parameters of every model, which those up to Claude 4.6 take here, documents in an assistant's
#: turn, and citations in a user's.
API_VERSION = "2023-06-01"

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
            raise config.missing("api_key", "Anthropic takes no call without one")
        base_url = (config.base_url or str(PROFILE.connection.endpoint)).rstrip("/").removesuffix("/v1")
        self.name = config.name
        self._max_tokens = int(config.options.get("max_tokens", PLAIN))
        self._messages_url = f"{base_url}/v1/messages"
        http = AiohttpClient(config.http(base_url))
        self._client = AsyncAnthropic(
            # Given explicitly, so that no profile on the machine's disk is looked up.
            api_key=config.api_key.get_secret_value() if config.api_key else "none",
            base_url=base_url,
            default_headers={"anthropic-version": API_VERSION, **config.options.get("headers", {})},
            max_retries=0,
            timeout=config.read_timeout_s,
            open_telemetry=False,
            http_client=http,
        )
        self._api = RawClient(self._client, http, AsyncStream[object], APIError, ANTHROPIC_RULES)

    async def complete(self, call: Call) -> Completion:
        return await self._with_or_without_thinking(call, self._complete)

    async def stream(self, call: Call, emit: Emit) -> Completion:
        return await self._with_or_without_thinking(call, lambda call: self._stream(call, emit))

    async def _with_or_without_thinking(self, call: Call, work: Callable[[Call], Awaitable[Completion]]) -> Completion:
        """A call, and once more without thinking of earlier answers that no longer fits the conversation."""

        def another(refusal: ProviderError) -> Another[Completion] | None:
            if not BOUND_ELSEWHERE.search(refusal.message) or not thinks_aloud(call):
                return None
            return WITHOUT_THINKING, lambda: work(without_thinking(call))

        return await once_more(lambda: work(call), another)

    async def _complete(self, call: Call) -> Completion:
        sent = self._body(call)
        reply = await self._api.post(self._messages_url, sent)
        with well_formed("the reply"):
            return _completion(checked(reply, sent), reply.headers, sent)

    async def _stream(self, call: Call, emit: Emit) -> Completion:
        sent = self._body(call)
        assembly = await self._api.stream(self._messages_url, sent, emit, EventAssembly)
        with well_formed("the streamed reply"):
            return _completion(assembly.message(), assembly.headers, sent)

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        """Raises ProviderError (INVALID_REQUEST): Anthropic has no embeddings."""
        raise NotSent(ErrorKind.INVALID_REQUEST, f"anthropic has no embeddings, asked for {model!r}")

    async def count(self, call: Call) -> int | None:
        """Input tokens by Anthropic's free count API."""
        body = {name: value for name, value in self._body(call).items() if name in COUNTED}
        reply = await self._api.post(f"{self._messages_url}/count_tokens", body)
        counted = reply.json()
        count = counted.get("input_tokens") if isinstance(counted, dict) else None
        if not isinstance(count, int):
            raise not_a_reply(reply.content, reply.headers, ANTHROPIC_RULES, "input_tokens")
        return count

    async def aclose(self) -> None:
        await self._client.close()

    def _body(self, call: Call) -> dict[str, Any]:
        with chat_shaped():
            return request_body(call, max_tokens=self._max_tokens, adapt_schema=_adapted)


def _completion(message: Mapping[str, Any], headers: Mapping[str, str], asked: Mapping[str, Any]) -> Completion:
    reported = message.get("usage")
    usage = usage_of(reported, asked)
    return Completion(
        body=completion_body(message, usage),
        usage=usage,
        request_id=request_id(headers),
        quota=quota(headers, QUOTA_HEADERS),
        metered=is_metered(reported),
    )


def _adapted(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema in the subset that structured output accepts; what falls outside moves into descriptions."""
    try:
        return transform_schema(schema)
    except ValueError as error:
        raise refused("response_format.json_schema", str(error)) from error
