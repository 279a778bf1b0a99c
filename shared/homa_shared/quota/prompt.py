"""A prompt as the need of its call is calculated from it: in the form in which the store keeps it.

There references stand in the place of media. A client has that form when it submits; a worker has put the bytes back
before its call, and `Prompt.of_sent` takes them out again, so that both calculate with the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from homa_shared.calls.media import REFERENCE, Medium, places, replace_media
from homa_shared.calls.tokens import FILE_BYTES_PER_TOKEN, TOKENS_PER_IMAGE
from homa_shared.quota.unbounded import unbounded_message

#: As long as any reference.
_SOME_REFERENCE = REFERENCE + "0" * 64


class ShownMedium(NamedTuple):
    """One place of a prompt that shows a medium, or names one by its address."""

    #: Type of the part: image_url, file or input_audio.
    part: str
    is_image: bool
    #: Size of the medium; 0 where only its address is known.
    bytes: int

    @property
    def tokens(self) -> int:
        """An estimate of its tokens, beside what an estimate of the messages counts for its part."""
        if self.is_image:
            return 0 if self.part == "image_url" else TOKENS_PER_IMAGE
        return self.bytes // FILE_BYTES_PER_TOKEN


class Prompt(NamedTuple):
    """The messages of one call."""

    #: With references in the place of media.
    messages: Sequence[Mapping[str, Any]]
    #: UTF-8 bytes of these messages as JSON.
    json_bytes: int
    #: What they show, place by place: a document that is shown twice is read twice.
    media: Sequence[ShownMedium] = ()
    #: What of them has no bound, and what to do instead; empty: all has one.
    unbounded: str = ""

    @classmethod
    def of_stored(cls, messages: Sequence[Mapping[str, Any]], json_bytes: int, media: Mapping[str, Medium]) -> Prompt:
        """A prompt as a client has it.

        Args:
            messages: with references in the place of media.
            json_bytes: of the messages as JSON.
            media: digest -> medium that they refer to.
        """
        shown = []
        for part, value, _ in places(messages):
            medium = media.get(value.removeprefix(REFERENCE))
            shown.append(ShownMedium(part, medium.is_image, len(medium.data)) if medium else _by_address(part))
        return cls(messages, json_bytes, shown, unbounded_message(messages))

    @classmethod
    def of_sent(cls, messages: Sequence[Mapping[str, Any]]) -> Prompt:
        """A prompt as a worker has it: with the bytes of its media, or addresses, in their places."""
        shown: list[ShownMedium] = []
        inline: list[ShownMedium] = []

        def take_out(part: str, value: str, _: str) -> str:
            medium = _inline(part, value)
            shown.append(medium or _by_address(part))
            if medium is None:
                return value
            inline.append(medium)
            return _SOME_REFERENCE

        replaced = replace_media(messages, take_out)
        stored = replaced if inline else messages
        return cls(stored, len(orjson.dumps(stored)), shown, unbounded_message(stored))


def _by_address(part: str) -> ShownMedium:
    return ShownMedium(part, part == "image_url", 0)


def _inline(part: str, value: str) -> ShownMedium | None:
    """The medium whose bytes stand in a place; None where an address does."""
    if part == "input_audio":
        return ShownMedium(part, False, _decoded_bytes(value))
    if not value.startswith("data:"):
        return None
    head, _, encoded = value.partition(",")
    return ShownMedium(part, head.startswith("data:image/"), _decoded_bytes(encoded))


def _decoded_bytes(base64: str) -> int:
    """Bytes that a base64 text stands for: three for each four characters, less the padding."""
    return len(base64) // 4 * 3 - base64[-2:].count("=")
