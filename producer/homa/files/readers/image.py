"""Images: documents without text, shown as they are, or as JPEG where no provider reads their format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from homa.files.readers.content import Head
from homa.files.readers.document import Document, Found, Opened, ReadOptions, Unreadable
from homa_shared.calls.media import media_type

if TYPE_CHECKING:
    from PIL.Image import Image

#: Shown in one prompt; providers take a hundred or more, in up to 30 MB.
MOST_IMAGES = 100
#: Pixels of the longer side beyond which providers shrink an image themselves.
MOST_PIXELS = 2000
#: JPEG's, at which print stays sharp.
_QUALITY = 85
_MOST_BYTES = 50 * 1024 * 1024
#: What goes as it is.
_KEPT = ("image/png", "image/jpeg", "image/gif", "image/webp")
#: First bytes of TIFF and BMP, which providers do not read.
_CONVERTED = (b"II*\0", b"MM\0*", b"BM")
_KEPT_BYTES = 4 * 1024 * 1024


class ImageReader:
    """One document with an image a page."""

    name = "image"
    needs: tuple[str, ...] = ("PIL",)
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        kind = media_type(head.data)
        bitmap = head.data.startswith(b"BM") and b"\0" in head.data[:20]
        return kind in _KEPT or bitmap or head.data.startswith(_CONVERTED[:2])

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        if options.pages == "text":
            raise Unreadable("is an image, which has no text: --pages auto shows it to a model that sees")
        raw = opened.stream.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise Unreadable(f"is larger than {_MOST_BYTES:,} bytes: make it smaller")
        images = tuple(_shown(raw))
        if len(images) == 1:
            yield Document("", images=images)
        else:
            numbers = tuple(range(1, len(images) + 1))
            yield Document("", pages=(0,) * len(images), images=images, image_pages=numbers)


def _shown(raw: bytes) -> Iterator[bytes]:
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(raw)) as picture:
        kept = media_type(raw) in _KEPT and max(picture.size) <= MOST_PIXELS and len(raw) <= _KEPT_BYTES
        if kept:
            picture.load()  # a damaged one is told here and not by the provider
            yield raw
            return
        pages = getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1
        if pages > MOST_IMAGES:
            raise Unreadable(f"has {pages} pages: at most {MOST_IMAGES} are shown in one prompt; split it")
        for number, page in enumerate(ImageSequence.Iterator(picture), 1):
            yield as_jpeg(page)
            if number == pages:
                return


def as_jpeg(picture: Image) -> bytes:
    """An image as JPEG, its longer side at most MOST_PIXELS; what is transparent is white."""
    from PIL import Image

    picture = picture.copy()
    picture.thumbnail((MOST_PIXELS, MOST_PIXELS))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGB", picture.size, "white")
        white.paste(picture, mask=picture.getchannel("A"))
        picture = white
    out = io.BytesIO()
    picture.convert("L" if picture.mode in ("1", "L") else "RGB").save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
