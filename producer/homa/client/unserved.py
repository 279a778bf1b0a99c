"""Says, while somebody waits for a result, that no live worker would bring it: once a wait, and then once a minute.

Thousands of handles may wait in one process: one of them looks, every few seconds. Where this process runs workers of
its own they are asked to serve the queue instead, and what keeps them from it is raised.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from homa.drivers.effects import Flow, NeedWorker, ask
from homa_shared.model.errors import StoreUnavailable
from homa_shared.model.pools import worker_command
from homa_shared.model.records import ENDED, State
from homa_shared.store import reads
from homa_shared.store.keys import Keys

#: How long a result is waited for before anybody looks, and then between looks of a process, s.
LOOK_EACH_S = 3.0
#: How often a queue is told of, s.
_TELL_EACH_S = 60.0

_log = logging.getLogger("homa")
#: By namespace: when a handle of this process looked last.
_looked_s: dict[str, float] = {}
_told_s: dict[tuple[str, str], float] = {}
#: By namespace: how many in this process see to workers by themselves.
_seen_to: Counter[str] = Counter()


@contextmanager
def seen_to(keys: Keys) -> Iterator[None]:
    """Meanwhile nothing is told here: a command that starts workers of its own says what stands in their way."""
    _seen_to[keys.namespace] += 1
    try:
        yield
    finally:
        _seen_to[keys.namespace] -= 1


def tell_if_job_is_unserved(keys: Keys, job_id: str, since_s: float) -> Flow[None]:
    """Looks whether anybody serves the queue of a job that is waited for since then, and tells where nobody does."""
    if not _is_due(keys, since_s):
        return
    try:
        view = yield from ask(reads.job(keys, job_id))
        if view is None or view.job.state in ENDED or view.job.state is State.RUNNING:
            return
        queue = view.job.queue
        if not (yield from ask(reads.live_workers(keys, queue))):
            yield from _serve_or_tell(keys, queue, f"job {job_id} waits", since_s)
    except StoreUnavailable:
        return


def tell_if_batch_is_unserved(keys: Keys, batch_id: str, since_s: float, quiet_since_s: float) -> Flow[None]:
    """The same for a batch of which nothing has ended for a while: of all queues in which jobs are ready."""
    if not _is_due(keys, quiet_since_s):
        return
    try:
        for queue in (yield from unserved_queues(keys)):
            what = f"jobs wait there, and batch {batch_id} is waited for"
            yield from _serve_or_tell(keys, queue, what, since_s)
    except StoreUnavailable:
        return


def unserved_queues(keys: Keys) -> Flow[list[str]]:
    """Queues in which jobs are ready that no live worker takes."""
    rows = yield from ask(reads.queues(keys))
    workers: dict[str, int] = {}
    for queue in sorted({row.queue for row in rows if row.queued and not row.paused}):
        workers[queue] = yield from ask(reads.live_workers(keys, queue))
    return [queue for queue, live in workers.items() if not live]


def nobody_serves(queue: str) -> str:
    """What a person reads of a queue without a worker."""
    return f"no live worker serves the queue {queue}: start one with `{worker_command(queue)}`"


def _is_due(keys: Keys, since_s: float) -> bool:
    now_s = time.monotonic()
    if _seen_to[keys.namespace]:
        return False
    if now_s - since_s < LOOK_EACH_S or now_s - _looked_s.get(keys.namespace, 0.0) < LOOK_EACH_S:
        return False
    _looked_s[keys.namespace] = now_s
    return True


def _serve_or_tell(keys: Keys, queue: str, what: str, since_s: float) -> Flow[None]:
    if (yield NeedWorker(queue)):
        return
    now_s = time.monotonic()
    told_s = _told_s.get((keys.namespace, queue), -math.inf)
    # Somebody who began to wait after the last time has not been told.
    if told_s < since_s or now_s - told_s >= _TELL_EACH_S:
        _told_s[keys.namespace, queue] = now_s
        _log.warning("no live worker serves the queue %s: %s; start one with `%s`", queue, what, worker_command(queue))
