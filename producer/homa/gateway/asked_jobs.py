"""Requests as jobs of the caller's tenant, with what its headers say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.client.embeddings import ask_for_embeddings
from homa.gateway.access.principal import Principal
from homa.gateway.errors import ApiError
from homa.gateway.job_headers import job_options
from homa.gateway.request_checks import flag
from homa.submit.asked import Asked, ask_for
from homa.submit.job_options import own_names
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import Lane

#: Words of the job options that are OpenAI's, too.
_SHARED = frozenset({"messages", "model", "max_tokens", "temperature", "tools", "stream", "metadata", "dimensions"})


def chat_job(
    principal: Principal, headers: Mapping[str, str], messages: Any, params: Mapping[str, Any], **options: Any
) -> Asked:
    """A chat request as a job.

    Args:
        principal: submits it.
        headers: of the request.
        messages: in OpenAI's shape.
        params: of the model, in OpenAI's names, `model` among them; unknown ones go to the provider.
        options: further options of the job.

    Raises:
        InvalidRequest: something is wrong; it is named.
        ApiError: the caller may not do this.
    """
    given = options_of(principal, headers, params)
    return ask_for({**given, "messages": _messages(messages), **options})


def embedding_job(principal: Principal, headers: Mapping[str, str], texts: Any, params: Mapping[str, Any]) -> Asked:
    """A request for embeddings as a job; as `chat_job`."""
    return ask_for_embeddings(texts, options_of(principal, headers, params))


def options_of(principal: Principal, headers: Mapping[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a job, but for what it asks the model; as `chat_job`."""
    principal.require_changes()
    for name in params:
        if name in own_names() and name not in _SHARED:
            message = f"{name} is no parameter of this API: what Homa is to do stands in x-homa-… headers"
            raise ApiError(400, message, "unknown_parameter", name)
    said = job_options(headers)
    model = params.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidRequest(f"model is {model!r:.80}: expected provider:model, or an alias")
    principal.require_model(model, *said.get("fallbacks", ()))
    of_provider = {name: value for name, value in params.items() if name != "model" and value is not None}
    return {**said, "model": model, "tenant": principal.tenant or None, "provider_options": of_provider}


def bulk_options(principal: Principal, headers: Mapping[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a line's job; the lane is bulk unless the batch says otherwise."""
    return {"lane": Lane.BULK.value, **options_of(principal, headers, params)}


def refuse_stream(body: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for a line that asks for a stream: nobody would read it."""
    if flag(body, "stream"):
        raise InvalidRequest("stream is True: expected false, or nothing, in a batch")


def _messages(messages: Any) -> Any:
    # A prompt or messages: without either, the message of that check speaks of options that HTTP does not have.
    if messages is None:
        raise InvalidRequest("messages is missing: expected a list of at least one message")
    return messages
