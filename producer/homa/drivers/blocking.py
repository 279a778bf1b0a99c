"""Drives flows for threads: every effect blocks the thread that asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from homa.drivers.context import Context
from homa.drivers.effects import AwaitEnd, Block, Effect, Emit, Flow, GetBlob, Hurried, NeedWorker, PutBlob, Sleep
from homa_shared.model.errors import StoreUnavailable

if TYPE_CHECKING:
    from homa.drivers.source import ClientSource
    from homa_shared.store.client import Store

T = TypeVar("T")

#: Pause after listening went wrong, s.
_AWAY_S = 0.2


class BlockingDriver:
    """Runs flows against the store of a context. Safe for threads; a forked child connects anew."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store: Store | None = None
        self._hurried: tuple[float, Store] | None = None
        #: The fake fleet that they were connected for.
        self._fake = context.fake

    def __reduce__(self) -> tuple[Any, ...]:
        from homa.drivers.source import ClientSource

        return _driver_at, (ClientSource.of(self._context),)

    @property
    def store(self) -> Store:
        """The store, connected to at the first need."""
        self._follow()
        store = self._store
        if store is None:
            # Two threads may come here at once: both stores work; the one replaced is closed after its last use.
            store = self._store = self._context.connect()
        return store

    def run(self, flow: Flow[T]) -> T:
        """A flow's result."""
        values = self._drive(flow)
        while True:
            try:
                next(values)
            except StopIteration as stop:
                result: T = stop.value
                return result

    def iterate(self, flow: Flow[None]) -> Iterator[Any]:
        """The values that a flow emits."""
        yield from self._drive(flow)

    def close(self) -> None:
        """Closes the connections; the next flow opens new ones."""
        store, self._store = self._store, None
        hurried, self._hurried = self._hurried, None
        for each in (store, hurried[1] if hurried else None):
            if each is not None:
                each.close()

    def _in_a_hurry(self, seconds: float) -> Store:
        self._follow()
        hurried = self._hurried
        if hurried is None or hurried[0] != seconds:
            hurried = self._hurried = (seconds, self._context.connect(seconds))
        return hurried[1]

    def _follow(self) -> None:
        """Forgets connections that lead to another store than the context does now."""
        if self._fake is not self._context.fake:
            self._store = self._hurried = None
            self._fake = self._context.fake

    def _drive(self, flow: Flow[T]) -> Any:
        with ExitStack() as stack:
            stack.callback(flow.close)
            ends: dict[str, Any] = {}
            send, argument = flow.send, None
            while True:
                try:
                    effect = send(argument)
                except StopIteration as stop:
                    return stop.value
                if isinstance(effect, Emit):
                    yield effect.value
                    send, argument = flow.send, None
                    continue
                try:
                    send, argument = flow.send, self._perform(effect, stack, ends)
                except Exception as error:
                    send, argument = flow.throw, error

    def _perform(self, effect: Effect, stack: ExitStack, ends: dict[str, Any]) -> Any:
        if isinstance(effect, Sleep):
            time.sleep(effect.seconds)
            return None
        if isinstance(effect, NeedWorker):
            return self._context.need_worker(effect.queue)
        if isinstance(effect, PutBlob):
            return self._context.need_blobs().put(effect.path, effect.data)
        if isinstance(effect, GetBlob):
            return self._context.need_blobs().get(effect.path)
        if isinstance(effect, Hurried):
            return self._in_a_hurry(effect.seconds).run(effect.op)
        if isinstance(effect, Block):
            return self.store.wait(*effect.command)
        if isinstance(effect, AwaitEnd):
            return _await_end(self.store, effect, stack, ends)
        assert not isinstance(effect, Emit)
        return self.store.run(effect)


def _await_end(store: Store, effect: AwaitEnd, stack: ExitStack, ends: dict[str, Any]) -> bool:
    from redis.exceptions import RedisError

    try:
        if effect.job_id in ends:
            return _announced(ends[effect.job_id], effect.seconds)
        ends[effect.job_id] = stack.enter_context(store.subscription([store.keys.channel_end(effect.job_id)]))
    except (RedisError, StoreUnavailable):
        # The look at the job, which comes next, tells whether the store is away; the next wait listens anew.
        ends.pop(effect.job_id, None)
        time.sleep(min(effect.seconds, _AWAY_S))
    return False


def _announced(pubsub: Any, seconds: float) -> bool:
    """Waits for a message; the confirmation of the subscription does not count."""
    give_up_s = time.monotonic() + seconds
    while (left_s := give_up_s - time.monotonic()) > 0:
        if pubsub.get_message(timeout=left_s) is not None:
            return True
    return False


#: Of handles that were unpickled here: those of one store share its connections.
_unpickled: WeakValueDictionary[ClientSource, BlockingDriver] = WeakValueDictionary()
_unpickling = threading.Lock()


def _driver_at(source: ClientSource) -> BlockingDriver:
    with _unpickling:
        driver = _unpickled.get(source)
        if driver is None:
            driver = _unpickled[source] = BlockingDriver(source.context())
        return driver
