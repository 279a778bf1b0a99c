"""Whether the media of a request are of the types and sizes that a kind of provider takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from homa_shared.calls.media import PDF, Medium

if TYPE_CHECKING:
    from homa_shared.kinds.profile import MediaLimits

_MB = 1000 * 1000


def media_lack(media: Sequence[tuple[str, Medium]], limits: MediaLimits) -> str | None:
    """Why media cannot go to a provider; None where they can.

    Args:
        media: by data, with the name of the place where each stands.
    """
    for name, found in media:
        if lack := _lack_of_one(name, found, limits):
            return lack
    images = sum(found.is_image for _, found in media)
    if limits.image_count is not None and images > limits.image_count:
        return f"it takes at most {limits.image_count} images a request, and there are {images}"
    total = sum(-(-len(found.data) * 4 // 3) for _, found in media)
    if limits.request_bytes is not None and total > limits.request_bytes:
        return f"it takes requests of at most {_size(limits.request_bytes)}, and the media come to {_size(total)}"
    return None


def _lack_of_one(name: str, found: Medium, limits: MediaLimits) -> str | None:
    size = len(found.data)
    if found.is_image:
        if found.type not in limits.images:
            return f"{name} is {found.type}, and it takes {', '.join(sorted(limits.images))}"
        if limits.image_bytes is not None and size > limits.image_bytes:
            return f"{name} has {_size(size)}, and it takes images of at most {_size(limits.image_bytes)}"
    elif found.type == PDF and limits.pdf_bytes is not None and size > limits.pdf_bytes:
        return f"{name} has {_size(size)}, and it takes PDF documents of at most {_size(limits.pdf_bytes)}"
    return None


def _size(count: int) -> str:
    return f"{count / _MB:.1f} MB" if count >= _MB // 10 else f"{count} bytes"
