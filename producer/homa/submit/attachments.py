"""Images and documents that an application hands over, as parts of a message.

Here, and only here, files are opened: who calls the client or the command line chooses them. Their type is told by
their first bytes and not by their names, and what is too large for any provider is refused before it is read. Lines of
batch files and requests to the gateway, which others may have written, open none (`refuse_own_files`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from homa_shared.calls.media import PDF, Medium, data_url, from_data_url, medium
from homa_shared.model.errors import InvalidRequest


@runtime_checkable
class Picture(Protocol):
    """An image of PIL, which is no dependency: whatever saves itself as it does."""

    @property
    def mode(self) -> str: ...

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None: ...  # noqa: A002 - PIL's name


#: An image as an application has it: a URL (https, or data), a file (its path as a text will do), the bytes of one, or
#: an image of PIL.
Image = str | Path | bytes | Picture
#: A document: a PDF as a file, as bytes, or as a data: URL.
Document = str | Path | bytes

#: Largest file that is read at all, bytes: no provider takes more in one request than Gemini's 100 MB.
MOST_FILE_BYTES = 100 * 1000 * 1000
_REMOTE = ("https://", "http://")
#: Formats of PIL that are sent as they are; any other image goes as PNG.
_KEPT_FORMATS = ("GIF", "JPEG", "PNG", "WEBP")
#: Modes that PIL writes as JPEG.
_JPEG_MODES = ("1", "CMYK", "L", "RGB")


def with_media(
    message: Mapping[str, Any], images: Sequence[Image] = (), files: Sequence[Document] = ()
) -> dict[str, Any]:
    """A message that also shows images and documents. Documents stand before its text, images behind it.

    Raises:
        InvalidRequest: one is missing, too large, or of another kind; it is named by its place.
    """
    images, files = _listed(images, "images"), _listed(files, "files")
    if not images and not files:
        return dict(message)
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
    documents = [_document(file, f"files[{i}]") for i, file in enumerate(files)]
    shown = [_image(image, f"images[{i}]") for i, image in enumerate(images)]
    return {**message, "content": [*documents, *parts, *shown]}


def names_of_media(
    messages: Sequence[Mapping[str, Any]], images: Sequence[Image] | None, files: Sequence[Document] | None
) -> dict[str, str]:
    """Where `with_media` put what it was given: place in the messages -> what the application calls it."""
    images, files = images or (), files or ()
    if not images and not files:
        return {}
    last = f"messages[{len(messages) - 1}].content"
    first_image = len(messages[-1]["content"]) - len(images)
    documents = {f"{last}[{i}].file.file_data": _called(file, f"files[{i}]") for i, file in enumerate(files)}
    shown = {
        f"{last}[{first_image + i}].image_url.url": _called(image, f"images[{i}]") for i, image in enumerate(images)
    }
    return documents | shown


def refuse_own_files(request: Mapping[str, Any], what: str) -> None:
    """Raises InvalidRequest where a request that others may have written names files of this machine."""
    for name in ("images", "files"):
        given = request.get(name)
        for each in given if isinstance(given, list | tuple) else ():
            if not isinstance(each, bytes) and not _is_url(each):
                named = f"{name} of {what} has {str(each)[:80]!r}"
                raise InvalidRequest(f"{named}: expected https:// or data: URLs; no file is opened for it")


def _called(given: object, name: str) -> str:
    return f"{name} {given}" if isinstance(given, Path) or (isinstance(given, str) and not _is_url(given)) else name


def _is_url(given: object) -> bool:
    return isinstance(given, str) and given.lower().startswith((*_REMOTE, "data:"))


def _listed(given: object, name: str) -> Sequence[Any]:
    if isinstance(given, str | bytes | Path) or not isinstance(given, Sequence):
        raise InvalidRequest(f"{name} is not a list: expected a list of URLs, paths or bytes")
    return given


def _image(image: object, name: str) -> dict[str, Any]:
    if isinstance(image, str) and image.lower().startswith(_REMOTE):
        return {"type": "image_url", "image_url": {"url": image}}
    found = _medium(image, name)
    if not found.is_image:
        raise InvalidRequest(f"{name} is {found.type}: expected an image; documents go into files=")
    return {"type": "image_url", "image_url": {"url": data_url(found.data, found.type)}}


def _document(file: object, name: str) -> dict[str, Any]:
    if isinstance(file, str) and file.lower().startswith(_REMOTE):
        raise InvalidRequest(f"{name} is {file[:80]!r}: expected a PDF as a path, bytes or data: URL")
    found = _medium(file, name)
    if found.type != PDF:
        raise InvalidRequest(f"{name} is {found.type}: expected a PDF; images go into images=")
    title = Path(file).name if isinstance(file, Path | str) and not _is_url(file) else "document.pdf"
    return {"type": "file", "file": {"filename": title, "file_data": data_url(found.data, found.type)}}


def _medium(given: object, name: str) -> Medium:
    if isinstance(given, bytes):
        return medium(given, name)
    if isinstance(given, str) and given.lower().startswith("data:"):
        return from_data_url(given, name)
    if isinstance(given, Path) or (isinstance(given, str) and _may_be_path(given)):
        return medium(read_file(Path(given), name), f"{name} {given}")
    if isinstance(given, Picture):
        return medium(_saved(given, name), name)
    raise InvalidRequest(
        f"{name} is {str(given)[:80]!r}: expected https://…, data:…;base64,…, a path, bytes, or an image of PIL"
    )


def _may_be_path(text: str) -> bool:
    """Whether a text can be the path of a file, and is neither a URL of another kind nor a text put here by mistake."""
    return bool(text) and "://" not in text and "\0" not in text and "\n" not in text


def _saved(picture: Picture, name: str) -> bytes:
    """An image of PIL as a file, in the format that it was read in where providers know it.

    Raises:
        InvalidRequest: PIL cannot read it to its end, or has no such format for its mode.
    """
    kept = getattr(picture, "format", None)
    wanted = kept if kept in _KEPT_FORMATS else "PNG"
    if wanted == "JPEG" and picture.mode not in _JPEG_MODES:  # made transparent since it was read
        wanted = "PNG"
    file = BytesIO()
    try:
        picture.save(file, wanted, **({"quality": 95} if wanted == "JPEG" else {}))
    except (OSError, ValueError, KeyError, SyntaxError) as error:
        raise InvalidRequest(
            f"{name} is an image of PIL that cannot be saved as {wanted} ({error}): convert it, as by .convert('RGB')"
        ) from error
    return file.getvalue()


def read_file(path: Path, name: str) -> bytes:
    """A file's bytes.

    Raises:
        InvalidRequest: it does not exist, cannot be read, is not a file, or is larger than any provider takes.
    """
    try:
        if not path.is_file():
            found = "is not a file" if path.exists() else "does not exist"
            raise InvalidRequest(f"{name} {path} {found}: expected an image or document")
        size = path.stat().st_size
        if size > MOST_FILE_BYTES:
            raise InvalidRequest(f"{name} {path} has {size} bytes: expected at most {MOST_FILE_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{name} {path} cannot be read: {error.strerror or error}") from error
