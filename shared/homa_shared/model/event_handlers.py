"""Functions that workers call for events: `@homa.on(JobFailed)` declares one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

from homa_shared.model.errors import ConfigError
from homa_shared.model.event_kinds import KINDS
from homa_shared.model.events import Event, JobEvent, Missed, OtherEvent

F = TypeVar("F", bound=Callable[[Any], Any])

_SINCE = re.compile(r"\$|-|0|\d{1,20}(-\d{1,20})?")
_NAME = re.compile(r"[^\s{}]{1,200}")


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
    #: Where a new group begins, as the store takes it.
    since: str
    #: File and line that declare it.
    place: str = ""
    #: Names in the store of the events that it is for; none: of all, those that this release does not know, too.
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        named = tuple(name for name, kind in KINDS.items() if issubclass(kind, self.kinds))
        object.__setattr__(self, "names", () if issubclass(OtherEvent, self.kinds) else named)

    @property
    def wants_missed(self) -> bool:
        """Whether it is called for events that were trimmed before it was called for them."""
        return issubclass(Missed, self.kinds)

    @property
    def is_for_all(self) -> bool:
        """Whether it is for each event of its kinds, whatever tenant and tags."""
        return self.tenant is None and not self.tags

    def wants(self, event: Event) -> bool:
        if not isinstance(event, self.kinds):
            return False
        if self.is_for_all or isinstance(event, Missed):
            return True
        return (
            isinstance(event, JobEvent)
            and self.tenant in (None, event.tenant)
            and all(event.tags.get(key) == value for key, value in self.tags.items())
        )


#: Of this process, by name.
HANDLERS: dict[str, Handler] = {}


def handlers_of(functions: Iterable[Callable[[Any], Any]]) -> list[Handler]:
    """The handlers that some functions were made by `on`.

    Raises:
        ConfigError: one of them was not declared with `homa.on`.
    """
    found = []
    for function in functions:
        own = [handler for handler in HANDLERS.values() if handler.function is function]
        if not own:
            raise ConfigError(f"{function!r} is not an event handler: expected a function with @homa.on(…)")
        found += own
    return found


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
        kinds: types from `homa.events`; `Missed` is told where events were trimmed before the function was called.
        tenant: only events of jobs of this tenant.
        tag: only events of jobs with this tag (`key=value`).
        name: by which workers share the handler's events; `module.function` unless given. A new name begins anew.
        time_limit_s: an async function is cancelled after so long, s; a sync one's thread goes on.
        tries: calls before an event is a dead letter, which `homa events dead` lists.
        concurrency: most calls at once in a worker process.
        since: id of the event behind which a new handler begins; `$` is now, `-` the oldest that is kept.

    Raises:
        ConfigError: something in `kinds` is not a type of event, a name is taken, or the function cannot be called
            with an event alone.
    """
    if not kinds:
        raise ConfigError("homa.on() names no type of event: expected types from homa.events")
    for kind in kinds:
        _require_kind(kind)
    key, equals, value = (tag or "").partition("=")
    if tag is not None and not (key and equals):
        raise ConfigError(f"homa.on(tag={tag!r}): expected key=value")
    _require_number("time_limit_s", time_limit_s, int | float)
    for what, number in (("tries", tries), ("concurrency", concurrency)):
        _require_number(what, number, int)
    if _SINCE.fullmatch(str(since)) is None:
        raise ConfigError(f"homa.on(since={since!r}): expected the id of an event, such as 1767225600000-0, '$' or '-'")

    def declare(function: F) -> F:
        called = f"{function.__module__}.{_qualname(function)}" if name is None else name
        if _NAME.fullmatch(called) is None:
            raise ConfigError(f"event handler {called!r}: expected a name= without blanks and braces")
        _require_callable(called, function)
        place = _place(function)
        before = HANDLERS.get(called)
        # A module that is loaded again declares its handlers again.
        if before is not None and before.place != place:
            raise ConfigError(
                f"two event handlers are named {called!r}, at {before.place} and at {place}: give one another name="
            )
        tags = {key: value} if tag else {}
        begin = "0" if since == "-" else since
        HANDLERS[called] = Handler(
            called, function, kinds, tenant, tags, time_limit_s, tries, concurrency, begin, place
        )
        return function

    return declare


def _require_kind(kind: object) -> None:
    if isinstance(kind, type) and issubclass(kind, Event):
        return
    known = {cls.__name__: cls.__name__ for cls in KINDS.values()}
    known |= {name: cls.__name__ for name, cls in KINDS.items()}
    asked = kind.__name__ if isinstance(kind, type) else str(kind)
    near = get_close_matches(asked, known, n=1)
    nearest = f"; did you mean homa.events.{known[near[0]]}?" if near else ""
    raise ConfigError(f"homa.on({kind!r}): there is no such type of event: expected types from homa.events{nearest}")


def _require_number(what: str, number: object, kind: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, kind) or not 0 < number < float("inf"):
        expected = "a whole number" if kind is int else "seconds"
        raise ConfigError(f"homa.on({what}={number!r}): expected {expected} above 0")


def _require_callable(called: str, function: Callable[..., Any]) -> None:
    try:
        inspect.signature(function).bind(object())
    except TypeError as error:
        raise ConfigError(f"event handler {called!r} cannot be called with an event alone: {error}") from error
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"event handler {called!r} is a generator, which a call does not run: expected no `yield`")


def _qualname(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)


def _place(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return "an unknown place" if code is None else f"{code.co_filename}:{code.co_firstlineno}"
