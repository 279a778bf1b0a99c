"""Jobs of the gateway's callers: submitted, waited for, followed, cancelled.

The gateway holds nothing of them but who waits. Its own jobs are submitted under its name, so that all their ends come
on one channel of the store; a job that somebody submitted elsewhere is listened for by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from homa.client.batch_submission import BatchSubmission
from homa.client.job_flows import JobFlows
from homa.client.results import Failure, Reply
from homa.client.streams import Piece, check_event_id, follow
from homa.drivers.aio import AwaitingDriver
from homa.drivers.context import Context
from homa.drivers.effects import Emit, Flow, ask
from homa.submit.asked import AcceptedJob, Asked
from homa.submit.fleet_view import FleetView
from homa.submit.submitter import Submitter
from homa_shared.calls.tokens import estimate_messages
from homa_shared.model.errors import HomaError
from homa_shared.model.ids import new_nonce
from homa_shared.model.pools import members_of
from homa_shared.model.record_fields import short
from homa_shared.model.records import Job
from homa_shared.store import reads
from homa_shared.store.client import AsyncStore
from homa_shared.store.gateway_keys import FoundKey, GatewayKey, find_key
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read, text
from homa_shared.store.transitions.gateway_rates import Headroom, settle_key

T = TypeVar("T")

if TYPE_CHECKING:
    from homa_shared.traces import Traces


class LiveJobs:
    """What the gateway asks of the store.

    Args:
        context: of this process.
    """

    def __init__(self, context: Context) -> None:
        self._context = replace(context, announced_to=new_nonce())
        self._driver = AwaitingDriver(self._context)
        self._submitter = Submitter(self._context)

    @property
    def keys(self) -> Keys:
        return self._context.keys

    async def run(self, flow: Flow[T]) -> T:
        """The result of anything else that the client does."""
        return await self._driver.run(flow)

    def iterate(self, flow: Flow[Any]) -> AsyncIterator[Any]:
        """What a flow emits."""
        return self._driver.iterate(flow)

    def batch(self, options: Mapping[str, Any], facts: Mapping[str, str]) -> BatchSubmission:
        """The making of a batch; `run` its flows.

        Args:
            options: that its lines share, and its name.
            facts: what is to stand in its record beside them.
        """
        return BatchSubmission(self._submitter, options, facts=facts)

    @property
    def traces(self) -> Traces | None:
        """Makes spans of requests; None where none is traced."""
        return self._context.traces

    async def submit(self, asked: Asked) -> AcceptedJob:
        """Accepts a job; raises as `AsyncHoma.submit`."""
        return await self._driver.run(self._submitter.accept(asked))

    async def outcome(self, job: AcceptedJob, timeout_s: float | None = None) -> Reply[Any] | Failure:
        """How a job ends, waited for; raises as `AsyncJob.result` where it has not, or is not there."""
        return await self._driver.run(self._flows(job.job_id).outcome(timeout_s, announced=job.is_new))

    async def follow(self, job: AcceptedJob, after: str | None = None) -> AsyncGenerator[Piece | Reply[Any], None]:
        """The pieces of a job's answer as they are written, and then its reply.

        Raises:
            InvalidRequest: `after` is not the id of a piece.
            JobFailed, JobCancelled, JobExpired, JobNotFound: after what was written.
        """
        check_event_id(after)
        flow = _followed(self._context, job.job_id, after, announced=job.is_new)
        async for item in self._driver.iterate(flow):
            yield item

    async def ended(self, job_id: str) -> Reply[Any] | Failure:
        """The outcome of a job that has ended."""
        return await self._driver.run(self._flows(job_id).outcome(0))

    async def cancel(self, job_id: str) -> str:
        """Cancels a job; the answer is that of `AsyncJob.cancel`."""
        return await self._driver.run(self._flows(job_id).cancel())

    async def job(self, job_id: str) -> Job | None:
        """A job's record; None where the store holds no such job."""
        view = await self._driver.run(ask(reads.job(self._context.keys, job_id)))
        return None if view is None else view.job

    async def view(self, job_id: str) -> reads.JobView | None:
        """A job with its history."""
        return await self._driver.run(ask(reads.job(self._context.keys, job_id)))

    async def tenant_of(self, job_id: str) -> str | None:
        """Whose job it is; None where the store holds no such job."""
        return await self._driver.run(ask(_tenant(self._context, job_id)))

    async def frozen_s(self, provider: str) -> int | None:
        """Seconds until a provider that asked for a pause is called again; None where it did not."""
        rows = await self._driver.run(ask(reads.limits(self._context.keys)))
        frozen = [row.frozen_ms for row in rows if row.scope.partition("/")[0] == provider]
        return -(-max(frozen, default=0) // 1000) or None

    async def fleet(self) -> FleetView:
        """The fleet's settings as of late."""
        return await self._driver.run(self._submitter.view())

    async def find_key(self, key_id: str) -> FoundKey:
        return await self._driver.run(ask(find_key(self._context.keys, key_id)))

    async def settle_rate(self, key: GatewayKey, counted: Headroom, tokens: int) -> None:
        """Counts the tokens of a job in the place of those that were counted when it was submitted."""
        await self._driver.run(ask(settle_key(self._context.keys, key, counted, tokens)))

    async def warm_up(self) -> None:
        """Joins the fleet and loads what the first request would wait for: prices and an encoding, tens of MB."""
        with suppress(HomaError):
            view = await self.fleet()
            await asyncio.to_thread(estimate_messages, [{"role": "user", "content": "hello"}], "gpt-4o")
            for target in (hop for alias in list(view.fleet.models)[:1] for hop in view.fleet.hops(alias, ())):
                for member in members_of(target):
                    view.prices.context_window(member)

    async def store(self) -> AsyncStore:
        """The store itself; raises StoreUnavailable where it cannot be reached."""
        return await self._driver.connected()

    async def ping(self) -> None:
        """Raises StoreUnavailable where the store does not answer."""
        await self._driver.run(ask(reads.server_time(self._context.keys)))

    async def aclose(self) -> None:
        await self._driver.aclose()

    def _flows(self, job_id: str) -> JobFlows:
        return JobFlows(self._context.keys, job_id)


def _followed(context: Context, job_id: str, after: str | None, *, announced: bool) -> Flow[None]:
    reply = yield from follow(context.keys, job_id, after, announced=announced)
    yield Emit(reply)


def _tenant(context: Context, job_id: str) -> Op[str | None]:
    fields = ("HMGET", context.keys.job(job_id), short("state"), short("tenant"))
    return read((fields,), lambda replies: text(replies[0][1]) if replies[0][0] else None)
