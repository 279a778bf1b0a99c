"""How servers of OpenAI's protocol differ: endpoints, keys, names of parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from homa_shared.calls.reply import ITEMS, Call
from homa_shared.calls.shared_prefix import with_mark
from homa_shared.capabilities.prompt_caching import takes_breakpoints

#: Models of OpenAI's that still take `max_tokens`; all later ones refuse it.
TAKES_MAX_TOKENS = re.compile(r"^(?:ft:)?(?:gpt-3|gpt-4|chatgpt-4o|davinci|babbage)")

#: Hosts where `max_completion_tokens` is known: OpenAI's own and Azure's.
OWN_HOST = re.compile(r"(?:^|\.)(?:api\.openai\.com|openai\.azure\.com|services\.ai\.azure\.com)$")


#: The host that takes breakpoints.
OPENAI_HOST = "api.openai.com"
#: Ends what GPT-5.6 and later keep of a prompt for the next one.
BREAKPOINT = {"prompt_cache_breakpoint": {"mode": "explicit"}}


def _bearer_only(_: str) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What sets one kind of server apart."""

    #: Its own endpoint; None where every account has its own.
    base_url: str | None
    #: Whether its own endpoint needs a key.
    key_needed: bool = True
    #: Headers that carry the key besides `authorization`.
    key_headers: Callable[[str], Mapping[str, str]] = _bearer_only
    #: Parameters of chat completions that it refuses.
    refused: frozenset[str] = frozenset()
    #: Whether it has the Responses API, too.
    responses: bool = False
    #: Sent with each embeddings request unless the caller says otherwise. The SDK's default, base64, is OpenAI's alone.
    embedding_params: Mapping[str, Any] = field(default_factory=lambda: {"encoding_format": "float"})


OPENAI = Dialect("https://api.openai.com/v1", responses=True)
AZURE = Dialect(None, key_headers=lambda key: {"api-key": key}, responses=True)
OLLAMA = Dialect("http://127.0.0.1:11434/v1", key_needed=False)
COHERE = Dialect(
    "https://api.cohere.ai/compatibility/v1",
    refused=frozenset({"logit_bias", "metadata", "n", "parallel_tool_calls", "service_tier", "store", "top_logprobs"}),
    embedding_params={"encoding_format": "float", "input_type": "search_document"},
)


def request_body(
    call: Call, dialect: Dialect, base_url: str, defaults: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """The body of a chat completion request: the call's own parameters, its output cap under the name the model takes.

    `defaults` are the account's own parameters, for what the call leaves open. Unknown parameters are passed on.
    `stream` is the adapter's to say.
    """
    body = {"model": call.model, "messages": call.messages, **defaults, **call.params}
    for name in ("stream", "stream_options", *dialect.refused):
        body.pop(name, None)
    cap = body.pop("max_tokens", None)
    cap = body.pop("max_completion_tokens", cap)
    if cap is not None:
        body[_cap_name(call.model, base_url)] = cap
    share(body, call, base_url)
    body["messages"] = _said(body["messages"])
    return body


def share(body: dict[str, Any], call: Call, base_url: str) -> None:
    """Says which requests begin alike and, where writes are charged, how far: else a model keeps the whole prompt.

    Args:
        body: of messages and parameters; both of OpenAI's APIs take what is added.
    """
    if call.shared is None or not OWN_HOST.search(_host(base_url)):
        return
    if "prompt_cache_key" not in body:
        body["prompt_cache_key"] = call.shared.digest(call.messages, call.params)
    if _host(base_url) != OPENAI_HOST or not takes_breakpoints(call.model) or "prompt_cache_options" in body:
        return
    marked = with_mark(call.messages, call.shared, BREAKPOINT)
    if marked is not call.messages:
        body |= {"messages": marked, "prompt_cache_options": {"mode": "explicit"}}


def _said(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages without what the Responses API wrote beside them, which is refused here."""
    if not any(ITEMS in message for message in messages):
        return messages
    return [{name: value for name, value in message.items() if name != ITEMS} for message in messages]


def _cap_name(model: str, base_url: str) -> str:
    own = OWN_HOST.search(_host(base_url)) is not None
    return "max_completion_tokens" if own and not TAKES_MAX_TOKENS.match(model) else "max_tokens"


def _host(base_url: str) -> str:
    return urlsplit(base_url).hostname or ""
