"""Homa's broker for Dramatiq: ordinary actors' messages live in the same store, under the same guarantees, as jobs.

Each enqueue makes a record of its own, leased and recovered like a job, however many messages share an id. What an
actor enqueues while it runs is kept back and committed together with its ack, so that a run that is lost half-way
leaves no half of its messages behind, and Dramatiq's retries (which enqueue the message anew) are one transition
instead of two. An actor can therefore not wait for the result of a message that it has just sent.
"""

from __future__ import annotations

import math
import os
import time
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import dramatiq
from dramatiq.common import current_millis
from dramatiq.errors import QueueJoinTimeout, QueueNotFound
from dramatiq.middleware import (
    AgeLimit,
    AsyncIO,
    Callbacks,
    CurrentMessage,
    GroupCallbacks,
    Middleware,
    Pipelines,
    Retries,
    default_middleware,
)

from homa_shared.calls.failures import ProviderError
from homa_shared.interrupts import KeptShutdownNotifications, KeptTimeLimit, kept_by_worker
from homa_shared.model.constants import ACTOR_TARGET, MOST_PRIORITY
from homa_shared.model.records import Lane
from homa_shared.settings.encryption import keyring_given
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import Op, mapping, number
from homa_shared.store.transitions.admin import flush_messages
from homa_shared.store.transitions.messages import Enqueued
from homa_shared.store.transitions.submit import Common, Entry, submit

#: The actor that all jobs are messages to, as middleware sees it.
COMPLETE = "homa.complete"

#: Middleware of Dramatiq's that acts on options which jobs don't have.
_NO_BUSINESS = (
    *(AgeLimit, AsyncIO, Callbacks, CurrentMessage, GroupCallbacks, Pipelines, Retries),
    *(KeptShutdownNotifications, KeptTimeLimit),
)


_RUN_IT = "run `homa worker --actors MODULE`, or HomaWorker(broker)"

#: The option of an enqueued message that names its record, as Dramatiq's Redis broker has `redis_message_id`.
RECORD_OPTION = "homa_record_id"


@dataclass(slots=True)
class MessageRun:
    """What a running actor has enqueued so far."""

    #: The record that runs, and the message in it.
    record: str
    message_id: str = ""
    queue: str = ""
    lane: str = ""
    #: The actor is through, and the hooks after it run.
    is_ending: bool = False
    enqueued: list[Enqueued] = field(default_factory=list)
    #: The message itself, enqueued anew by a hook after its run (a retry): it keeps its record.
    again: Enqueued | None = None

    def add(self, message_id: str, entry: Enqueued) -> None:
        """Keeps back what the run enqueues."""
        is_itself = (message_id, entry.queue, entry.lane) == (self.message_id, self.queue, self.lane)
        if self.is_ending and is_itself and self.again is None:
            self.again = replace(entry, id=self.record)
        else:
            self.enqueued.append(entry)


#: The run that the present context belongs to, if any.
current_run: ContextVar[MessageRun | None] = ContextVar("homa_current_run", default=None)


