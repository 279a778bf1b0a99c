"""What a call brings back: tokens used and a body in the shape of a chat completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from homa_shared.calls.shared_prefix import SharedPrefix

#: OpenAI's APIs, as a call asks for them.
CHAT_API, RESPONSES_API = "chat", "responses"
#: Field of an assistant's message: what the Responses API wrote, as it came. Other APIs do not know it.
ITEMS = "response_items"

#: Reasons of a reply that was cut: at its output cap, or where the context window ended. Some servers say the second.
CUT_REASONS = frozenset({"length", "max_tokens", "MAX_TOKENS"})
#: Reasons for which a reply ended before the model did, or may have: not every server says why one ended.
_BROKEN_OFF = CUT_REASONS | {"content_filter", None}


#: Units and how many of each, in the order of their names.
Counts = tuple[tuple[str, int], ...]
_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
#: Terms of calls that were served on different ones.
_SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Usage:
    """What one reply is billed for, in Homa's terms: parts are contained in their totals, whatever it tells."""

    #: All prompt tokens, cached ones included.
    input_tokens: int = 0
    #: All completion tokens, reasoning included.
    output_tokens: int = 0
    #: Prompt tokens read from the provider's cache (part of input_tokens).
    cached_tokens: int = 0
    #: Prompt tokens written to the provider's cache (part of input_tokens).
    cache_write_tokens: int = 0
    #: Completion tokens spent on reasoning (part of output_tokens).
    reasoning_tokens: int = 0
    #: Parts of these tokens that may have a price of their own, by genai-prices' names of it: `cache_write_1h` of
    #: cache_write_tokens, `input_audio` of input_tokens, `output_image` of output_tokens.
    parts: Counts = ()
    #: What is billed beside tokens, by genai-prices' names of units (`web_searches`), else by the provider's.
    fees: Counts = ()
    #: What it was served on, where that is not the standard price: `flex`, `priority`, `fast`, `us` (kinds/billing.py).
    terms: tuple[str, ...] = ()
    #: The model that is billed, where it is another one than was asked for.
    model: str = ""

    def counts(self) -> dict[str, int]:
        """The tokens by name, as replies and the states of steps hold them: earlier releases know no others."""
        return {name: getattr(self, name) for name in _TOKENS}

    @classmethod
    def of_counts(cls, told: Mapping[str, Any]) -> Usage:
        """Tokens that a reply or a step holds, of this release or another one."""
        given, written, cached, kept, reasoning = (int(told.get(name) or 0) for name in _TOKENS)
        return cls(given, written, cached, kept, reasoning)

    @property
    def is_sane(self) -> bool:
        """Whether these are numbers of tokens: whole ones, none below zero, none that no reply could have."""
        counts = (self.input_tokens, self.output_tokens, self.cached_tokens, self.cache_write_tokens)
        beside = (count for _, count in (*self.parts, *self.fees))
        return all(type(count) is int and 0 <= count < 2**53 for count in (*counts, self.reasoning_tokens, *beside))

    def __add__(self, other: Usage) -> Usage:
        """The tokens of two calls together."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            _sum(self.parts, other.parts),
            _sum(self.fees, other.fees),
            _joined(self, other),
            self.model or other.model,
        )

    @property
    def has_tokens(self) -> bool:
        """Whether anything was called for it at all."""
        return bool(self.input_tokens or self.output_tokens)


def _joined(one: Usage, other: Usage) -> tuple[str, ...]:
    if one.terms == other.terms or not other.has_tokens:
        return one.terms
    return (_SEVERAL,) if one.has_tokens else other.terms


def _sum(one: Counts, other: Counts) -> Counts:
    if not (one and other):
        return one or other
    sums = dict(one)
    for unit, count in other:
        sums[unit] = sums.get(unit, 0) + count
    return tuple(sorted(sums.items()))


@dataclass(frozen=True, slots=True)
class Quota:
    """What a reply's headers say of the provider's limits; None where they say nothing."""

    limit_requests: int | None = None
    remaining_requests: int | None = None
    limit_tokens: int | None = None
    remaining_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A complete reply of a provider, as an adapter returns it."""

    #: A `chat.completion` object: id, object, created, model, choices, usage.
    body: dict[str, Any]
    usage: Usage
    #: The provider's own id of the request, for its support desk.
    request_id: str | None = None
    quota: Quota | None = None
    #: False where the provider reported no usage: `usage` is then empty, and the cost unresolved, not zero.
    metered: bool = True

    @property
    def text(self) -> str:
        """The first choice's text, empty when it answered with tool calls only."""
        return message_text(self.body)

    @property
    def finish_reason(self) -> str | None:
        choices = self.body.get("choices") or [{}]
        reason = choices[0].get("finish_reason")
        return str(reason) if reason else None

    @property
    def is_cut(self) -> bool:
        """Whether one of its choices was cut: at its output cap, or where the context window ended."""
        return is_cut(self.body)

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing: neither text, nor a refusal, nor a tool call."""
        return says_nothing(self.body)

    @property
    def breaks_off(self) -> bool:
        """Whether something may be missing: a choice ended at a cap, by a filter or untold, or a text has no vector."""
        return any(choice.get("finish_reason") in _BROKEN_OFF for choice in self.body.get("choices") or ()) or any(
            "error" in item for item in self.body.get("data") or ()
        )


def message_text(body: dict[str, Any]) -> str:
    """Text of the first choice of a chat completion body."""
    choices = body.get("choices") or [{}]
    content = (choices[0].get("message") or {}).get("content")
    return content if isinstance(content, str) else ""


def is_cut(body: Mapping[str, Any]) -> bool:
    """Whether a choice of a chat completion body was cut: at its output cap, or where the context window ended."""
    return any(choice.get("finish_reason") in CUT_REASONS for choice in body.get("choices") or ())


def says_nothing(body: Mapping[str, Any]) -> bool:
    """Whether the first choice of a chat completion body has neither text, nor a refusal, nor a tool call."""
    message = ((body.get("choices") or [{}])[0].get("message")) or {}
    return not any(message.get(name) for name in ("content", "refusal", "tool_calls", "function_call", "audio"))


@dataclass(frozen=True, slots=True)
class Call:
    """One call as an adapter gets it. `params` has OpenAI's names: an adapter maps those it knows, passes others on."""

    model: str
    messages: list[dict[str, Any]]
    params: dict[str, Any] = field(default_factory=dict)
    #: What the provider's prompt cache is to keep; None: nothing is to be said of it.
    shared: SharedPrefix | None = None
    #: Which of OpenAI's APIs makes the call: `chat`, or `responses` where the provider has it (openai_apis.py).
    api: str = CHAT_API


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed reply: text, reasoning, or a part of a tool call."""

    text: str = ""
    reasoning: str = ""
    #: A piece of a tool call as OpenAI streams it: index, and id, function.name or function.arguments as they come.
    tool_call: dict[str, Any] | None = None
    #: Which of the reply's choices it belongs to.
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of their inputs."""

    vectors: list[list[float]]
    model: str
    usage: Usage
    request_id: str | None = None
    metered: bool = True
