"""Media that stand in an assistant's message, as another provider's answer or an application may have put them there.

Claude, Converse and OpenAI's APIs take images and documents in a user's message only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Message = dict[str, Any]

#: Types of parts that show something beside text.
MEDIA = frozenset({"image_url", "file", "input_audio"})


def shown_by_users(messages: Sequence[Message]) -> Sequence[Message]:
    """The conversation with such media in a user's message right before the assistant's: behind it, a call of a tool
    would be parted from its result."""
    return list(_parted(messages)) if any(map(_shows_media, messages)) else messages


def _shows_media(message: Message) -> bool:
    content = message.get("content")
    return message.get("role") == "assistant" and isinstance(content, list) and any(map(_is_medium, content))


def _is_medium(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") in MEDIA


def _parted(messages: Sequence[Message]) -> Iterator[Message]:
    for message in messages:
        if not _shows_media(message):
            yield message
            continue
        content = message["content"]
        yield {"role": "user", "content": [part for part in content if _is_medium(part)]}
        rest = [part for part in content if not _is_medium(part)]
        if rest or message.get("tool_calls"):
            yield {**message, "content": rest or None}
