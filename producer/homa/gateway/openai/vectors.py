"""Texts and vectors as OpenAI's embeddings have them, in a request of their own or in a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.gateway.errors import ApiError
from homa_shared.calls.embeddings import unpack
from homa_shared.model.errors import InvalidRequest

#: Most texts of one request, as at OpenAI.
MOST_TEXTS = 2048
_FORMATS = ("float", "base64")


def encoding_of(body: Mapping[str, Any]) -> str:
    """How vectors are to be written; raises InvalidRequest."""
    form = body.get("encoding_format") or "float"
    if form not in _FORMATS:
        raise InvalidRequest(f"encoding_format is {form!r:.80}: expected float or base64")
    return str(form)


def texts_of(given: Any) -> list[str]:
    """The texts of a request; raises InvalidRequest."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise InvalidRequest(f"input is {given!r:.80}: expected a text or a list of texts; tokens are not taken")
    if len(texts) > MOST_TEXTS:
        raise InvalidRequest(f"input has {len(texts)} texts: expected at most {MOST_TEXTS}")
    return texts


def require_all(body: Mapping[str, Any], job_id: str) -> None:
    """This API has no place for a text without a vector."""
    lost = next(((i, item["error"]) for i, item in enumerate(body["data"]) if "error" in item), None)
    if lost is not None:
        message = f"input[{lost[0]}] has no vector: {lost[1]}"
        raise ApiError(502, message, "provider_error", "input", retry=False, job_id=job_id)


def as_floats(body: Mapping[str, Any]) -> dict[str, Any]:
    """A reply with its vectors as numbers."""
    return {**body, "data": [_as_floats(item) for item in body["data"]]}


def _as_floats(item: Mapping[str, Any]) -> dict[str, Any]:
    return dict(item) if "error" in item else {**item, "embedding": unpack(item["embedding"])}
