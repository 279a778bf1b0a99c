"""What earlier runs of a table's name have left in the store.

A name's batches are listed under a key of its own. Jobs are found by idempotency keys, which belong to the name: a row
that has an answer is not asked again, one whose job goes on is waited for, and one whose job ended without an answer
is asked anew under the next key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa.client.outcomes import EndRecord, outcomes
from homa.client.results import Failure, Reply
from homa.client.tables.order import Order
from homa.drivers.effects import Flow, ask_patiently
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read, text
from homa_shared.store.reads.jobs import opened_metadata
from homa_shared.store.sealing import opened_reply
from homa_shared.store.transitions import admin

#: Field of a batch's record that has the mark of its order.
ORDER = "order"
#: Batches of a name that are remembered, the newest: money counts, and work is taken up, over these.
_MOST_BATCHES = 100


@dataclass(frozen=True, slots=True)
class Held:
    """A job that has a row's key."""

    end: EndRecord
    batch: str
    #: The job that retried it; empty: none.
    retried_by: str


@dataclass(frozen=True, slots=True)
class Found:
    """What earlier runs know of a row."""

    #: Its answer; None where there is none yet.
    reply: Reply[Any] | None = None
    #: Batch and custom_id of the job that goes on; empty: none does.
    batch: str = ""
    custom_id: str = ""
    #: Key under which it is to be asked, where neither is there.
    key: str = ""


class EarlierRuns:
    """The batches of a name, and the jobs that have keys of its rows."""

    def __init__(self, keys: Keys, order: Order) -> None:
        self._keys, self._order = keys, order
        self._index = keys.own("table", f"{order.tenant}:{order.name}")
        #: Batches that the store still holds, as they stood when they were looked at.
        self.batches: dict[str, reads.BatchView] = {}

    def take_up(self) -> Flow[list[str]]:
        """Looks at the name's batches: those of the same order go on, what others have not begun is cancelled.

        Returns:
            those that were cancelled.
        """
        listed = yield from ask_patiently(_listed(self._index))
        cancelled = []
        for batch_id in listed:
            view = yield from self.look(batch_id)
            if view is None or view.complete or view.cancel:
                continue
            if view.raw.get(ORDER) != self._order.mark:
                yield from ask_patiently(admin.cancel_batch(self._keys, batch_id))
                cancelled.append(batch_id)
            else:
                if view.state == "open":  # what its run had not submitted goes into a batch of this one's
                    yield from ask_patiently(admin.seal_batch(self._keys, batch_id, view.submitted))
                if view.paused:
                    yield from ask_patiently(admin.resume_batch(self._keys, batch_id))
            yield from self.look(batch_id)
        return cancelled

    def note(self, batch_id: str, kept_ms: int) -> Flow[None]:
        """Lists a batch that is about to be opened."""
        yield from ask_patiently(_list(self._index, batch_id, kept_ms))

    def live(self) -> list[str]:
        """Batches of the same order that go on."""
        return [name for name, view in self.batches.items() if not view.complete and not view.cancel]

    def find(self, digests: Sequence[str]) -> Flow[list[Found]]:
        """What is known of rows, by their digests."""
        found: dict[int, Found] = {}
        todo, attempt = list(range(len(digests))), 0
        while todo:
            names = {place: self._order.key(digests[place], attempt) for place in todo}
            ids = yield from ask_patiently(_named(self._keys, self._order.tenant, list(names.values())))
            held = yield from self._held([job_id for job_id in ids if job_id])
            found.update({place: Found(key=names[place]) for place, job_id in zip(todo, ids, strict=True)})
            judged = yield from self.judge(held)
            todo = [place for place, job_id in zip(todo, ids, strict=True) if job_id and job_id in held]
            here = dict(zip(names, ids, strict=True))
            found.update({place: known for place in todo if (known := judged[here[place]]) is not None})
            todo = [place for place in todo if judged[here[place]] is None]
            attempt += 1
        return [found[place] for place in range(len(digests))]

    def judge(self, held: Mapping[str, Held]) -> Flow[dict[str, Found | None]]:
        """What each job brings: an answer, or that it goes on; None: neither."""
        judged: dict[str, Found | None] = dict.fromkeys(held)
        answered = {job_id: each.end for job_id, each in held.items() if each.end.state is State.SUCCEEDED}
        replies = yield from outcomes(self._keys, list(answered.values()), self._order.schema)
        for job_id, outcome in zip(answered, replies, strict=True):
            judged[job_id] = Found(reply=outcome) if isinstance(outcome, Reply) else None
        for job_id, each in held.items():
            if not each.end.ended and each.batch:
                view = self.batches.get(each.batch) or (yield from self.look(each.batch))
                if view is not None and not view.cancel:
                    judged[job_id] = Found(batch=each.batch, custom_id=each.end.custom_id)
        return judged

    def outcome(self, job_id: str) -> Flow[Reply[Any] | Failure | Found]:
        """How a job stands that had a row's key when the row was submitted."""
        held = yield from self._held([job_id])
        judged = yield from self.judge(held)
        if (found := judged.get(job_id)) is not None:
            return found if found.reply is None else found.reply
        end = held[job_id].end if job_id in held else EndRecord(job_id, None, "", None)
        (outcome,) = yield from outcomes(self._keys, [end], self._order.schema)
        return outcome

    def _held(self, job_ids: Sequence[str]) -> Flow[dict[str, Held]]:
        """Jobs that the store holds; of one that was retried, the latest retry."""
        found: dict[str, Held] = {}
        latest = dict(zip(job_ids, job_ids, strict=True))
        while latest:
            records = yield from ask_patiently(_read_held(self._keys, list(latest.values())))
            known = dict(zip(latest, records, strict=True))
            found.update({first: each for first, each in known.items() if each.end.state is not None})
            latest = {first: each.retried_by for first, each in known.items() if each.retried_by}
        return found

    def look(self, batch_id: str) -> Flow[reads.BatchView | None]:
        """A batch as it stands now, which counts among the name's from now on."""
        view = yield from ask_patiently(reads.batch(self._keys, batch_id))
        if view is not None:
            self.batches[batch_id] = view
        return view


