"""Functions that workers call for events: `@homa.on(JobFailed)` declares one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from homa_shared.model.errors import ConfigError
from homa_shared.model.events import Event, JobEvent, Missed

F = TypeVar("F", bound=Callable[[Any], Any])


@dataclass(frozen=True, slots=True)
class Handler:
    """A function, which events it is for, and how it is called."""

    name: str
    function: Callable[[Any], Any]
    kinds: tuple[type[Event], ...]
    tenant: str | None
    tags: Mapping[str, str]
    time_limit_s: float
    tries: int
    concurrency: int
    since: str

    def wants(self, event: Event) -> bool:
        if not isinstance(event, self.kinds):
            return False
        if self.tenant is None and not self.tags:
            return True
        return (
            isinstance(event, JobEvent)
            and self.tenant in (None, event.tenant)
            and all(event.tags.get(key) == value for key, value in self.tags.items())
        )


#: Of this process, by name.
HANDLERS: dict[str, Handler] = {}


def on(
    *kinds: type[Event],
    tenant: str | None = None,
    tag: str | None = None,
    name: str | None = None,
    time_limit_s: float = 60.0,
    tries: int = 5,
    concurrency: int = 8,
    since: str = "$",
) -> Callable[[F], F]:
    """Declares a function that workers call with each event of some kinds, at least once, after it is stored.

    Args:
        kinds: types from `homa.events`.
        tenant, tag: only events of jobs of this tenant, or with this tag (`key=value`).
        name: by which workers share the handler's events; `module.function` unless given. A new name begins anew.
        time_limit_s: an async function is cancelled after so long, s; a sync one's thread goes on.
        tries: calls before an event is a dead letter: kept by the store, and logged as `events.dead`.
        concurrency: most calls at once in a worker process.
        since: id of the event behind which a new handler begins; `$` is now, `0` the oldest that is kept.

    Raises:
        ConfigError: something in `kinds` is not a type of event, a name is taken, or the function cannot be called
            with an event alone.
    """
    for kind in kinds:
        _require_kind(kind)
    if not kinds:
        raise ConfigError("homa.on() names no type of event; expected types from homa.events")
    key, equals, value = (tag or "").partition("=")
    if tag is not None and not (key and equals):
        raise ConfigError(f"homa.on(tag={tag!r}): expected key=value")
    for what, number in (("tries", tries), ("concurrency", concurrency), ("time_limit_s", time_limit_s)):
        if number <= 0:
            raise ConfigError(f"homa.on({what}={number}): expected more than 0")

    def declare(function: F) -> F:
        called = name or f"{function.__module__}.{function.__qualname__}"
        if called in HANDLERS:
            raise ConfigError(f"two event handlers are named {called!r}: give one of them another with name=")
        try:
            inspect.signature(function).bind(object())
        except TypeError as error:
            raise ConfigError(f"event handler {called!r} cannot be called with an event alone: {error}") from error
        tags = {key: value} if tag else {}
        HANDLERS[called] = Handler(called, function, kinds, tenant, tags, time_limit_s, tries, concurrency, since)
        return function

    return declare


def _require_kind(kind: object) -> None:
    if not (isinstance(kind, type) and issubclass(kind, Event)) or kind is Missed:
        raise ConfigError(f"homa.on({kind!r}): not a type of event that is stored; expected types from homa.events")
