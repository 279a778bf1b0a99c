"""Images, documents and schemas of the command line: arguments that may open files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from homa.files import read_argument
from homa.submit.attachments import Image, read_file
from homa.submit.response_format import check_schema
from homa_shared.calls.media import PDF, media_type
from homa_shared.model.errors import InvalidRequest


def images_of(given: Sequence[str]) -> list[Image]:
    """`--image` as the client takes it: addresses stay text, all else is a path.

    Raises:
        InvalidRequest: it is an address of a kind that no provider fetches.
    """
    return [_image(each) for each in given]


def _image(given: str) -> Image:
    if given.lower().startswith(("https://", "http://", "data:")):
        return given
    if not given or given.lower().startswith("file:") or "://" in given:
        raise InvalidRequest(f"--image {given[:80]!r}: expected the path of a file, https://… or data:…;base64,…")
    return Path(given)


def is_pdf(file: str) -> bool:
    """Whether a file of `--file` is a PDF by its first bytes.

    Raises:
        InvalidRequest: it does not exist or cannot be read.
    """
    path = Path(file)
    return path.is_file() and media_type(read_file(path, "--file")) == PDF


def schema_file(given: str) -> str | None:
    """The file that `--schema` names; None where it is the schema itself."""
    return None if given.lstrip().startswith("{") else given.removeprefix("@")


def schema_of(given: str | None) -> Mapping[str, Any] | None:
    """A JSON schema: the name of its file, with or without @, or the schema itself.

    Raises:
        InvalidRequest: it cannot be read, or is not a JSON schema.
    """
    if given is None:
        return None
    if not given.strip():
        raise InvalidRequest("--schema is empty: expected the name of a file, or a JSON schema")
    text = given if (file := schema_file(given)) is None else read_argument(f"@{file}", "--schema", named=given)
    try:
        schema = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"--schema {given[:80]!r} is not valid JSON ({error}): expected a JSON schema") from error
    if not isinstance(schema, dict):
        raise InvalidRequest(f"--schema {given[:80]!r} is {type(schema).__name__}: expected a JSON schema, an object")
    check_schema(schema, f"--schema {given[:80]!r}")
    return schema
