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
from homa_workers.providers.gemini.plain_call import plain_body
from homa_workers.providers.gemini.reply import ReplyAssembly, completion_body
from homa_workers.providers.gemini.request import config, contents
from homa_workers.providers.gemini.usage import TIER_HEADER, billed, is_metered
from homa_workers.providers.http1.reply_parser import Reply
from homa_workers.providers.invalid_request import chat_shaped, refused, unsupported
from homa_workers.providers.json_body import decoded, encoded
from homa_workers.providers.malformed import SHAPE_ERRORS, well_formed
from homa_workers.providers.recorded_calls import RecordedCalls
from homa_workers.providers.sdk_errors import from_sdk, unwritable, writable
from homa_workers.providers.transport import AiohttpClient

#: What keeps the SDK from making calls of its own.
ONE_CALL: dict[str, Any] = {"automatic_function_calling": {"disable": True}, "automatic_continuation": False}

#: Versions of the two APIs. A new release of the SDK must not change which, and neither must the environment. Names
#: such as `gemini-flash-latest` and previews are known to v1beta only, which serves all that v1 does.
API_VERSION = "v1beta"
VERTEX_API_VERSION = "v1beta1"
#: Asks Vertex AI for a service tier; the Gemini API has a field for it.
VERTEX_TIER_HEADER = "X-Vertex-AI-LLM-Shared-Request-Type"


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
        self._vertex = project is not None
        self._http = AiohttpClient(account.http(account.base_url or str(PROFILE.connection.endpoint)))
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

        # At Vertex AI the key is a token that turns; the SDK asks for it anew.
        self._recorded = None if project else RecordedCalls(self._http, self._sampled)

    async def complete(self, call: Call) -> Completion:
        completion = await self._plainly(call)
        return await self._by_sdk(call) if completion is None else completion

    async def _plainly(self, call: Call) -> Completion | None:
        """A call of texts alone; None where the SDK has to make it."""
        if self._recorded is None:
            return None
        with chat_shaped():
            try:
                body = plain_body(call)
            except ValidationError as error:
                raise _misfit(error) from error
        if body is None:
            return None
        try:
            reply = await self._recorded.post(call.model, encoded(body))
        except httpx2.HTTPError as error:
            raise _classified(error) from error
        if reply is None:
            return None
        if reply.status != 200:
            raise _refused(reply)
        return _completed(reply.content, call, reply.headers)

    async def _sampled(self, model: str, text: bytes) -> object:
        """What is recorded of the calls of a model."""
        return await self._client.aio.models.generate_content(model=model, contents=text.decode())

    async def _by_sdk(self, call: Call) -> Completion:
        request = _request(call, vertex=self._vertex, should_return_http_response=True)
        try:
            with well_formed("the reply"), writable():
                reply = await self._client.aio.models.generate_content(**request)
        except (errors.APIError, httpx2.HTTPError) as error:
            raise _classified(error) from error
        response = reply.sdk_http_response
        content = response.body if response else None
        return _completed((content or "").encode(), call, response.headers if response else None)

    async def stream(self, call: Call, emit: Emit) -> Completion:
        request = _request(call, vertex=self._vertex)
        assembly = ReplyAssembly()
        try:
            chunks = await self._client.aio.models.generate_content_stream(**request)
            async with aclosing(_read(chunks, assembly)) as pieces:
                async for delta in pieces:
                    await emit(delta)
        except (errors.APIError, httpx2.HTTPError) as error:
            raise _classified(error, assembly.text, begun=assembly.begun) from error
        except ValueError as error:
            raise assembly.broken(f"not an event stream: {error}") from error
        with well_formed("the streamed reply"):
            return _completion(assembly.reply(), call, assembly.headers)

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        """Vectors; where the reply reports no tokens, the cost stays unresolved."""
        settings = {{"dimensions": "output_dimensionality"}.get(name, name): value for name, value in params.items()}
        settings = {name: value for name, value in settings.items() if name not in ("encoding_format", "user")}
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
        asked = _contents(conversation, call.model)
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


def _request(call: Call, *, vertex: bool, **settings: Any) -> dict[str, Any]:
    """Arguments of a generate call, checked against the SDK's types before anything is sent."""
    with chat_shaped():
        try:
            given = {**config(call), **ONE_CALL, **settings}
            if vertex and (tier := given.pop("service_tier", None)):
                given["http_options"] = {"headers": {VERTEX_TIER_HEADER: tier}}
            checked = types.GenerateContentConfig(**given)
            return {"model": call.model, "contents": _contents(call.messages, call.model), "config": checked}
        except ValidationError as error:
            raise _misfit(error) from error


def _misfit(error: ValidationError) -> ProviderError:
    """The first complaint of the SDK's types, without the value: it may be a whole prompt."""
    first = error.errors()[0]
    place = f"{error.title}.{'.'.join(map(str, first['loc']))}"
    # A parameter that is unknown here may be another target's own.
    return (unsupported if first["type"] == "extra_forbidden" else refused)(place, first["msg"])


def _contents(messages: list[dict[str, Any]], model: str) -> Any:
    return [types.Content.model_validate(turn) for turn in contents(messages, model)]


def _completed(content: bytes, call: Call, headers: Mapping[str, str] | None) -> Completion:
    body = decoded(content)
    if not isinstance(body, dict):
        text = content[:200].decode(errors="replace")
        raise ProviderError(ErrorKind.MALFORMED, f"expected a reply in JSON, got: {text}")
    with well_formed("the reply"):
        return _completion(body, call, headers)


def _completion(body: Mapping[str, Any], call: Call, headers: Mapping[str, str] | None) -> Completion:
    tier = next((value for name, value in (headers or {}).items() if name.lower() == TIER_HEADER), None)
    asked = PROFILE.service_tier(call.params.get("service_tier") or "")
    usage = billed(body, tier, asked, call.model)
    return Completion(
        body=completion_body(body, call.model, usage),
        usage=usage,
        request_id=body.get("responseId"),
        metered=is_metered(body),
    )


def _classified(
    error: errors.APIError | httpx2.HTTPError, partial_text: str = "", *, begun: bool = False
) -> ProviderError:
    if isinstance(error, httpx2.HTTPError):
        return from_sdk(error, GEMINI_RULES, partial_text=partial_text, begun=begun)
    headers = error.response.headers if isinstance(error.response, httpx2.Response) else {}
    return classify(
        failure_of(error.code, error.details, headers), GEMINI_RULES, partial_text=partial_text, begun=begun
    )


def _refused(reply: Reply) -> ProviderError:
    """A failure as the SDK reads it: of a list of one the first, of what is no JSON its text."""
    details: object = decoded(reply.content)
    if isinstance(details, list) and len(details) == 1:
        details = details[0]
    if details is None:
        text = reply.content.decode(errors="replace")
        details = {"message": text, "status": httpx2.codes.get_reason_phrase(reply.status)}
    return classify(failure_of(reply.status, details, reply.headers), GEMINI_RULES)
