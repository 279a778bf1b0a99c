"""Tools that change something, offered with `--allow-writes` alone. None of them submits a job: people spend money."""

from __future__ import annotations

from collections.abc import Callable

from homa.client.management.batches import BatchInfo, batch_info
from homa.client.management.refusals import refused
from homa.client.management.retries import retry_one
from homa.client.session import Session
from homa_shared.model.errors import InvalidRequest
from homa_shared.settings.names import one_of
from homa_shared.store import reads
from homa_shared.store.audit_trail import NOTHING, audited
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin


class Changing:
    """What an assistant may change of a fleet."""

    def __init__(self, here: Session) -> None:
        self._here = here

    def cancel_job(self, job: str) -> str:
        """Cancel a job: one that waits ends at once, one that runs is stopped by its worker."""
        cancelling = audited(admin.cancel(self._here.keys, [job]), "jobs.cancelled", admin.named([job]), jobs=1)
        (answer,) = self._here.store.run(cancelling)
        if answer not in ("cancelled", "cancelling"):
            raise refused("cancel", job, answer)
        return answer

    def retry_job(self, job: str) -> str:
        """Retry an ended job as a new one, which may cost as much again; the answer is its id."""
        self._here.store.run(audited(NOTHING, "jobs.retried", admin.named([job])))
        return self._here.driver.run(retry_one(self._here.keys, job))

    def pause_batch(self, batch: str, why: str = "by an assistant") -> str:
        """Take nothing more of a batch; calls in flight finish."""
        if self._batch(batch).complete:
            raise InvalidRequest(f"cannot pause {batch}: it is complete")
        pausing = admin.pause_batch(self._here.keys, batch, why)
        self._here.store.run(audited(pausing, "batch.paused", batch, why=why))
        return self._batch(batch).state_words()

    def resume_batch(self, batch: str) -> str:
        """Let a paused batch go on."""
        self._batch(batch)
        self._here.store.run(audited(admin.resume_batch(self._here.keys, batch), "batch.resumed", batch))
        return self._batch(batch).state_words()

    def pause_queue(self, queue: str) -> str:
        """Take nothing more from a queue; calls in flight finish."""
        return self._of_queue(queue, admin.pause_queue, "paused", "was paused before")

    def resume_queue(self, queue: str) -> str:
        """Let a paused queue go on."""
        return self._of_queue(queue, admin.resume_queue, "resumed", "was not paused")

    def unfreeze_limit(self, scope: str) -> list[str]:
        """Lift the freeze of a quota scope (openai/gpt-6-luna) or of an account (openai); the answer says which."""
        unfrozen = self._here.store.run(admin.unfreeze(self._here.keys, scope))
        if unfrozen is None:
            scopes = self._here.store.run(reads.scopes(self._here.keys))
            raise InvalidRequest(f"there is no scope {scope!r:.80}: {one_of(scopes)}")
        return unfrozen

    def _batch(self, batch: str) -> BatchInfo:
        return self._here.driver.run(batch_info(self._here.keys, batch))

    def _of_queue(self, queue: str, change: Callable[[Keys, str], Op[bool]], done: str, else_: str) -> str:
        known = sorted({row.queue for row in self._here.store.run(reads.queues(self._here.keys))})
        if queue not in known:
            raise InvalidRequest(f"there is no queue {queue!r:.80}: {one_of(known)}")
        return done if self._here.store.run(change(self._here.keys, queue)) else else_
