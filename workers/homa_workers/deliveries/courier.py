"""Makes deliveries, each a message of the store's: read what came out, send it, tell the store.

1. The script that closes a run put the message there, so that none is lost between the two; for a webhook of a job or
   batch, the script that takes it off the list of those that have ended.
2. A try is leased like a job's attempt. A worker that dies leaves its lease to run out, and another tries; one that is
   stopped hands it back. A try whose end the store did not hear of is therefore made twice, under the same id:
   receivers tell by `webhook-id`, `Message-ID` or the name of the file.
3. What failed is tried again, at pauses that double up to an hour, for a day. Then, or at once where another try would
   fail in the same way, it is given up, and an alarm of its schedule, or the event `webhook.failed`, says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from homa_shared.backoff import Backoff
from homa_shared.model.constants import IN_STORE
from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.schedules.delivery import kind_of, recipient_of
from homa_shared.schedules.variables import filled, holes_in, values_at
from homa_shared.settings.delivery_section import Mail
from homa_shared.settings.model import Settings
from homa_shared.store.blobs import Blobs, BlobsUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.reads import resolved_replies
from homa_shared.store.sealing import Kind, opened_text
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.deliveries import end_delivery
from homa_shared.store.transitions.media import places
from homa_workers import command_line
from homa_workers.deliveries import files, mail, webhook
from homa_workers.deliveries.document import RunEnd, document, text
from homa_workers.deliveries.signing import Signing
from homa_workers.deliveries.undelivered import Undelivered
from homa_workers.deliveries.webhook_document import WebhookEnd
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.store_io.persist import hand_back, persist

#: Pauses between tries.
BACKOFF = Backoff(first_s=5.0, longest_s=3600.0)
#: From so many under way a worker takes no more.
MOST_AT_ONCE = 20
#: Longest that one try may take, s, whatever it goes to.
_TRY_S = 120.0

_log = structlog.get_logger("homa.deliveries")


@dataclass(frozen=True, slots=True)
class Ways:
    """By what deliveries go, as the settings of a worker process have it."""

    mail: Mail
    #: Signs webhooks.
    signing: Signing
    #: Webhooks may go to addresses that are not public, too.
    private: bool
    #: Directories and buckets, as URLs, under which files may be written; None: anywhere.
    files: tuple[str, ...] | None

    @classmethod
    def of(cls, settings: Settings) -> Ways:
        places_ = settings.deliver_files
        # Beside an embedded store whoever makes a schedule is the user that the worker runs as.
        anywhere = not places_ and settings.redis_url is None
        return cls(
            settings.mail,
            Signing.of(settings),
            settings.deliver_private,
            None if anywhere else places_,
        )


class Courier:
    """Makes the deliveries that a worker has taken."""

    def __init__(self, store: AsyncStore, blobs: Blobs | None, ways: Ways, log: WorkerLog) -> None:
        self._store, self._blobs, self._ways, self._log = store, blobs, ways, log
        #: Deliveries under way. They take no slots from calls: a host that never answers must not hold those up.
        self.running = 0
        #: Of its own for the same reason: in the loop's, which are few, names of providers are resolved.
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "homa-deliveries")

    @property
    def has_room(self) -> bool:
        return self.running < MOST_AT_ONCE

    def run(self, claim: Claim) -> Coroutine[Any, Any, None]:
        """One try, from claim to the store's answer: to be awaited. Cancelled, it is handed back."""
        # Here and not in the coroutine: whoever takes next has to know of it.
        self.running += 1
        return self._run(claim)

    async def _run(self, claim: Claim) -> None:
        try:
            await self._try(claim)
        finally:
            self.running -= 1

    async def _try(self, claim: Claim) -> None:
        try:
            async with asyncio.timeout(_TRY_S):
                await self._send(orjson.loads(claim.request)["kwargs"])
        except asyncio.CancelledError:
            await hand_back(self._store, claim, self._log)
            raise
        except Undelivered as error:
            await self._failed(claim, str(error), is_final=error.is_final)
        except TimeoutError:
            await self._failed(claim, f"it was not through within {_TRY_S:g} s")
        except (StoreUnavailable, StoreFull) as error:
            self._log.store_away(error)
            await self._failed(claim, str(error))
        except Exception as error:
            self._log.defect(error, claim)
            await self._failed(claim, f"{type(error).__name__}: {error}")
        else:
            await persist(
                self._store, end_delivery(self._store.keys, (claim.id, claim.attempt), "delivered"), self._log
            )

    async def _failed(self, claim: Claim, why: str, *, is_final: bool = False) -> None:
        pause_ms = round(BACKOFF.pause_s(claim.attempt) * 1000)
        outcome: Any = "refused" if is_final else "again"
        op = end_delivery(self._store.keys, (claim.id, claim.attempt), outcome, why, pause_ms)
        answer = await persist(self._store, op, self._log)
        _log.warning("delivery.failed", delivery=claim.id, attempt=claim.attempt, why=why, then=answer)

    async def _send(self, told: dict[str, Any]) -> None:
        if told.get("about"):
            metadata = opened_text(self._store.keys, Kind.METADATA, told.get("metadata") or "")
            await self._tell(WebhookEnd.of({**told, "metadata": metadata}))
        else:
            await self._deliver(RunEnd.of(told))

    async def _tell(self, end: WebhookEnd) -> None:
        outcome = await self._ended(end.job, end.state) if end.job else {}
        document, ways = end.document(outcome), self._ways
        keys = ways.signing.keys(end.target, end.told.get("tenant") or "")
        await webhook.post(end.target, end.delivery, document, keys=keys, private=ways.private)

    async def _ended(self, job: str, state: str) -> dict[str, Any]:
        outcome = await self._outcome(job)
        if state == "succeeded" and outcome.get("body") is None:
            raise Undelivered("the reply is kept no more", is_final=True)
        return outcome

    async def _deliver(self, end: RunEnd) -> None:
        outcome = {} if end.batch else await self._ended(end.job, end.state)
        told, ways = document(end, outcome), self._ways
        match kind_of(end.target):
            case "webhook":
                keys = ways.signing.keys(end.target, end.tenant)
                await webhook.post(end.target, end.delivery, told, keys=keys, private=ways.private)
            case "mail":
                words = text(end, outcome)
                to = recipient_of(end.target)
                await mail.send(ways.mail, to, end.delivery, end.subject, words, told, threads=self._threads)
            case "file":
                data = await _results(end.batch) if end.batch else told
                await files.write(_file_of(end), data, allowed=ways.files, threads=self._threads)

    async def _outcome(self, job: str) -> dict[str, Any]:
        """How a job ended, as the store has it; empty where it is kept no more."""
        (raw,) = await self._store.run(resolved_replies(self._store.keys, [job]))
        outcome: dict[str, Any] = orjson.loads(raw) if raw else {}
        if "body_at" in outcome:
            outcome["body"] = await self._body(outcome["body_at"])
        return outcome

    async def _body(self, digest: str) -> Any:
        """A body that lives in the blob store; None where it is there no more."""
        (path,) = await self._store.run(places(self._store.keys, [digest]))
        if not path or path == IN_STORE:
            return None
        if self._blobs is None:
            raise Undelivered("the reply is in the blob store, which this worker does not have: set HOMA_BLOBS")
        try:
            data = await self._blobs.get_async(path)
        except BlobsUnavailable as error:
            raise Undelivered(str(error)) from None
        return None if data is None else orjson.loads(data)


async def _results(batch: str) -> bytes:
    """The lines of a batch as a results file has them."""
    ended = await command_line.homa("batches", "results", batch)
    if ended.status != 0:
        raise Undelivered(f"its results could not be read: {ended.said}")
    return ended.output


def _file_of(end: RunEnd) -> str:
    """The file of a tick: in a directory by its job or batch, else as its variables say."""
    if end.target.endswith("/"):
        return f"{end.target}{end.batch}.jsonl" if end.batch else f"{end.target}{end.job}.json"
    holes = holes_in(end.target, end.zone)
    return filled(end.target, holes, values_at(holes, tick=end.tick, since=end.since, zone=end.zone))
