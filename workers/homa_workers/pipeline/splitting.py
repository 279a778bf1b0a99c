"""Code steps whose results are parts: a list, which is put into the run before the step ends.

Whoever is lost in the middle is followed by one that puts the same parts in again, of which those that are there are
passed over. So a function has to make the same parts of the same input; where it does not, the item fails and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import orjson

from homa_shared.calls.flow_items import CHUNK_BYTES, CHUNK_ITEMS, MOST_BYTES, encoded, fields_of_part
from homa_shared.model.errors import InvalidRequest, StoreFull, StoreUnavailable
from homa_shared.model.records import State
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions.flows import Section, put_items
from homa_workers.attempt import RunningAttempt
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes.halting import Halted, Unsent, ended, stopped
from homa_workers.outcomes.outcomes import Released, Succeeded
from homa_workers.pipeline.code_steps import code_reply, result_of
from homa_workers.store_io.persist import BACKOFF, NOT_HERE_MS
from homa_workers.tools.toolbox import Toolbox

#: Most parts of one input.
MOST_PARTS = 100_000


async def split_by_code(attempt: RunningAttempt, toolbox: Toolbox, store: AsyncStore, log: WorkerLog) -> Succeeded:
    """Puts the parts that a function makes into the run; the reply says how many there are.

    Raises:
        Halted: as `run_code`; or what it made is no list of parts, or another one than before.
    """
    parts = _parts(attempt, await result_of(attempt, toolbox, MOST_BYTES))
    for section in _sections(attempt, parts):
        said = await _put(store, put_items(store.keys, attempt.claim.batch, [section]), log)
        if said != "ok":
            raise _refused(attempt, said)
    return code_reply(attempt, orjson.dumps({"parts": len(parts)}).decode())


async def _put(store: AsyncStore, op: Op[str], log: WorkerLog) -> str:
    """Puts parts in. Those that are there already are passed over when the same are put in again, by whoever it is.

    Raises:
        Halted: the store has no room for them. Others may make some, in the slot that this attempt would wait in.
    """
    failures = 0
    while True:
        try:
            return await store.run(op)
        except StoreFull as error:
            raise Halted(Released(f"no room for its parts: {error}", NOT_HERE_MS)) from error
        except StoreUnavailable as error:
            log.store_away(error)
        failures += 1
        await asyncio.sleep(BACKOFF.pause_s(failures))


def _parts(attempt: RunningAttempt, said: str) -> list[bytes]:
    name = attempt.request.rules.code
    try:
        found = orjson.loads(said)
    except ValueError:
        found = said
    if not isinstance(found, list):
        raise _failed(f"{name} returned {found!r:.80}: expected a list of texts or objects, the parts")
    if len(found) > MOST_PARTS:
        raise _failed(f"{name} returned {len(found):,} parts: expected at most {MOST_PARTS:,}")
    try:
        return [_encoded(f"part {n} of {name}", part) for n, part in enumerate(found)]
    except InvalidRequest as error:
        raise _failed(str(error)) from error


def _encoded(place: str, part: object) -> bytes:
    return encoded(place, fields_of_part(place, part))


def _sections(attempt: RunningAttempt, parts: Sequence[bytes]) -> Iterator[Section]:
    """The parts in chunks, the last of which says that no more come."""
    source, scope = attempt.request.rules.splits, attempt.claim.custom_id.partition(" ")[2]
    first, size = 0, 0
    for at, part in enumerate(parts):
        if at - first >= CHUNK_ITEMS or (size and size + len(part) > CHUNK_BYTES):
            yield Section(source, scope, first, parts[first:at])
            first, size = at, 0
        size += len(part)
    yield Section(source, scope, first, parts[first:], seal=True)


def _refused(attempt: RunningAttempt, said: str) -> Halted:
    name = attempt.request.rules.code
    if said == "differs":
        return _failed(f"{name} returned other parts than it did before its worker was lost: expected the same ones")
    if said == "cancelled":
        return ended(Unsent("cancelled", "its run was cancelled while its parts were put in"), State.CANCELLED)
    return stopped(f"its attempt was over while its parts were put in ({said or 'no such run'})")


def _failed(message: str) -> Halted:
    return ended(Unsent("code", message), State.FAILED)
