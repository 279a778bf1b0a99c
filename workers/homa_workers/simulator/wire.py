"""What the simulator understands of a call, whatever the dialect that it came in.

A dialect reads a body into a `Prompt`, the engine turns it into an `Answer` or a `Failure`, and the dialect writes that
back. Tokens are counted by one rule for all of them, so that any test can compute them by hand:

* text: its UTF-8 bytes divided by four, rounded up, over all text of the request together (messages, system prompt,
  tool calls and their results, tool definitions as compact JSON); each input of an embeddings call by itself;
* an image, document or other media part: `MEDIA_TOKENS`;
* output: the text's UTF-8 bytes and those of tool names and arguments, divided by four, rounded up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

import orjson

from homa_shared.calls.reply import Usage

#: Prompt tokens of each image or other media part.
MEDIA_TOKENS = 85
#: Bytes of UTF-8 in one token.
TOKEN_BYTES = 4


def tokens_of_bytes(n_bytes: int) -> int:
    return -(-n_bytes // TOKEN_BYTES)


def byte_length(text: str) -> int:
    """Bytes of a text in UTF-8, without encoding the usual, plain ASCII one."""
    return len(text) if text.isascii() else len(text.encode())


class Operation(StrEnum):
    CHAT = "chat"
    EMBED = "embed"
    COUNT = "count"
    MODELS = "models"


class Finish(Enum):
    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    REFUSAL = "refusal"
    #: It ended, and the provider does not say why.
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class CachePoint:
    """The end of a prefix that the provider keeps for later calls."""

    digest: str
    #: Of the prefix.
    tokens: int


class FailureKind(StrEnum):
    """Why a call gets an error; each dialect has its own status and words for it."""

    INVALID = "invalid"
    UNPROCESSABLE = "unprocessable"
    UNSUPPORTED = "unsupported"
    CONTEXT = "context"
    CONTENT_FILTER = "content_filter"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    ERROR = "error"
    BAD_GATEWAY = "bad_gateway"
    OVERLOADED = "overloaded"
    GATEWAY_TIMEOUT = "gateway_timeout"


@dataclass(slots=True, eq=False)
class Failure(Exception):
    """An error that the caller gets; raised by dialects that cannot read a body."""

    kind: FailureKind
    message: str
    #: Which limit refused the call: requests, tokens, input_tokens, output_tokens, requests_per_day, concurrency.
    dimension: str = ""
    #: Seconds until the same call could be admitted; None where waiting does not help.
    retry_after_s: float | None = None
    #: The parameter that is refused, and the provider's code for that, where its errors have such fields.
    param: str | None = None
    code: str | None = None


def invalid(message: str, param: str | None = None, code: str | None = None) -> Failure:
    """The failure of a request that no provider would accept."""
    return Failure(FailureKind.INVALID, message, param=param, code=code)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: operation and account, and the model where the path names it."""

    operation: Operation
    #: The path's prefix; empty: the dialect's own name.
    account: str = ""
    model: str = ""
    stream: bool = False
    shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    name: str
    #: Arguments as compact JSON.
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a call is served on, and what the provider does beside writing: each has a price of its own."""

    #: The service tier in the provider's words; empty for the standard one.
    tier: str = ""
    #: Anthropic's speed.
    fast: bool = False
    #: A place that costs a tenth more: Anthropic's, where the request says so, or a server of OpenAI's.
    us: bool = False
    #: Whether what is written to the cache is kept there for an hour.
    keeps_long: bool = False
    #: Searches of the web.
    searches: int = 0


STANDARD = Service()
_USUAL_TIERS = frozenset({"", "auto", "default", "standard", "standard_only", "unspecified"})


def tier_asked(name: Any) -> str:
    """A tier that a request names; empty for the standard one."""
    return "" if name is None or name in _USUAL_TIERS else str(name)


def on_tier(name: Any) -> Service:
    """What a request asks for that names nothing but a tier."""
    tier = tier_asked(name)
    return Service(tier=tier) if tier else STANDARD


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One call, read."""

    operation: Operation
    model: str
    #: All text of the request, joined: replies are a function of it and the model.
    text: str
    #: The last user message: markers are looked for here only.
    last_user: str = ""
    #: Whether the last message brings a tool's result; such a call is answered in words.
    after_tool: bool = False
    prompt_tokens: int = 0
    max_tokens: int | None = None
    stream: bool = False
    #: Whether a stream ends with a chunk of usage (OpenAI's include_usage).
    include_usage: bool = False
    choices: int = 1
    #: Tools by name, each with the JSON schema of its arguments.
    tools: Mapping[str, Any] = field(default_factory=dict)
    #: The tool that the caller insists on; "*" for any.
    forced_tool: str = ""
    #: The JSON schema that the reply has to fit.
    schema: Any = None
    #: Inputs of an embeddings call.
    inputs: tuple[str, ...] = ()
    dimensions: int | None = None
    base64: bool = False
    #: Which of several shapes of one operation the reply has, where a dialect has several.
    shape: str = ""
    #: Whether reasoning comes back encrypted, to be given back with the next request.
    encrypts_reasoning: bool = False
    #: Prefixes that the request marks to be kept.
    cache_points: tuple[CachePoint, ...] = ()
    #: What the caller wrote onto the request (metadata, user), for the bill.
    marker: str = ""
    #: What it asks to be served on.
    service: Service = STANDARD


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete reply, before a dialect writes it."""

    text: str
    finish: Finish
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
    service: Service = STANDARD


def compact_json(value: Any) -> str:
    return orjson.dumps(value).decode()
