"""What a provider reads for one call, part by part: what the bound of its cost counts.

Text counts by the UTF-8 bytes of its JSON, since a token has at least one byte: the messages, with references in the
place of media, and every parameter that is not known to cost nothing (`parameter_costs`). What is not text counts by
the most tokens that a provider makes of it: media, and a conversation that the provider keeps. The price book adds the
tokens of the provider's own (`OVERHEAD_TOKENS`) and the output up to its cap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from homa_shared.calls.request import to_json
from homa_shared.quota.parameter_costs import FREE, OUTPUT_CAPS, REPLIES
from homa_shared.quota.prompt import Prompt, ShownMedium

#: Most tokens that any provider counts for one image (gpt-4o-mini in high detail; others stay below 5 000).
MAX_TOKENS_PER_IMAGE = 40_000
#: Largest context window of any model, tokens: what a document may come to where the model's own is not known.
MAX_WINDOW_TOKENS = 2_000_000
#: Most tokens that a provider adds to each text that it embeds: marks of its beginning and end, and its task.
TOKENS_PER_TEXT = 32
#: Parameters that a provider reads like a part of the prompt: an estimate counts these.
READ_PARAMETERS = ("tools", "functions", "response_format", "instructions", "text")


_NOT_READ = FREE | {*OUTPUT_CAPS, *REPLIES, "service_tier"}


class Part(NamedTuple):
    """One part of what a provider reads."""

    #: "messages", the name of a parameter, "media", "conversation" or "inputs".
    what: str
    #: UTF-8 bytes of its text.
    text_bytes: int
    #: Most input tokens that a provider counts for it beside its text.
    other_tokens: int = 0


def call_parts(
    prompt: Prompt, parameters: Sequence[Part], window_tokens: int, *, adds_conversation: bool
) -> Iterator[Part]:
    """All parts of one completion.

    Args:
        parameters: those of `parameter_parts`.
        window_tokens: context window of the model: no more than that fits in.
        adds_conversation: whether the provider adds a conversation that it keeps.
    """
    yield Part("messages", prompt.json_bytes)
    yield from parameters
    if prompt.media:
        yield Part("media", 0, _most_media_tokens(prompt.media, window_tokens))
    if adds_conversation:
        yield Part("conversation", 0, window_tokens)


def text_parts(texts: Sequence[str], parameters: Sequence[Part] = ()) -> list[Part]:
    """All parts of a call that embeds texts, each of which a parameter may be put before."""
    own = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return [
        Part("inputs", own, TOKENS_PER_TEXT * len(texts)),
        *(Part(part.what, part.text_bytes * len(texts)) for part in parameters),
    ]


def parameter_parts(params: Mapping[str, Any]) -> list[Part]:
    """The parameters that may be read like a part of the prompt: all but those that are known to cost nothing.

    Args:
        params: in OpenAI's names, or the provider's own.

    Raises:
        InvalidRequest: one of them is not valid JSON.
    """
    return [
        Part(name, len(to_json(value, name)))
        for name, value in params.items()
        if value is not None and name not in _NOT_READ
    ]


def most_replies(params: Mapping[str, Any]) -> int:
    """How many replies one call is billed for, at most: a server may know each of the names."""
    return prod(max(1, _count(params.get(name))) for name in REPLIES)


def output_cap(params: Mapping[str, Any]) -> int:
    """Most output tokens of one reply: the largest cap that is given, whatever its name; 0 where none is."""
    return max(_count(params.get(name)) for name in OUTPUT_CAPS)


def _count(value: object) -> int:
    """A number as providers read it; what is not one has no bound, and another check says so."""
    return value if isinstance(value, int) else 0


def read_parameters(params: Mapping[str, Any]) -> list[Any]:
    """The values of the same parameters, for an estimate of their tokens: each tool by itself, the reply's schema."""
    found = [params[name] for name in READ_PARAMETERS if params.get(name)]
    return [read for value in found for read in (value if isinstance(value, list | tuple) else [value])]


def _most_media_tokens(media: Sequence[ShownMedium], window_tokens: int) -> int:
    """Documents, and whatever else is not an image, may fill the whole window."""
    if all(medium.part == "image_url" and medium.is_image for medium in media):
        return len(media) * MAX_TOKENS_PER_IMAGE
    return window_tokens
