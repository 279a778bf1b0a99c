"""A namespace with workers and simulated providers, for requests that take several calls; and the law of its money."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from homa_shared.calls.request import EMBEDDING, JobRequest, Option, StepRules
from homa_shared.kinds.profile import EmbeddingLimits
from homa_shared.kinds.registry import profile_of
from homa_shared.model.tokens import Tokens
from homa_shared.quota import embedding_parts
from homa_shared.store import reads
from homa_shared.store.operation import Op, mapping, read
from homa_shared.store.transitions.attempts import sweep
from homa_shared.store.transitions.submit import Common, Entry, submit
from homa_workers.simulator.dialect import Reply
from homa_workers.simulator.dialects.gemini import GeminiDialect
from tests.worker import cell as base
from tests.worker.cell import BOUND, HAIKU, MINI, reply_of, until

__all__ = ["BOUND", "EMBED", "HAIKU", "MINI", "SHAPE", "Cell", "by_schema", "reply_of", "until"]

EMBED = "openai:text-embedding-3-small"
SHAPE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def by_schema(schema: dict[str, Any] = SHAPE) -> dict[str, Any]:
    return {
        "max_tokens": 300,
        "response_format": {"type": "json_schema", "json_schema": {"name": "shape", "schema": schema}},
    }


class Cell(base.Cell):
    """The workers' cell, with requests of every kind."""

    async def ask(
        self,
        prompt: str,
        *,
        params: dict[str, Any] | None = None,
        targets: tuple[str, ...] = (MINI,),
        bound: int | None = BOUND,
        deadline_ms: int = 0,
        stream: bool = False,
        steps: StepRules | None = None,
        **common: Any,
    ) -> str:
        """A completion that may take several calls."""
        return await self.ask_messages(
            [{"role": "user", "content": prompt}],
            params=params,
            targets=targets,
            bound=bound,
            deadline_ms=deadline_ms,
            stream=stream,
            steps=steps,
            **common,
        )

    async def ask_messages(
        self,
        messages: list[dict[str, Any]],
        *,
        params: dict[str, Any] | None = None,
        targets: tuple[str, ...] = (MINI,),
        bound: int | None = BOUND,
        deadline_ms: int = 0,
        stream: bool = False,
        steps: StepRules | None = None,
        **common: Any,
    ) -> str:
        """The same for a whole conversation."""
        request = JobRequest(
            messages,
            {"max_tokens": 300} if params is None else params,
            tuple(Option(target, bound) for target in targets),
            stream,
            steps=steps or StepRules(),
        )
        return await self._send(request, targets, bound, deadline_ms, common)

    async def embed(
        self, texts: list[str], *, targets: tuple[str, ...] = (EMBED,), bound: int | None = BOUND, **common: Any
    ) -> str:
        options = tuple(Option(target, bound) for target in targets)
        request = JobRequest([], {}, options, kind=EMBEDDING, inputs=texts)
        return await self._send(request, targets, bound, 0, common)

    async def _send(
        self,
        request: JobRequest,
        targets: tuple[str, ...],
        bound: int | None,
        deadline_ms: int,
        common: dict[str, Any],
        tokens: tuple[int, int, int] = (0, 0, 0),
    ) -> str:
        job_id = next(self._ids)
        provider = targets[0].partition(":")[0]
        shared = Common(provider, "default", targets[0], fallbacks_left=len(targets) - 1, **common)
        entry = Entry(job_id, request.encode(), bound=bound, deadline_ms=deadline_ms, tokens=Tokens(*tokens))
        await self.store.run(submit(self.keys, shared, [entry]))
        return job_id

    async def lose(self, job_id: str) -> None:
        """The worker of a running job is dead, as far as the store can tell: its lease has run out."""
        attempt = (await self.view(job_id)).job.attempt
        name = f"{job_id}:{attempt}"
        while await self.store.run(read((("ZSCORE", self.keys.leases(), name),), lambda r: r[0])) is not None:
            commands = (("ZADD", self.keys.leases(), "XX", 1, name), ("HDEL", self.keys.beat(), "swept", "grace"))
            await self.store.run(Op(commands, lambda _: None))
            await self.store.run(sweep(self.keys, slice_size=500, lease_ms=3_600_000))
            await asyncio.sleep(0.01)

    async def outcomes(self) -> list[tuple[int, str, int, int]]:
        """The ledger: attempt, outcome, nano-dollars, unresolved ones."""
        return [(line.attempt, line.outcome, line.nano_usd, line.unresolved_nano_usd) for line in await self.ledger()]

    async def record(self, job_id: str) -> dict[str, str]:
        return await self.store.run(read((("HGETALL", self.keys.job(job_id)),), lambda r: mapping(r[0])))

    async def budget(self, name: str) -> dict[str, int]:
        found = await self.store.run(read((("HGETALL", self.keys.budget(name)),), lambda r: mapping(r[0])))
        return {field: int(float(value)) for field, value in found.items()}

    async def check_money(self, *job_ids: str, open_calls: bool = False) -> None:
        """Ledger = records = totals of days; and the provider's bill lies where the ledger says.

        Args:
            open_calls: whether a call's outcome is not known; else the ledger is the bill.
        """
        lines = await self.ledger()
        known, unresolved = sum(x.nano_usd for x in lines), sum(x.unresolved_nano_usd for x in lines)
        views = [await self.view(job_id) for job_id in job_ids]
        assert known == sum(view.job.cost_nano_usd for view in views)
        assert unresolved == sum(view.job.unresolved_nano_usd for view in views)
        table = await self.store.run(reads.costs(self.keys))
        assert (table.nano_usd, table.unresolved_nano_usd) == (known, unresolved)
        for view in views:
            assert sum(a.nano_usd for a in view.attempts) == view.job.cost_nano_usd
        if open_calls:
            assert known <= self.bill_nano() <= known + unresolved
        else:
            assert (known, unresolved) == (self.bill_nano(), 0)


def keep_tokens_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the simulated Gemini tell no usage."""
    write = GeminiDialect.write

    def without_usage(dialect: GeminiDialect, reply: Reply) -> Any:
        return {name: value for name, value in write(dialect, reply).items() if name != "usageMetadata"}

    monkeypatch.setattr(GeminiDialect, "write", without_usage)


def take_texts(monkeypatch: pytest.MonkeyPatch, kind: str, most: int) -> None:
    """A kind of provider takes so many texts a call."""
    changed = replace(profile_of(kind), embedding_limits=lambda _: EmbeddingLimits(texts=most))
    monkeypatch.setattr(embedding_parts, "profile_of", lambda name: changed if name == kind else profile_of(name))
