"""Gemini, by Google's own SDK and protocol (its OpenAI-compatible endpoint counts no tokens and omits reasoning).

The SDK would send a request again after a dropped connection, call functions by itself and follow continuation tokens;
each would be a paid call that nobody accounted for, so all three are off.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types
from pydantic import ValidationError

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Delta, Embeddings, Usage
from homa_shared.kinds.builtin.gemini import PROFILE
from homa_workers.providers.base import Emit, ProviderConfig
from homa_workers.providers.error_rules import classify
from homa_workers.providers.gemini.errors import GEMINI_RULES, failure_of
from homa_workers.providers.gemini.reply import ReplyAssembly, completion_body, usage_of
from homa_workers.providers.gemini.request import config, contents
from homa_workers.providers.invalid_request import chat_shaped, refused
from homa_workers.providers.json_body import decoded
from homa_workers.providers.malformed import SHAPE_ERRORS, well_formed
from homa_workers.providers.sdk_errors import from_sdk, unwritable, writable
from homa_workers.providers.transport import AiohttpClient

#: What keeps the SDK from making calls of its own.
ONE_CALL: dict[str, Any] = {"automatic_function_calling": {"disable": True}, "automatic_continuation": False}

#: Versions of the two APIs. A new release of the SDK must not change which, and neither must the environment. Names
#: such as `gemini-flash-latest` and previews are known to v1beta only, which serves all that v1 does.
API_VERSION = "v1beta"
VERTEX_API_VERSION = "v1beta1"


class GeminiProvider:
    """An account at Google's Gemini API; with the options `project` and `location`, at Vertex AI.

    Further options: `headers`, and `api_version` for a server in between that knows only another one than `v1beta`.
    """

    kind = PROFILE.name

    def __init__(self, account: ProviderConfig) -> None:
        project = account.options.get("project")
        if account.api_key is None and account.base_url is None and project is None:
            raise account.missing("api_key", "Gemini takes no call without one")
        self.name = account.name
        self._http = AiohttpClient(
            base_url=account.base_url or str(PROFILE.connection.endpoint),
            connections=account.connections,
            read_timeout_s=account.read_timeout_s,
            keep_alive_s=account.keep_alive_s,
            most_bytes=account.reply_max_bytes,
        )
        # Never called: the SDK would make one by the environment's proxies, and fail for those that it cannot speak to.
        self._sync_http = httpx2.Client(trust_env=False)
        options = types.HttpOptions(
            base_url=account.base_url,
            api_version=account.options.get("api_version", VERTEX_API_VERSION if project else API_VERSION),
            headers=dict(account.options.get("headers", {})),
            httpx_client=self._sync_http,
            httpx_async_client=self._http,
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        key = account.api_key.get_secret_value() if account.api_key else "none"
        self._client = (
            genai.Client(vertexai=True, project=project, location=account.options.get("location"), http_options=options)
            if project
            else genai.Client(vertexai=False, api_key=key, http_options=options)
        )

    async def complete(self, call: Call) -> Completion:
        request = _request(call, should_return_http_response=True)
        try:
            with well_formed("the reply"), writable():
                reply = await self._client.aio.models.generate_content(**request)
        except (errors.APIError, httpx2.HTTPError) as error:
            raise _classified(error) from error
        content = reply.sdk_http_response.body if reply.sdk_http_response else None
        body = decoded((content or "").encode())
        if not isinstance(body, dict):
            raise ProviderError(ErrorKind.MALFORMED, f"expected a reply in JSON, got: {(content or '')[:200]}")
        with well_formed("the reply"):
            return _completion(body, call.model)

    async def stream(self, call: Call, emit: Emit) -> Completion:
        request = _request(call)
        assembly = ReplyAssembly()
        try:
            chunks = await self._client.aio.models.generate_content_stream(**request)
            async with aclosing(_read(chunks, assembly)) as pieces:
                async for delta in pieces:
                    await emit(delta)
        except (errors.APIError, httpx2.HTTPError) as error:
            raise _classified(error, assembly.text) from error
        except ValueError as error:
            raise assembly.broken(f"not an event stream: {error}") from error
        with well_formed("the streamed reply"):
            return _completion(assembly.reply(), call.model)

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        """Vectors; where the reply reports no tokens, the cost stays unresolved."""
        settings = {{"dimensions": "output_dimensionality"}.get(name, name): value for name, value in params.items()}
        settings.pop("encoding_format", None)
        try:
            checked = types.EmbedContentConfig(**settings)
        except ValidationError as error:
            raise _misfit(error) from error
        # The SDK would join plain strings to one content, and so to one vector, for models that embed media, too.
        texts = [types.Content(parts=[types.Part(text=text)]) for text in inputs]
        try:
            with well_formed("the reply"), writable():
                reply = await self._client.aio.models.embed_content(model=model, contents=texts, config=checked)
        except (errors.APIError, httpx2.HTTPError) as error:
            raise _classified(error) from error
        vectors = [list(embedding.values or ()) for embedding in reply.embeddings or ()]
        if len(vectors) != len(inputs) or not all(vectors):
            raise ProviderError(ErrorKind.MALFORMED, f"expected {len(inputs)} vectors, got {len(vectors)}")
        tokens = (reply.usage_metadata.prompt_token_count if reply.usage_metadata else None) or 0
        return Embeddings(vectors=vectors, model=model, usage=Usage(input_tokens=tokens), metered=tokens > 0)

    async def count(self, call: Call) -> int | None:
        """Input tokens by Gemini's free count API (of the conversation; it takes no system message beside it)."""
        conversation = [
            {**message, "role": "user"} if message.get("role") in {"system", "developer"} else message
            for message in call.messages
        ]
        asked = _contents(conversation)
        try:
            with well_formed("the reply"), writable():
                reply = await self._client.aio.models.count_tokens(model=call.model, contents=asked)
        except (errors.APIError, httpx2.HTTPError) as error:
            raise _classified(error) from error
        return reply.total_tokens

    async def aclose(self) -> None:
        await self._client.aio.aclose()
        self._client.close()
        self._sync_http.close()
        await self._http.aclose()


