"""Texts and vectors as OpenAI's embeddings have them, in a request of their own or in a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.gateway.errors import ApiError
from homa_shared.calls.embeddings import unpack
from homa_shared.calls.tokens import text_of_tokens
from homa_shared.model.errors import InvalidRequest

#: Most texts of one request, as at OpenAI.
MOST_TEXTS = 2048
_FORMATS = ("float", "base64")
#: What clients cut texts by before they send them, whatever model is asked: that of OpenAI's models of vectors.
_ENCODING = "cl100k_base"
#: Most tokens of one request, as at OpenAI.
_MOST_TOKENS = 300_000


def encoding_of(body: Mapping[str, Any]) -> str:
    """How vectors are to be written; raises InvalidRequest."""
    form = body.get("encoding_format") or "float"
    if form not in _FORMATS:
        raise InvalidRequest(f"encoding_format is {form!r:.80}: expected float or base64")
    return str(form)


def texts_of(given: Any) -> list[str]:
    """The texts of a request, be they texts or tokens; raises InvalidRequest."""
    texts = [given] if isinstance(given, str) or _is_tokens(given) else given
    is_list = isinstance(texts, list) and bool(texts)
    if not is_list or not all((isinstance(text, str) and text) or _is_tokens(text) for text in texts):
        raise InvalidRequest(f"input is {given!r:.80}: expected a text, a list of texts, or tokens of {_ENCODING}")
    if len(texts) > MOST_TEXTS:
        raise InvalidRequest(f"input has {len(texts)} texts: expected at most {MOST_TEXTS}")
    if (tokens := sum(len(text) for text in texts if isinstance(text, list))) > _MOST_TOKENS:
        raise InvalidRequest(f"input has {tokens} tokens: expected at most {_MOST_TOKENS}")
    return [_text(number, text) for number, text in enumerate(texts)]


def _is_tokens(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(type(token) is int for token in given)


def _text(number: int, given: str | list[int]) -> str:
    """Tokens as the text that they stand for, which any provider takes."""
    if isinstance(given, str):
        return given
    try:
        return text_of_tokens(given, _ENCODING)
    except ValueError as error:
        raise InvalidRequest(f"input[{number}]: {error}; give texts instead") from None


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
