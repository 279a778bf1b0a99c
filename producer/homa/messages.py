"""A prompt, a system text and images as messages in the shape of Chat Completions."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from homa_shared.errors import InvalidRequest
from homa_shared.request import check_messages

#: An image as an application has it: a URL (https, or data), a file, or the bytes of one.
Image = str | Path | bytes

#: The first bytes of the formats that providers read.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


def build_messages(
    prompt: str | None,
    messages: Sequence[Mapping[str, Any]] | None,
    system: str | None = None,
    images: Sequence[Image] = (),
) -> list[dict[str, Any]]:
    """The messages of a request that was given as a prompt or as messages.

    Args:
        prompt: the user's text.
        messages: a whole conversation instead, in OpenAI's shape.
        system: instructions, put in front.
        images: shown with the prompt, or with the last of the messages.

    Raises:
        InvalidRequest: both or neither are given, or something is not of its kind.
    """
    if (prompt is None) == (messages is None):
        raise InvalidRequest(f"{'neither' if prompt is None else 'both'} prompt and messages: expected one of them")
    built = check_messages(messages) if prompt is None else [{"role": "user", "content": check_prompt(prompt)}]
    if images:
        built[-1] = _with_images(built[-1], images)
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


def _with_images(message: dict[str, Any], images: Sequence[Image]) -> dict[str, Any]:
    if isinstance(images, str | bytes) or not isinstance(images, Sequence):
        raise InvalidRequest("images is no list: expected a list of URLs, paths or bytes")
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    shown = [{"type": "image_url", "image_url": {"url": _image_url(image)}} for image in images]
    return {**message, "content": [*parts, *shown]}


def _image_url(image: Image) -> str:
    if isinstance(image, str):
        # A text that happens to be a path stays a text: who may choose it must not choose a file of this machine.
        if not image.startswith(("https://", "http://", "data:")):
            raise InvalidRequest(f"image {image:.80} is no URL: expected https://…, data:…, a pathlib.Path, or bytes")
        return image
    if isinstance(image, Path):
        try:
            return _data_url(image.read_bytes())
        except OSError as error:
            raise InvalidRequest(f"image {image} cannot be read: {error}") from error
    if not isinstance(image, bytes):
        raise InvalidRequest(f"{image!s:.80} is no image: expected a URL, a pathlib.Path, or bytes")
    return _data_url(image)


def _data_url(image: bytes) -> str:
    return f"data:{_media_type(image)};base64,{b64encode(image).decode()}"


def _media_type(image: bytes) -> str:
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    found = next((kind for signature, kind in _SIGNATURES if image.startswith(signature)), None)
    if found is None:
        raise InvalidRequest(f"image of {len(image)} bytes is of no known format: expected PNG, JPEG, GIF or WebP")
    return found
