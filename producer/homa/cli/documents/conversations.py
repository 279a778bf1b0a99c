"""Documents of `homa conversations` and `homa templates`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict


class ConversationDocument(TypedDict):
    conversation: str
    owner: str | None
    tenant: str | None
    turns: int
    #: Whether the last turn waits for its answer.
    pending: bool
    model: str | None
    bytes: int
    #: Moments of ISO 8601.
    created_at: str
    used_at: str
    branch_of: str | None
    branched_at: int | None
    system: str | None
    window: dict[str, Any] | None
    summed: int


class ConversationsDocument(TypedDict):
    conversations: list[ConversationDocument]


class TurnDocument(TypedDict):
    number: int
    state: str
    job: str | None
    target: str | None
    at: str
    ended_at: str | None
    #: In the shape of OpenAI's Chat Completions.
    messages: list[Mapping[str, Any]]
    answer: list[Mapping[str, Any]]
    error: str | None


class ShownConversationDocument(ConversationDocument):
    latest_turns: list[TurnDocument]


class TemplateDocument(TypedDict):
    name: str
    version: int
    prompt: str
    system: str | None
    #: Name -> text, integer, number, boolean, json, or the words that it may be.
    variables: dict[str, str | list[str]]
    created_ms: int


class TemplatesDocument(TypedDict):
    templates: list[TemplateDocument]


class TemplateVersionsDocument(TypedDict):
    versions: list[TemplateDocument]
