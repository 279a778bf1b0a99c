"""The end of a batch of a file: its batch of jobs, the state that its answers tell of, its files, who is told.

Where its input is lost, by a deleted folder or a machine that never comes back, it ends all the same: a day after its
window, as failed, with the answers that there are.
"""

from __future__ import annotations

from typing import Any

from homa.drivers.effects import ask_patiently
from homa.gateway.batches.workshop import Workshop
from homa_shared.store import gateway_batches as store
from homa_shared.store import reads
from homa_shared.store.gateway_batches import OVER, GatewayBatch, Status
from homa_shared.store.operation import Op
from homa_shared.store.reads.batches import BatchView
from homa_shared.store.transitions import admin


class BatchEnding:
    """Opens the batch of a file's jobs, and ends both."""

    def __init__(self, shop: Workshop, batch_id: str) -> None:
        self._shop, self._keys, self._id = shop, shop.keys, batch_id

    async def open(self, batch: GatewayBatch) -> None:
        """Makes the batch of its jobs."""
        facts = {"name": batch.raw["name"], "tenant": batch.tenant, "cap": batch.raw["cap"], "file": batch.input}
        # Its webhook is told once its files are there.
        if batch.raw.get("gateway_key"):
            facts["gateway_key"] = batch.raw["gateway_key"]
        await self._run(admin.open_batch(self._keys, self._id, facts))

    async def end(self, batch: GatewayBatch, engine: BatchView | None) -> bool:
        """Ends a batch whose lines have all been answered; false where it goes on."""
        if batch.cursor != batch.total or not (engine is None or engine.complete):
            return False
        # Anew: another gateway may have written the last answers since, and no other ones come.
        latest = await self._run(store.find_batch(self._keys, self._id))
        if latest is None or latest.status in OVER:
            return True
        return await self._finish_as(latest, engine)

    async def give_up(self, batch: GatewayBatch) -> None:
        """Ends a batch whose lines nobody has reached for a day past its window."""
        engine = await self._run(reads.batch(self._keys, self._id))
        if engine is not None and engine.state == "open":
            await self._run(admin.seal_batch(self._keys, self._id, engine.submitted))
        lines = "all lines" if batch.total is None else f"{batch.total - batch.answered} of {batch.total} lines"
        message = f"{lines} have no answer: no gateway or worker has reached the input file since the window passed"
        errors = [{"code": "input_file_unavailable", "line": None, "message": message}]
        url = await self.told(batch, engine)
        if batch.total is None:
            await self._run(store.fail_batch(self._keys, self._id, errors, url))
        else:
            await self._run(self._finish(batch, Status.FAILED, errors, url, input_lost=True))

    async def told(self, batch: GatewayBatch, engine: BatchView | None) -> str:
        """The URL that is told of its end; empty for none."""
        tenants = (await self._shop.driver.run(self._shop.submitter.view())).webhook_of(batch.tenant)
        url = str(batch.raw["webhook"] or tenants.get("webhook", ""))
        if url and engine is None:
            # Webhooks are told of batches of jobs: where there is none, one without lines is told of.
            await self.open(batch)
            await self._run(admin.seal_batch(self._keys, self._id, 0))
        return url

    async def _finish_as(self, batch: GatewayBatch, engine: BatchView | None) -> bool:
        """Ends a batch in the state that its answers tell of."""
        status = Status.COMPLETED
        errors: list[dict[str, Any]] = []
        if batch.status is Status.CANCELLING:
            status = Status.CANCELLED
        elif batch.count("n.expired"):
            status = Status.EXPIRED
        if (lost := (batch.total or 0) - batch.answered) > 0:
            # No gateway lived for as long as the store keeps what jobs came to.
            message = f"{lost} answers left the store before they were written to the file"
            status, errors = Status.FAILED, [{"code": "results_expired", "line": None, "message": message}]
        url = await self.told(batch, engine)
        return bool(await self._run(self._finish(batch, status, errors, url)) != "unfinished")

    def _finish(
        self, batch: GatewayBatch, status: Status, errors: list[dict[str, Any]], url: str, *, input_lost: bool = False
    ) -> Op[str]:
        rows = {
            name: {"filename": f"batch_{self._id}_{name}.jsonl", "purpose": "batch_output", "bytes": str(size)}
            for name in ("output", "error")
            if (size := batch.count(f"{name}_bytes"))
        }
        return store.finish_batch(
            self._keys,
            self._id,
            status,
            files_kept_ms=batch.count("files_kept"),
            output=rows.get("output"),
            error=rows.get("error"),
            listed=self._shop.form_of(batch).has_error_file,
            errors=errors,
            webhook=url,
            input_lost=input_lost,
        )

    async def _run(self, op: Op[Any]) -> Any:
        return await self._shop.driver.run(ask_patiently(op))
