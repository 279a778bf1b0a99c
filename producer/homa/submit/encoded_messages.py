"""The messages of one request, encoded as the store keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from homa_shared.calls.media import Medium, extract
from homa_shared.calls.request import to_json
from homa_shared.quota.unbounded import TEXT_FIELDS

_NO_MEDIA: Mapping[str, Medium] = MappingProxyType({})
_NO_NAMES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Prepared:
    """The messages of one request, encoded."""

    json: bytes
    #: With references in the place of media.
    messages: Sequence[Mapping[str, Any]]
    #: Digest -> medium that they refer to.
    media: Mapping[str, Medium] = field(default_factory=lambda: _NO_MEDIA, repr=False)
    #: Whether they consist of text alone, all of which counts by its bytes.
    plain: bool = True
    #: What stands in the stored request instead of `json`, where that lives elsewhere.
    stored: bytes | None = None
    #: The texts to embed, where embeddings are asked for; `messages` is then empty.
    inputs: Sequence[str] | None = None
    #: Place of a medium -> what the application calls it, for messages to people.
    names: Mapping[str, str] = field(default_factory=lambda: _NO_NAMES, repr=False)

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]], names: Mapping[str, str] = _NO_NAMES) -> Prepared:
        """Messages as they are stored, their media taken out.

        Args:
            names: place of a medium -> what the application calls it.

        Raises:
            InvalidRequest: they are no JSON, or show a medium that cannot be taken.
        """
        if all(isinstance(message.get("content"), str) and message.keys() <= TEXT_FIELDS for message in messages):
            return cls(to_json(messages, "messages"), messages)
        extracted = extract(messages)
        return cls(
            to_json(extracted.messages, "messages"), extracted.messages, extracted.media, plain=False, names=names
        )
