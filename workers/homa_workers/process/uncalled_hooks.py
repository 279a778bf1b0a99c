"""Hooks of Dramatiq's middleware that no worker of Homa's calls, and why: a middleware that has one is told of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dramatiq.middleware import Middleware

_DELAYS = "delayed messages wait in the store, in no worker and in no queue of their own"
_CONSUMERS = "messages are taken on the worker's event loop, by no thread; its actors' threads have hooks"

#: Hook -> the reason.
UNCALLED = {
    "before_delay_message": _DELAYS,
    "after_declare_delay_queue": _DELAYS,
    "after_consumer_thread_boot": _CONSUMERS,
    "before_consumer_thread_shutdown": _CONSUMERS,
}


def uncalled_hooks(middleware: Sequence[Middleware]) -> Iterator[tuple[str, str, str]]:
    """Class, hook and reason, for each hook that a middleware has and that is never called."""
    for installed in middleware:
        kind = type(installed)
        for hook, reason in UNCALLED.items():
            if getattr(kind, hook, None) is not getattr(Middleware, hook):
                yield kind.__qualname__, hook, reason
