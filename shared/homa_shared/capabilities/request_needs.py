"""What a request asks of whoever does it: features, media, one of OpenAI's APIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from homa_shared.calls.media import PDF, REFERENCE, Medium, places
from homa_shared.calls.openai_apis import only_by_responses
from homa_shared.calls.reply import CHAT_API, RESPONSES_API
from homa_shared.kinds.features import Feature

#: Types of parts that every adapter knows.
_PARTS = frozenset({"text", "refusal", "image_url", "file", "input_audio"})


@dataclass(frozen=True, slots=True)
class Needs:
    """What a job asks of whoever does it."""

    features: frozenset[Feature] = frozenset()
    #: Media by data, with the name of the place where each stands.
    media: tuple[tuple[str, Medium], ...] = ()
    #: UTF-8 bytes of the prompt as JSON, media left out: it has no more tokens than that.
    prompt_bytes: int = 0
    #: Where an image is named by URL.
    first_url: str = ""
    #: Which of OpenAI's APIs is asked for, where a target has both.
    api: str = CHAT_API
    #: What of its parameters only the Responses API can do.
    by_responses: str = ""
    #: First part of a type that not every adapter knows, with its place; empty where there is none.
    foreign: str = ""
    #: Where a document is named instead of given.
    named_document: str = ""

    @property
    def plain(self) -> bool:
        """Whether any target of any kind will do, but for its context window."""
        return not self.features and not self.by_responses and not self.foreign


def needs_of(
    messages: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    media: Mapping[str, Medium],
    *,
    prompt_bytes: int = 0,
    runs_tools: bool = False,
    api: str = CHAT_API,
    names: Mapping[str, str] = MappingProxyType({}),
) -> Needs:
    """What a request needs.

    Args:
        messages: with references in the place of media.
        media: digest -> medium.
        prompt_bytes: of the messages as JSON.
        runs_tools: whether workers run tools for it, which may stand there by name only.
        names: place of a medium -> what the application calls it.
    """
    uses_tools = runs_tools or params.get("tools") or params.get("functions")
    features: set[Feature] = {Feature.TOOLS} if uses_tools else set()
    shown: list[tuple[str, Medium]] = []
    first_url = ""
    for kind, value, name in places(messages):
        found = media.get(value.removeprefix(REFERENCE)) if value.startswith(REFERENCE) else None
        if found is not None:
            shown.append((names.get(name, name), found))
        if kind == "input_audio":
            features.add(Feature.AUDIO)
        elif (found is not None and found.type == PDF) or (found is None and kind == "file"):
            features.add(Feature.PDF)
        else:
            features.add(Feature.VISION)
            if found is None:
                features.add(Feature.IMAGE_URL)
                first_url = first_url or names.get(name, name)
    foreign, named_document = _unusual(messages)
    if named_document:
        features.add(Feature.PDF)
    by_responses = only_by_responses(params) if api == RESPONSES_API else ""
    return Needs(frozenset(features), tuple(shown), prompt_bytes, first_url, api, by_responses, foreign, named_document)


def _unusual(messages: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The first part of a type that not every adapter knows, and the place of the first document that is only named."""
    foreign = named = ""
    for i, message in enumerate(messages):
        content = message.get("content")
        for j, part in enumerate(content if isinstance(content, list | tuple) else ()):
            place, kind = f"messages[{i}].content[{j}]", part.get("type")
            if kind not in _PARTS:
                foreign = foreign or f"parts of type {kind!r:.40} ({place})"
            elif kind == "file" and not _is_given(part.get("file")):
                named = named or place
    return foreign, named


def _is_given(file: object) -> bool:
    data = file.get("file_data") if isinstance(file, Mapping) else None
    return isinstance(data, str) and data.startswith(REFERENCE)