def _listed(index: str) -> Op[list[str]]:
    return read((("ZRANGE", index, 0, -1),), lambda replies: [text(item) for item in replies[0]])


def _list(index: str, batch_id: str, kept_ms: int) -> Op[None]:
    """Batch ids ascend with time, so that those of one score stand in the order in which they were made."""
    commands = (
        ("ZADD", index, 0, batch_id),
        ("ZREMRANGEBYRANK", index, 0, -_MOST_BATCHES - 1),
        ("PEXPIRE", index, kept_ms),
    )
    return read(commands, lambda _: None)


def _named(keys: Keys, tenant: str, names: Sequence[str]) -> Op[list[str]]:
    """Jobs that have these idempotency keys; empty for a key that is free."""

    def parse(replies: list[Any]) -> list[str]:
        return [text(held).partition(" ")[0] for held in replies[0]]

    return read((("MGET", *(keys.idempotency(tenant, name) for name in names)),), parse)


def _read_held(keys: Keys, job_ids: Sequence[str]) -> Op[list[Held]]:
    commands: list[tuple[Any, ...]] = []
    for job_id in job_ids:
        commands += [("HMGET", keys.job(job_id), "st", "ci", "md", "ba", "rb"), ("GET", keys.reply(job_id))]

    def parse(replies: list[Any]) -> list[Held]:
        found = []
        for i, job_id in enumerate(job_ids):
            (state, custom_id, metadata, batch, retried), raw = replies[2 * i], replies[2 * i + 1]
            known = State(text(state)) if state else None
            carried = opened_metadata(keys, metadata)
            end = EndRecord(job_id, known, text(custom_id), opened_reply(keys, raw), metadata=carried)
            found.append(Held(end, text(batch), text(retried)))
        return found

    return read(commands, parse)
