"""How servers of OpenAI's protocol differ on the wire: parameters, their names, shapes of messages, errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from homa_shared.calls.account_params import with_defaults
from homa_shared.calls.reply import Call
from homa_shared.calls.shared_prefix import with_mark
from homa_shared.kinds.families import gpt
from homa_shared.kinds.model_families import (
    openai_refuses_max_tokens,
    openai_takes_cache_breakpoints,
    openai_takes_max_tokens,
)
from homa_shared.kinds.parameter_rules import ANY, family_of
from homa_workers.providers.conversation import JSON_INSTRUCTION
from homa_workers.providers.error_rules import ErrorRule
from homa_workers.providers.openai.errors import OPENAI_RULES
from homa_workers.providers.openai.messages import is_plain, named, said, says_json
from homa_workers.providers.openai.reply import QUOTA_HEADERS, unchanged
from homa_workers.providers.openai.strict_schema import strict_form

#: Hosts of OpenAI's own and of Azure's resources.
OWN_HOST = re.compile(
    r"(?:^|\.)(?:api\.openai\.com|openai\.azure\.(?:com|us)|(?:services\.ai|cognitiveservices)\.azure\.com)$"
)
#: Hosts that take breakpoints: OpenAI's own, and those of its regions (`eu.api.openai.com`).
OPENAI_HOST = re.compile(r"(?:^|\.)api\.openai\.com$")
#: Ends what GPT-5.6 and later keep of a prompt for the next one.
BREAKPOINT = {"prompt_cache_breakpoint": {"mode": "explicit"}}


#: A request, a reply or a chunk of one.
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What sets one kind of server apart on the wire; its address, key and APIs stand in its kind's profile."""

    #: Parameters of chat completions that it refuses, and that an answer can do without.
    refused: frozenset[str] = frozenset()
    #: Sent with each streamed request, beside `stream`.
    stream_params: Mapping[str, Any] = field(default_factory=lambda: {"stream_options": {"include_usage": True}})
    #: Sent with each embeddings request unless the caller says otherwise. The SDK's default, base64, is OpenAI's alone.
    embedding_params: Mapping[str, Any] = field(default_factory=lambda: {"encoding_format": "float"})
    #: OpenAI's names of parameters of embeddings -> its own; None: it does not take them.
    embedding_names: Mapping[str, str | None] = field(default_factory=dict)
    #: Parameters of embeddings without which a job would be another one -> why it does not take them.
    embedding_lacks: Mapping[str, str] = field(default_factory=dict)
    #: Its name of the output cap; empty: by the model.
    output_cap: str = ""
    #: Whether it refuses fields of messages that OpenAI does not have, whatever the model.
    strict: bool = False
    #: Whether it takes `prompt_cache_key` wherever it runs; OpenAI's and Azure's own hosts do in any case.
    takes_cache_key: bool = False
    #: A chat completion request in its own shape. Raises ProviderError for what it cannot be asked.
    to_wire: Callable[[Body], Body] = unchanged
    #: A chat completion, or a chunk of one, in OpenAI's shape; anything else that it answers, as it is.
    from_wire: Callable[[Body], Body] = unchanged
    #: What its failures mean.
    rules: Sequence[ErrorRule] = OPENAI_RULES
    #: Headers of its limits: limit and remaining requests, limit and remaining tokens.
    quota_headers: tuple[str, str, str, str] = QUOTA_HEADERS


#: OpenAI's own, and that of servers which differ in nothing.
OPENAI = Dialect()
#: Azure's, at a resource or behind a gateway: deployments have any name, and all models there take the newer one.
AZURE = Dialect(output_cap="max_completion_tokens", strict=True)


