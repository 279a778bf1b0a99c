"""What a provider reads for one call, part by part: what the bound of its cost counts.

Text counts by the UTF-8 bytes of its JSON, since a token has at least one byte: the messages, with references in the
place of media, and the parameters that a provider reads like a part of the prompt. What is not text counts by the most
tokens that a provider makes of it: media, and a conversation that the provider keeps. The price book adds the tokens of
the provider's own (`OVERHEAD_TOKENS`) and the output up to its cap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from homa_shared.calls.request import to_json
from homa_shared.quota.prompt import Prompt, ShownMedium

#: Most tokens that any provider counts for one image (gpt-4o-mini in high detail; others stay below 5 000).
MAX_TOKENS_PER_IMAGE = 40_000
#: Largest context window of any model, tokens: what a document may come to where the model's own is not known.
MAX_WINDOW_TOKENS = 2_000_000
#: Parameters that a provider reads like a part of the prompt.
READ_PARAMETERS = ("tools", "functions", "response_format", "instructions", "text")


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


def text_parts(texts: Sequence[str]) -> list[Part]:
    """All parts of a call that embeds texts."""
    return [Part("inputs", sum(len(text.encode()) for text in texts))]


def parameter_parts(params: Mapping[str, Any]) -> list[Part]:
    """The parameters that a provider reads like a part of the prompt.

    Args:
        params: in OpenAI's names.

    Raises:
        InvalidRequest: one of them is not valid JSON.
    """
    return [Part(name, len(to_json(params[name], name))) for name in READ_PARAMETERS if name in params]


def read_parameters(params: Mapping[str, Any]) -> list[Any]:
    """The values of the same parameters, for an estimate of their tokens: each tool by itself, the reply's schema."""
    found = [params[name] for name in READ_PARAMETERS if params.get(name)]
    return [read for value in found for read in (value if isinstance(value, list | tuple) else [value])]


def _most_media_tokens(media: Sequence[ShownMedium], window_tokens: int) -> int:
    """Documents may fill the whole window."""
    if all(medium.part == "image_url" for medium in media):
        return len(media) * MAX_TOKENS_PER_IMAGE
    return window_tokens
