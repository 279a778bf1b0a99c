"""A prompt, a system text, images and documents as messages in the shape of Chat Completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homa.submit.attachments import Document, Image, with_media
from homa_shared.calls.message_checks import check_messages
from homa_shared.model.errors import InvalidRequest


def build_messages(
    prompt: str | None,
    messages: Sequence[Mapping[str, Any]] | None,
    system: str | None = None,
    images: Sequence[Image] | None = None,
    files: Sequence[Document] | None = None,
) -> list[dict[str, Any]]:
    """The messages of a request that was given as a prompt or as messages.

    Args:
        prompt: the user's text.
        messages: a whole conversation instead, in OpenAI's shape.
        system: instructions, put in front.
        images: shown with the prompt, or with the last of the messages.
        files: PDF documents, likewise.

    Raises:
        InvalidRequest: both or neither are given, or something is not of its kind.
    """
    if (prompt is None) == (messages is None):
        found = "neither prompt nor messages" if prompt is None else "both prompt and messages"
        raise InvalidRequest(f"{found}: expected one of them")
    built = check_messages(messages) if prompt is None else [{"role": "user", "content": check_prompt(prompt)}]
    if images is not None or files is not None:
        built[-1] = with_media(built[-1], () if images is None else images, () if files is None else files)
    if system is not None:
        if not isinstance(system, str):
            raise InvalidRequest(f"system is {system!r:.80}: expected text")
        built.insert(0, {"role": "system", "content": system})
    return built


def check_prompt(prompt: object) -> str:
    if not isinstance(prompt, str):
        raise InvalidRequest(f"prompt is {prompt!r:.80}: expected text, or messages=[…]")
    if not prompt:
        raise InvalidRequest("prompt is empty: expected text")
    return prompt
