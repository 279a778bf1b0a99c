"""Dramatiq's middleware that interrupts actors, without its hooks: Homa's worker does the interrupting itself.

Dramatiq's raise an exception in the thread that their hook ran in. Here an async actor runs in no thread, so that the
exception would hit whatever that thread runs next. The worker knows what runs where: it raises in the thread of a sync
actor while that actor runs, and cancels the task of an async one.
"""

from __future__ import annotations

from typing import Any

from dramatiq.middleware import Middleware, ShutdownNotifications, TimeLimit


class KeptTimeLimit(TimeLimit):
    """The option `time_limit` and its default, ms; the worker keeps it."""

    def after_process_boot(self, broker: Any) -> None: ...

    def before_process_message(self, broker: Any, message: Any) -> None: ...

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
    ) -> None: ...

    def after_skip_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None: ...


class KeptShutdownNotifications(ShutdownNotifications):
    """The option `notify_shutdown` and its default; the worker notifies."""

    def is_asked_for(self, actor: Any, message: Any) -> bool:
        """Whether an actor is to be interrupted when its worker ends."""
        return bool(self.should_notify(actor, message))  # type: ignore[no-untyped-call]

    def before_worker_shutdown(self, broker: Any, worker: Any) -> None: ...

    def before_process_message(self, broker: Any, message: Any) -> None: ...

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
    ) -> None: ...

    def after_skip_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None: ...


def kept_by_worker(middleware: Middleware) -> Middleware:
    """What stands in a broker for a middleware: Dramatiq's two that interrupt threads are kept by the worker.

    A class derived from one of them has hooks of its own, and stays what it is.
    """
    if type(middleware) is TimeLimit:
        return KeptTimeLimit(time_limit=middleware.time_limit)
    if type(middleware) is ShutdownNotifications:
        return KeptShutdownNotifications(notify_shutdown=middleware.notify_shutdown)
    return middleware


def time_limit_ms(
    middleware: list[Middleware], message_options: dict[str, Any], actor_options: dict[str, Any]
) -> float:
    """How long an actor may run, ms; infinite where no TimeLimit is installed."""
    for installed in middleware:
        if isinstance(installed, KeptTimeLimit):
            return float(message_options.get("time_limit") or actor_options.get("time_limit", installed.time_limit))
    return float("inf")


def asks_for_notice(middleware: list[Middleware], actor: Any, message: Any) -> bool:
    """Whether an actor is to be interrupted when its worker ends."""
    return any(
        installed.is_asked_for(actor, message)
        for installed in middleware
        if isinstance(installed, KeptShutdownNotifications)
    )