class HomaBroker(dramatiq.Broker):
    """A `dramatiq.Broker` on Homa's store.

    The default middleware is Dramatiq's, and CurrentMessage. What TimeLimit and ShutdownNotifications say is kept by
    the worker itself (interrupts.py).

    Args:
        address: the store, or its URL.
        namespace: the cell in it.
        middleware: replaces the default one, as in Dramatiq.
        encryption_keys: seal messages, as in HOMA_ENCRYPTION_KEYS; None: those of the address, else of the environment.
    """

    def __init__(
        self,
        address: StoreAddress | str,
        namespace: str = "homa",
        *,
        middleware: list[Middleware] | None = None,
        encryption_keys: str | None = None,
    ) -> None:
        self.queues: set[str] = set()
        #: Whether anybody but Dramatiq's own middleware, which has no business with jobs, watches messages go by.
        self.watched = False
        #: Whether others' middleware is installed: it may note the thread of a hook, and raise an exception there.
        self.may_interrupt = False
        default = [kind() for kind in (*default_middleware, CurrentMessage)]
        super().__init__(middleware=default if middleware is None else middleware)
        # Dramatiq's own has set it to a dictionary.
        self.queues = set()
        if isinstance(address, str):
            address = StoreAddress.parse(address, origin="address")
        self.address = replace(address, keyring=keyring_given(encryption_keys, address.keyring))
        self.namespace = namespace
        self.store = Store(self.address, namespace, role="broker")

    def add_middleware(self, middleware: Middleware, **place: Any) -> None:
        """Adds a middleware, as Dramatiq does."""
        middleware = kept_by_worker(middleware)
        super().add_middleware(middleware, **place)
        kind = type(middleware)
        self.watched = self.watched or kind not in _NO_BUSINESS
        # Only Dramatiq's own is known to leave threads alone, which a class derived from it need not.
        known = kind in _NO_BUSINESS or kind.__module__.startswith("dramatiq.")
        self.may_interrupt = self.may_interrupt or not known

    def declare_actor(self, actor: dramatiq.Actor[Any, Any]) -> None:
        """Registers an actor and its queue. Jobs' queues are their providers' own: their actor brings none."""
        if actor.actor_name != COMPLETE:
            super().declare_actor(actor)
            return
        self.emit_before("declare_actor", actor)
        self.actors[COMPLETE] = actor
        self.emit_after("declare_actor", actor)

    def declare_completion(self) -> None:
        """Declares the actor of jobs: middleware may look up the actor of any message that it is shown."""
        if COMPLETE not in self.actors:
            # Retries must leave jobs alone: the pipeline decides. Nothing may be raised in the loop's own thread, in
            # which a job's hooks run: dramatiq-abort reads `abortable`.
            options = {"max_retries": 0, "throws": ProviderError, "abortable": False, "notify_shutdown": False}
            options["time_limit"] = float("inf")
            dramatiq.Actor(
                _complete, broker=self, actor_name=COMPLETE, queue_name="default", priority=0, options=options
            )

    def close(self) -> None:
        """Closes the connection; messages stay."""
        self.store.close()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30000) -> dramatiq.Consumer:
        raise RuntimeError(f"queue {queue_name!r} cannot be consumed by Dramatiq's own worker: {_RUN_IT}")

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """Tells middleware, as Dramatiq does; a worker of Dramatiq's own is refused before it starts.

        Raises:
            RuntimeError: a worker other than HomaWorker begins, as the command `dramatiq` starts it.
        """
        if signal == "worker_boot" and not hasattr(args[0], "homa_broker"):
            raise RuntimeError(f"HomaBroker cannot be consumed by Dramatiq's own worker: {_RUN_IT}")
        super().emit_before(signal, *args, **kwargs)

    def get_declared_queues(self) -> set[str]:
        return set(self.queues)

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Puts a message on its queue, after `delay` ms. Inside a running actor: together with its ack.

        Args:
            message: as often as it is enqueued it runs, whatever its id.
            delay: ms; None: at once, or at the `eta` among its options (ms since 1970), where it has one.

        Returns:
            A copy as it was enqueued; its option `homa_record_id` names its record.
        """
        self.declare_queue(message.queue_name)
        record = f"{message.message_id}.{os.urandom(6).hex()}"
        eta = _eta(message) if delay is None else current_millis() + delay
        # As in Dramatiq's brokers a delayed message has an eta, which middleware may read; the one that runs has none.
        message = message.copy(options={RECORD_OPTION: record} if eta is None else {RECORD_OPTION: record, "eta": eta})
        self.emit_before("enqueue", message, delay)
        due_ms = delay or 0 if eta is None or delay is not None else eta - current_millis()
        priority = self._priority(message)
        delay_ms, body = max(0, int(due_ms)), _without_eta(message)
        entry = Enqueued(record, message.queue_name, _lane(priority), body, delay_ms, priority)
        run = current_run.get()
        if run is None:
            self._submit(entry)
        else:
            run.add(message.message_id, entry)
        self.emit_after("enqueue", message, delay)
        return message

    def _submit(self, entry: Enqueued) -> None:
        common = Common(entry.queue, entry.lane, ACTOR_TARGET, kind="m", priority=entry.priority)
        self.store.run(submit(self.store.keys, common, [Entry(entry.id, entry.body, due_ms=entry.delay_ms)]))

    def _priority(self, message: dramatiq.Message[Any]) -> int:
        actor = self.actors.get(message.actor_name)
        priority: float = message.options.get("broker_priority", actor.priority if actor else 0)
        return math.floor(max(-MOST_PRIORITY, min(MOST_PRIORITY, priority)))

    def flush(self, queue_name: str) -> None:
        """Drops the messages that wait on a queue. Jobs are cancelled, never flushed."""
        while self.store.run(flush_messages(self.store.keys, queue_name)):
            pass

    def flush_all(self) -> None:
        for queue_name in self.get_declared_queues():
            self.flush(queue_name)

    def join(self, queue_name: str, *, timeout: int | None = None) -> None:
        """Waits until nothing of a queue waits, is due or runs.

        Raises:
            QueueNotFound: it was never declared.
            QueueJoinTimeout: it took longer than `timeout` ms.
        """
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while self.store.run(_unfinished(self.store, queue_name)):
            if deadline is not None and time.monotonic() >= deadline:
                raise QueueJoinTimeout(queue_name)
            time.sleep(0.02)


def _lane(priority: int) -> str:
    """The lane of a priority of Dramatiq's (lower goes first): each has an order of its own within it."""
    return Lane.HIGH if priority < 0 else Lane.BULK if priority > 0 else Lane.DEFAULT


def _eta(message: dramatiq.Message[Any]) -> int | None:
    """When a message may run, ms since 1970: the option that Dramatiq's consumers read. Other values: at once."""
    eta = message.options.get("eta")
    return int(eta) if isinstance(eta, int | float) and not isinstance(eta, bool) else None


def _without_eta(message: dramatiq.Message[Any]) -> bytes:
    options = {name: value for name, value in message.options.items() if name != "eta"}
    return replace(message, options=options).encode()


def _complete() -> None:
    raise RuntimeError(f"{COMPLETE} is run by HomaWorker's pipeline; submit jobs with homa.Homa, not as messages")


def _unfinished(store: Store, queue_name: str) -> Op[int]:
    def parse(replies: list[Any]) -> int:
        counts = mapping(replies[0])
        return sum(number(value) for name, value in counts.items() if name != "paused")

    return Op((("HGETALL", store.keys.queue(queue_name)),), parse)
