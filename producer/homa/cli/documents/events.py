"""Documents of `homa events` and `homa webhooks`."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict


class EventDocument(TypedDict):
    id: str
    at_ms: int
    event: str
    job: str | None
    target: str | None
    batch: str | None
    tenant: str
    detail: str


class EventsDocument(TypedDict):
    events: list[EventDocument]


class HandlerDocument(TypedDict):
    handler: str
    #: Since a worker looked after it; null: none ever did.
    seen_ms: int | None
    served: bool
    #: null: the store cannot tell.
    behind: int | None
    pending: int
    put_back: int
    dead: int
    missed: int
    dropped: int


class HandlersDocument(TypedDict):
    handlers: list[HandlerDocument]


class ForgottenHandlerDocument(TypedDict):
    handler: str
    forgotten: bool


class DeadEventDocument(TypedDict):
    id: str
    handler: str
    event: str
    job: str | None
    error: str
    tries: int
    died_at_ms: int


class DeadEventsDocument(TypedDict):
    dead: list[DeadEventDocument]


class RetriedEventsDocument(TypedDict):
    retried: int


class DroppedEventsDocument(TypedDict):
    dropped: int


class WebhookDocument(TypedDict):
    id: str
    tenant: str
    #: What it told of: one of them.
    job: NotRequired[str]
    batch: NotRequired[str]
    event: str
    target: str
    state: str
    tries: int
    error: str | None
    asked_ms: int
    next_ms: int | None
    ended_ms: int | None


class WebhooksDocument(TypedDict):
    webhooks: list[WebhookDocument]
