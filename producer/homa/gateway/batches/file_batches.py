"""Batches of files as the APIs ask for them: made, found, listed, cancelled, dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from homa.drivers.aio import AwaitingDriver
from homa.drivers.effects import ask, ask_patiently
from homa.gateway.access.principal import Principal
from homa.gateway.batches.keeper import Keeper
from homa.gateway.errors import ApiError
from homa.gateway.job_headers import NAMES, job_options
from homa.submit.option_checks import Dollars
from homa_shared.model.errors import KeyConflict
from homa_shared.model.ids import new_batch_id, unique_id
from homa_shared.model.webhook_urls import checked_webhook
from homa_shared.store import gateway_batches as store
from homa_shared.store import reads
from homa_shared.store.gateway_batches import OVER, Created, GatewayBatch
from homa_shared.store.gateway_work import what_holds_batch
from homa_shared.store.keys import Keys
from homa_shared.store.reads.batches import BatchView
from homa_shared.store.transitions import admin

#: Headers that say something of the batch, and nothing of its lines.
_OF_BATCH = frozenset({"idempotency-key", "x-homa-budget-usd", "x-homa-webhook"})


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A batch that is asked for."""

    api: str
    endpoint: str
    input_id: str
    window_s: int
    #: How long its files are kept, s.
    files_kept_s: int
    headers: Mapping[str, str]
    #: Nano-dollars; None: no budget of its own.
    cap: int | None = None
    #: URL that is told of its end; empty: the tenant's, if it has one.
    webhook: str = ""
    name: str = ""
    #: Of the API's own, told back.
    facts: Mapping[str, str] | None = None
    #: The same key is the same batch, however often it is asked for.
    key: str = ""
    #: What another request with that key differs by, where not by the above.
    content: bytes = b""


class FileBatches:
    """The batches of all tenants; who may see which is asked elsewhere.

    Args:
        window: most lines of a batch that are jobs without a written answer.
    """

    def __init__(self, keys: Keys, driver: AwaitingDriver, keeper: Keeper, window: int) -> None:
        self._keys, self._driver, self.keeper, self._window = keys, driver, keeper, window

    async def create(self, principal: Principal, asked: BatchRequest) -> GatewayBatch:
        """Makes a batch, which is worked on from then on, whatever becomes of this gateway.

        Raises:
            KeyConflict: its key was used for another one.
            ApiError: its input file is gone.
        """
        batch_id = self.id_of(principal, asked)
        facts = {
            **(asked.facts or {}),
            "endpoint": asked.endpoint,
            "name": asked.name,
            "cap": "" if asked.cap is None else str(asked.cap),
            "headers": orjson.dumps(asked.headers).decode(),
            "gateway_key": principal.budget_key,
            "role": principal.role.value,
            "webhook": asked.webhook,
            "models": orjson.dumps(principal.models).decode(),
            "output": f"file-{unique_id()}",
            "error": f"file-{unique_id()}",
            "window_lines": str(self._window),
            "files_kept": str(asked.files_kept_s * 1000),
            "place": self.keeper.place.name,
        }
        making = store.create_batch(
            self._keys,
            batch_id,
            tenant=principal.tenant,
            api=asked.api,
            input_id=asked.input_id,
            digest=_digest(asked),
            window_ms=asked.window_s * 1000,
            facts=facts,
        )
        made = await self._driver.run(ask_patiently(making))
        if made is Created.CONFLICT:
            message = f"idempotency-key {asked.key!r:.80} was used for another batch, or for one that has been deleted"
            raise KeyConflict(message, job_id=batch_id)
        if made is Created.NO_FILE:
            raise ApiError(404, f"file {asked.input_id!r:.80} is not here any more", "not_found", "input_file_id")
        self.keeper.wake()
        found = await self.find(batch_id)
        assert found is not None
        return found

    def id_of(self, principal: Principal, asked: BatchRequest) -> str:
        """A new id; with a key always the same one."""
        if not asked.key:
            return new_batch_id()
        return "b" + hashlib.sha256(f"{asked.api}\0{principal.tenant}\0{asked.key}".encode()).hexdigest()[:20]

    async def find(self, batch_id: str) -> GatewayBatch | None:
        return await self._driver.run(ask(store.find_batch(self._keys, batch_id)))

    async def told_beside(self, principal: Principal, batch: GatewayBatch) -> dict[str, Any]:
        """What no API has a word for: what a batch waits for before its file is gone on with, if anything."""
        held = "" if batch.status in OVER else await self._driver.run(ask(what_holds_batch(self._keys, batch.id)))
        if not held:
            return {}
        # Machines and folders are the operator's business.
        return {"homa": {"waits_for": held if principal.sees_all else "its file, which the operator is told more of"}}

    async def progress(self, batch_id: str) -> BatchView | None:
        """How far its jobs are."""
        return await self._driver.run(ask(reads.batch(self._keys, batch_id)))

    async def page(
        self, api: str, tenant: str, row: str | None, limit: int, *, newest_first: bool = True
    ) -> tuple[list[GatewayBatch], bool]:
        """A tenant's batches behind a row of their index, and whether there may be more; of some only a row is left."""
        found: list[GatewayBatch] = []
        while True:
            listing = store.batches_after(self._keys, api, tenant, row, limit, newest_first=newest_first)
            step = await self._driver.run(ask(listing))
            rows: list[GatewayBatch] = await self._driver.run(ask(store.find_batches(self._keys, step.ids)))
            found += rows
            if len(found) >= limit or not step.more:
                return found[:limit], len(found) > limit or step.more
            row = step.last

    async def cancel(self, batch_id: str) -> None:
        """Cancels a batch; what has ended of it keeps its answers."""
        await self._driver.run(ask_patiently(store.cancel_file_batch(self._keys, batch_id)))
        found = await self.find(batch_id)
        if found is not None and found.status not in OVER and await self.progress(batch_id) is not None:
            await self._driver.run(ask_patiently(admin.cancel_batch(self._keys, batch_id)))
        self.keeper.wake()

    async def drop(self, batch_id: str) -> None:
        """Forgets a batch that has ended, with its answers."""
        await self._driver.run(ask_patiently(store.drop_batch(self._keys, batch_id)))


def _digest(asked: BatchRequest) -> str:
    said: list[Any] = [asked.endpoint, asked.window_s, asked.files_kept_s, asked.cap, asked.facts, dict(asked.headers)]
    told = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(told + (asked.content or asked.input_id.encode())).hexdigest()


@dataclass(frozen=True, slots=True)
class BatchHeaders:
    """What the headers of a request say of a batch."""

    key: str
    #: Nano-dollars.
    cap: int | None
    webhook: str
    #: Headers that each of its lines has.
    of_lines: Mapping[str, str]


def batch_headers(headers: Mapping[str, str]) -> BatchHeaders:
    """Headers of a request that makes a batch.

    Raises:
        InvalidRequest: one cannot be read; it is named.
    """
    said = job_options(headers)
    cap = said.get("budget_usd")
    of_lines = {name: headers[name] for name in NAMES if name not in _OF_BATCH and headers.get(name)}
    webhook = checked_webhook("webhook", said["webhook"]) if said.get("webhook") else ""
    cap_nano = None if cap is None else Dollars()("budget_usd", cap)
    return BatchHeaders(str(said.get("key", "")), cap_nano, webhook, of_lines)