async def _read(chunks: Any, assembly: ReplyAssembly) -> AsyncGenerator[Delta, None]:
    """The pieces of a stream; its connection closes with it, however it ends."""
    async with aclosing(chunks):
        begun = False
        try:
            async for chunk in chunks:
                begun = True
                for delta in assembly.add(chunk.model_dump(mode="json", by_alias=True, exclude_none=True)):
                    yield delta
        except SHAPE_ERRORS as error:
            # The request is made as the first piece is asked for.
            if isinstance(error, UnicodeEncodeError) and not begun:
                raise unwritable(error) from error
            raise assembly.broken(f"an event is malformed or not valid JSON: {error!r:.200}") from error


def _request(call: Call, **settings: Any) -> dict[str, Any]:
    """Arguments of a generate call, checked against the SDK's types before anything is sent."""
    with chat_shaped():
        try:
            checked = types.GenerateContentConfig(**{**config(call), **ONE_CALL, **settings})
            return {"model": call.model, "contents": _contents(call.messages), "config": checked}
        except ValidationError as error:
            raise _misfit(error) from error


def _misfit(error: ValidationError) -> ProviderError:
    """The first complaint of the SDK's types, without the value: it may be a whole prompt."""
    first = error.errors()[0]
    return refused(f"{error.title}.{'.'.join(map(str, first['loc']))}", first["msg"])


def _contents(messages: list[dict[str, Any]]) -> Any:
    return [types.Content.model_validate(turn) for turn in contents(messages)]


def _completion(body: Mapping[str, Any], model: str) -> Completion:
    return Completion(
        body=completion_body(body, model),
        usage=usage_of(body.get("usageMetadata")),
        request_id=body.get("responseId"),
        metered=bool(body.get("usageMetadata")),
    )


def _classified(error: errors.APIError | httpx2.HTTPError, partial_text: str = "") -> ProviderError:
    if isinstance(error, httpx2.HTTPError):
        return from_sdk(error, GEMINI_RULES, partial_text=partial_text)
    headers = error.response.headers if isinstance(error.response, httpx2.Response) else {}
    return classify(failure_of(error.code, error.details, headers), GEMINI_RULES, partial_text=partial_text)