def request_body(
    call: Call, dialect: Dialect, base_url: str, defaults: Mapping[str, Any] = MappingProxyType({})
) -> Body:
    """The body of a chat completion request: the call's own parameters, its output cap under the name the model takes.

    `defaults` are the account's own parameters, for what the call leaves open. Unknown parameters are passed on.
    `stream` is the adapter's to say.
    """
    params = with_defaults(call.params, defaults) if defaults else call.params
    body = {"model": call.model, "messages": call.messages, **params}
    for name in defaults:
        # Said by the account, and not taken by this model.
        if name in body and body[name] is None:
            del body[name]
    for name in ("stream", "stream_options", *dialect.refused):
        body.pop(name, None)
    older, newer = body.pop("max_tokens", None), body.pop("max_completion_tokens", None)
    cap = older if newer is None else newer
    if cap is not None:
        body[dialect.output_cap or _cap_name(call.model, base_url)] = cap
    share(body, call, base_url, takes_cache_key=dialect.takes_cache_key)
    if not is_plain(body["messages"]):
        body["messages"] = said(body["messages"], own_model=_is_own_model(dialect, base_url, call.model))
    if "response_format" in body or "tools" in body:
        _make_strict(body)
    if "response_format" in body and _is_own_model(dialect, base_url, call.model):
        _tell_of_json(body)
        body["response_format"] = named(body["response_format"])
    return dialect.to_wire(body)


def _make_strict(body: Body) -> None:
    """Brings schemas that are to be followed strictly into the form that this takes."""
    match body.get("response_format"):
        case {"type": "json_schema", "json_schema": dict(described), **rest}:
            body["response_format"] = {"type": "json_schema", **rest, "json_schema": strict_form(described, "schema")}
    if any(_is_strict(tool) for tool in body.get("tools") or ()):
        body["tools"] = [
            {**tool, "function": strict_form(tool["function"], "parameters")} if _is_strict(tool) else tool
            for tool in body["tools"]
        ]


def _is_strict(tool: object) -> bool:
    match tool:
        case {"function": {"strict": True}}:
            return True
    return False


def share(body: Body, call: Call, base_url: str, *, takes_cache_key: bool = False) -> None:
    """Says which requests begin alike and, where writes are charged, how far: else a model keeps the whole prompt.

    Args:
        body: of messages and parameters; both of OpenAI's APIs take what is added.
        takes_cache_key: whether a server that is neither OpenAI's nor Azure's takes `prompt_cache_key`.
    """
    if call.shared is None or not (takes_cache_key or OWN_HOST.search(_host(base_url))):
        return
    if "prompt_cache_key" not in body:
        body["prompt_cache_key"] = call.shared.digest(call.messages, call.params)
    if (
        not OPENAI_HOST.search(_host(base_url))
        or not openai_takes_cache_breakpoints(call.model)
        or "prompt_cache_options" in body
    ):
        return
    marked = with_mark(call.messages, call.shared, BREAKPOINT)
    if marked is not call.messages:
        body |= {"messages": marked, "prompt_cache_options": {"mode": "explicit"}}


def _is_own_model(dialect: Dialect, base_url: str, model: str) -> bool:
    """Whether one of OpenAI's models is asked, by whoever serves it, so that nothing but its own is taken."""
    return dialect.strict or OWN_HOST.search(_host(base_url)) is not None or family_of(gpt.CHAT, model) is not ANY


def _tell_of_json(body: Body) -> None:
    """Where an answer in JSON is asked for, one of the messages has to say so."""
    form = body.get("response_format")
    if (
        isinstance(form, Mapping)
        and form.get("type") == "json_object"
        and not says_json(message.get("content") for message in body["messages"])
    ):
        body["messages"] = [{"role": "system", "content": JSON_INSTRUCTION}, *body["messages"]]


@lru_cache(maxsize=256)
def _cap_name(model: str, base_url: str) -> str:
    """At OpenAI all but its oldest models take the newer name; elsewhere models of its own that are known to."""
    if OWN_HOST.search(_host(base_url)):
        return "max_tokens" if openai_takes_max_tokens(model) else "max_completion_tokens"
    return "max_completion_tokens" if openai_refuses_max_tokens(model) else "max_tokens"


def _host(base_url: str) -> str:
    return urlsplit(base_url).hostname or ""
