"""A tenant is erased: all that is kept of its jobs, in bounded slices; what broke off is done again from the start.

Live jobs are cancelled first. Lines and sums of the ledger stay: they say what was called when and what it cost, and
hold no content. A job whose cost is unresolved leaves a record without content, since only a record can resolve it.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from homa.client.management.gateway_erasure import erase_files
from homa.drivers.effects import Flow, Sleep, ask_patiently
from homa_shared.model.constants import SLICE
from homa_shared.model.records import Job
from homa_shared.store import reads
from homa_shared.store.audit_trail import NOTHING, audited
from homa_shared.store.gateway_keys import all_keys, forget_name, revoke_key
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.reads.conversations import conversations
from homa_shared.store.reads.handlers import handlers
from homa_shared.store.reads.jobs import ENDED_LISTS, LIVE_LISTS
from homa_shared.store.reads.schedules import schedule_names, schedules
from homa_shared.store.reads.webhooks import webhooks
from homa_shared.store.transitions import admin, erasure
from homa_shared.store.transitions.conversations import delete as delete_conversation
from homa_shared.store.transitions.schedules import delete_schedule

#: Pause between two looks whether cancelled jobs have ended, s.
_LOOK_S = 0.2


@dataclass(slots=True)
class Receipt:
    """What was erased of a tenant, or would be."""

    tenant: str
    #: By the store's clock, ms.
    at_ms: int
    #: Kind of thing -> how many.
    counts: Counter[str] = field(default_factory=Counter)
    #: Jobs of which a record without content stays, since their cost is unresolved.
    kept: set[str] = field(default_factory=set)
    #: Jobs that still run: erase again once they have ended.
    running: int = 0
    #: Of the ids of all jobs that were erased.
    jobs_digest: str = ""

    @property
    def document(self) -> dict[str, object]:
        """As JSON, without its own digest."""
        return {
            "tenant": self.tenant,
            "at_ms": self.at_ms,
            "erased": dict(sorted(self.counts.items())),
            "kept_for_unresolved_cost": len(self.kept),
            "still_running": self.running,
            "jobs_digest": self.jobs_digest,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the document as canonical JSON: the audit trail has it, too."""
        return hashlib.sha256(orjson.dumps(self.document, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Erasure:
    """Erases one tenant.

    Args:
        keys: of the store.
        tenant: its name.
        look_only: count, and change nothing.
        patience_s: how long running jobs that were cancelled are waited for.
    """

    def __init__(self, keys: Keys, tenant: str, *, look_only: bool = False, patience_s: float = 60.0) -> None:
        self._keys, self._tenant = keys, tenant
        self._look_only, self._patience_s = look_only, patience_s
        self._ids = hashlib.sha256()
        self._batches_kept: set[str] = set()

    def erase(self) -> Flow[Receipt]:
        """Erases what there is; what is there no more is not counted.

        Raises:
            StoreUnavailable: what was erased until then is; erase again.
        """
        receipt = Receipt(self._tenant, (yield from ask_patiently(reads.server_time(self._keys))))
        yield from self._schedules(receipt)
        yield from self._gateway_keys(receipt)
        yield from self._conversations(receipt)
        receipt.counts += yield from erase_files(self._keys, self._tenant, look_only=self._look_only)
        batches = yield from self._close_batches()
        yield from self._live_jobs(receipt)
        yield from self._ended_jobs(receipt)
        yield from self._batches(receipt, batches)
        if not self._look_only:
            yield from self._told_of(receipt)
            yield from self._derived(receipt)
            receipt.jobs_digest = self._ids.hexdigest()
            told = {**receipt.document, "digest": receipt.digest}
            yield from ask_patiently(audited(NOTHING, "tenant.erased", self._tenant, **told))
        return receipt

    def _schedules(self, receipt: Receipt) -> Flow[None]:
        names = yield from ask_patiently(schedule_names(self._keys))
        ids = list(names.values())
        for start in range(0, len(ids), SLICE):
            for view in (yield from ask_patiently(schedules(self._keys, ids[start : start + SLICE]))):
                if view.raw.get("tenant", "") == self._tenant:
                    receipt.counts["schedules"] += 1
                    # Deliveries are found by their schedule alone: it goes behind them.
                    if (yield from self._scheduled_deliveries(receipt, view.id)) == 0:
                        yield from self._do(delete_schedule(self._keys, view.id, nameless=True))

    def _scheduled_deliveries(self, receipt: Receipt, schedule: str) -> Flow[int]:
        """Deliveries of a schedule, which say what its jobs came to; how many are still under way."""
        names = yield from ask_patiently(erasure.deliveries_of(self._keys, schedule))
        if self._look_only:
            receipt.counts["deliveries"] += len(names)
            return 0
        erase = erasure.erase_deliveries(self._keys, self._tenant, names)
        return (yield from self._messages(receipt, "deliveries", names, erase))

    def _messages(
        self, receipt: Receipt, kind: str, names: Sequence[str], erase: Op[erasure.ErasedMessages]
    ) -> Flow[int]:
        """Cancels messages of deliveries, and erases them once they have ended; how many have not."""
        give_up_s = time.monotonic() + self._patience_s
        while True:
            for start in range(0, len(names), SLICE):
                yield from ask_patiently(admin.cancel(self._keys, names[start : start + SLICE]))
            told = yield from ask_patiently(erase)
            receipt.counts[kind] += told.erased
            if told.live == 0 or time.monotonic() > give_up_s:
                receipt.running += told.live
                return told.live
            yield Sleep(_LOOK_S)

    def _gateway_keys(self, receipt: Receipt) -> Flow[None]:
        for key in (yield from ask_patiently(all_keys(self._keys))):
            if key.tenant != self._tenant or (key.revoked_ms is not None and not key.name):
                continue
            receipt.counts["keys"] += 1
            yield from self._do(revoke_key(self._keys, key.id, receipt.at_ms))
            yield from self._do(forget_name(self._keys, key))

    def _conversations(self, receipt: Receipt) -> Flow[None]:
        start = 0
        while True:
            page, looked = yield from ask_patiently(conversations(self._keys, start=start, count=SLICE))
            mine = [found.id for found in page if found.owner.tenant == self._tenant]
            for name in mine:
                yield from self._do(delete_conversation(self._keys, name))
            receipt.counts["conversations"] += len(mine)
            if looked < SLICE:
                return
            # What was deleted moved the rest up.
            start += looked if self._look_only else looked - len(mine)

    def _close_batches(self) -> Flow[list[reads.BatchView]]:
        """The tenant's batches, which take no more lines from now on."""
        found, cursor = [], ""
        while True:
            page = yield from ask_patiently(reads.batches_before(self._keys, cursor, SLICE))
            for name in page.ids:
                view = yield from ask_patiently(reads.batch(self._keys, name))
                if view is not None and view.tenant == self._tenant:
                    found.append(view)
                    if not view.complete:
                        yield from self._do(admin.cancel_batch(self._keys, name))
            if len(page.ids) < SLICE:
                return found
            cursor = page.cursor

    def _live_jobs(self, receipt: Receipt) -> Flow[None]:
        """Cancels what is live, and waits for what runs to end."""
        give_up_s = time.monotonic() + self._patience_s
        while True:
            live = yield from self._each(LIVE_LISTS, self._cancel)
            if self._look_only:
                receipt.counts["jobs"] += live
                return
            if live == 0 or time.monotonic() > give_up_s:
                receipt.running += live
                return
            yield Sleep(_LOOK_S)

    def _cancel(self, jobs: Sequence[Job]) -> Flow[int]:
        answers = yield from ask_patiently(admin.cancel(self._keys, [job.id for job in jobs]))
        return answers.count("cancelled")

    def _ended_jobs(self, receipt: Receipt) -> Flow[None]:
        def erase(jobs: Sequence[Job]) -> Flow[int]:
            batches = {job.id: job.batch for job in jobs}
            told = yield from ask_patiently(erasure.erase_jobs(self._keys, self._tenant, list(batches)))
            for name in sorted(batches.keys() - receipt.kept):
                self._ids.update(f"{name}\n".encode())
            fresh = set(told.kept) - receipt.kept
            receipt.counts["jobs"] += told.erased
            receipt.kept |= fresh
            self._batches_kept.update(batch for name in told.kept if (batch := batches[name]))
            return told.erased + len(fresh)

        seen = yield from self._each(ENDED_LISTS, erase)
        if self._look_only:
            receipt.counts["jobs"] += seen

    def _each(self, lists: Sequence[str], act: Callable[[Sequence[Job]], Flow[int]]) -> Flow[int]:
        """Hands the tenant's jobs of some lists to `act`, which tells how many it moved away; how many it left there.

        What is moved away moves the rest of a list up, so that a page is read again while something on it moves.
        """
        left = 0
        for name in lists:
            cursor: str | None = ""
            while cursor is not None:
                asked = reads.jobs(self._keys, tenant=self._tenant, lists=[name], limit=SLICE, cursor=cursor or None)
                page = yield from ask_patiently(asked)
                moved = (yield from act(page.jobs)) if page.jobs and not self._look_only else 0
                if not moved:
                    left += len(page.jobs)
                    cursor = page.cursor
        return left

    def _batches(self, receipt: Receipt, found: Sequence[reads.BatchView]) -> Flow[None]:
        receipt.counts["batches"] += len(found)
        for run in (view.id for view in found if "flow" in view.raw and not self._look_only):
            cursor = "0"
            while cursor:
                items, cursor = yield from ask_patiently(erasure.erase_flow(self._keys, self._tenant, run, cursor))
                receipt.counts["flow_items"] += items
        # What names them goes first: they alone tell of it.
        for table in sorted({view.name for view in found if view.name}):
            yield from self._do(erasure.forget_table(self._keys, self._tenant, table))
        for whole in (True, False):
            ids = [view.id for view in found if (view.id not in self._batches_kept) is whole]
            for start in range(0, len(ids), SLICE):
                some = ids[start : start + SLICE]
                yield from self._do(erasure.erase_batches(self._keys, self._tenant, some, whole=whole))

    def _told_of(self, receipt: Receipt) -> Flow[None]:
        """Webhooks, events, and dead letters of those who were told of them."""
        yield from self._webhooks(receipt)
        names = [row.name for row in (yield from ask_patiently(handlers(self._keys)))]
        for handler in ("", *names):
            after = ""
            while True:
                erased, after = yield from ask_patiently(erasure.erase_events(self._keys, self._tenant, handler, after))
                receipt.counts["events"] += erased
                if not after:
                    break
        for handler in names:
            letters = partial(erasure.erase_letters, self._keys, self._tenant, handler)
            receipt.counts["dead_letters"] += yield from self._look(letters, moves=True)

    def _webhooks(self, receipt: Receipt) -> Flow[None]:
        """What became of its webhooks; those that were still to be told are not."""
        messages = [hook.message for hook in (yield from ask_patiently(webhooks(self._keys, self._tenant)))]
        erase = erasure.erase_webhooks(self._keys, self._tenant, messages)
        yield from self._messages(receipt, "webhooks", messages, erase)

    def _derived(self, receipt: Receipt) -> Flow[None]:
        """Media that nobody shows any more, and vectors, which do not tell whose they are."""
        media = partial(erasure.abandon_media, self._keys, self._tenant)
        receipt.counts["media"] += yield from self._look(media, moves=False)
        while some := (yield from ask_patiently(erasure.erase_vectors(self._keys, self._tenant))):
            receipt.counts["cached_vectors_of_all_tenants"] += some

    def _look(self, slice_at: Callable[[int], Op[erasure.Looked]], *, moves: bool) -> Flow[int]:
        """Looks through an index, slice by slice.

        Args:
            moves: whether what was found is gone from it, so that the rest moved up.
        """
        rank = found = 0
        while True:
            told = yield from ask_patiently(slice_at(rank))
            found += told.found
            rank += told.looked - (told.found if moves else 0)
            if told.looked < SLICE:
                return found

    def _do(self, op: Op[Any]) -> Flow[None]:
        if not self._look_only:
            yield from ask_patiently(op)


def told_counts(receipt: Receipt) -> Mapping[str, int]:
    """What there was, without kinds of which there was none."""
    return {kind: count for kind, count in sorted(receipt.counts.items()) if count}
