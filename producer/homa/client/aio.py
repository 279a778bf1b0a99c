"""`AsyncHoma`: the client for event loops. The same methods as `Homa`'s, awaitable."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

from homa.client.aio_handles import AsyncBatch, AsyncJob, AsyncOpenBatch
from homa.client.aio_stream import AsyncStream, Submissions
from homa.client.batch_flows import BatchFlows
from homa.client.batch_submission import BatchSubmission
from homa.client.count import count
from homa.client.embeddings import Embedded, ask_for_embeddings
from homa.client.event_flows import event_flow
from homa.client.job_flows import JobFlows
from homa.client.local_workers import LocalWorkers, Workers
from homa.client.management.aio import AsyncManagement
from homa.client.scheduling import AsyncScheduling
from homa.drivers.aio import AwaitingDriver
from homa.drivers.context import client_context
from homa.submit.batch_chunks import BatchRequest
from homa.submit.job_options import ChatOptions, EmbeddingOptions, JobOptions, Schema
from homa.submit.submitter import Asked, Submitter, ask_for
from homa_shared.calls.tokens import Count
from homa_shared.model.events import Event

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings

T = TypeVar("T")


class AsyncHoma(AsyncManagement, AsyncScheduling):
    """A client of a fleet: submits jobs and reads their replies. It calls no provider and needs no key.

    It connects at the first use. It serves one event loop at a time, and works on in another one or a forked child.

    Args:
        redis_url: the store, instead of `HOMA_REDIS_URL`. Where neither is set, an embedded store that runs is joined.
        namespace: the fleet's namespace in it, instead of `HOMA_NAMESPACE`.
        settings: instead of environment and homa.toml.
        local: as `local()`.
        workers: as `local()`; without `local` none.

    Raises:
        InvalidRequest: `workers` is none of these.
    """

    def __init__(
        self,
        *,
        redis_url: str | None = None,
        namespace: str | None = None,
        settings: Settings | None = None,
        local: bool = False,
        workers: Workers = "none",
    ) -> None:
        own = LocalWorkers(workers)
        self._context = own.of(
            client_context(redis_url=redis_url, namespace=namespace, settings=settings, local=local),
            whole=settings is not None,
        )
        self._driver = AwaitingDriver(self._context)
        self._workers = own
        # Handles keep the driver, and with it the workers of the jobs that they wait for.
        weakref.finalize(self._driver, own.leave)
        self._submitter = Submitter(self._context)
        self._submissions = Submissions()

    @classmethod
    def local(
        cls, *, namespace: str | None = None, settings: Settings | None = None, workers: Workers = "auto"
    ) -> Self:
        """A client that needs no server: it starts the embedded store, and workers while it is open.

        Where `HOMA_REDIS_URL` is set, that store is used. Needs `homa-queue[local]`, and the providers' keys.

        Args:
            workers: `auto` runs a worker here for each provider that jobs need and no live worker serves; `none` leaves
                that to others; a number is that of processes a provider, whoever serves it beside them.
        """
        return cls(namespace=namespace, settings=settings, local=True, workers=workers)

    @overload
    async def submit(
        self, prompt: str | None = None, *, model: str, schema: type[T], **options: Unpack[JobOptions]
    ) -> AsyncJob[T]: ...

    @overload
    async def submit(
        self, prompt: str | None = None, *, model: str, schema: None = None, **options: Unpack[JobOptions]
    ) -> AsyncJob[None]: ...

    @overload
    async def submit(
        self, prompt: str | None = None, *, model: str, schema: Mapping[str, Any], **options: Unpack[JobOptions]
    ) -> AsyncJob[Any]: ...

    async def submit(
        self, prompt: str | None = None, *, model: str, schema: Any = None, **options: Unpack[JobOptions]
    ) -> AsyncJob[Any]:
        """Accept a job and return its handle at once.

        Args:
            prompt: the user's text; or `messages`, a whole conversation.
            model: `provider:model`, or an alias of the fleet's settings.
            schema: a pydantic model or JSON schema for the answer; `Reply.parsed` is then its object.
            options: those of `JobOptions`, where each has its type and what it does; docs/python.md lists them.
                Further names go to the provider as they are; type checkers want those in `provider_options`.

        Raises:
            InvalidRequest: an option is wrong.
            KeyConflict: the key was used before with another request; its `job_id` is that of the first job.
            UnknownModel: the model is neither a target of a configured provider nor an alias.
            BudgetExceeded: one call may cost more than `budget_usd`.
            StoreUnavailable, StoreFull: nothing was accepted, as far as the store told.
        """
        return await self._submit(ask_for({"prompt": prompt, "model": model, "schema": schema, **options}))

    def stream(
        self, prompt: str | None = None, *, model: str, schema: Schema = None, **options: Unpack[ChatOptions]
    ) -> AsyncStream:
        """Submit a job and iterate over its answer as it is written; as `submit` and `AsyncJob.stream`.

        It is submitted at once, before the first piece is asked for; what the submission raises comes with that, or
        with `aclose`. Outside of a running event loop it is submitted with the first piece.
        """
        asked = ask_for({"prompt": prompt, "model": model, "schema": schema, **options, "stream": True})
        return AsyncStream(partial(self._submit, asked), self._submissions)

    async def _submit(self, asked: Asked) -> AsyncJob[Any]:
        return self.job(await self._driver.run(self._submitter.submit(asked)), schema=asked.schema)

    async def embed(
        self, texts: Sequence[str], *, model: str, timeout: float | None = None, **options: Unpack[EmbeddingOptions]
    ) -> Embedded:
        """Turn texts into vectors, in one job of as many calls as the provider's limits ask for; wait for them.

        Args:
            texts: what to embed, none of them empty.
            model: `provider:model`, or an alias of the fleet's settings.
            timeout: seconds to wait; None waits as long as it takes.
            options: those of `EmbeddingOptions`. Vectors of two models do not mix: a fallback begins anew. Further
                names go to the provider as they are; type checkers want those in `provider_options`.

        Raises:
            InvalidRequest: an option is wrong, or no target has embeddings.
            ResultTimeout: the vectors have not come in time; the job goes on.
            JobFailed, JobCancelled, JobExpired: as `Job.result`; the rest as `submit`.
        """
        job = await self._submit(ask_for_embeddings(texts, {"model": model, **options}))
        return Embedded(await job.result(timeout))

    async def submit_batch(
        self,
        requests: Iterable[BatchRequest] | AsyncIterable[BatchRequest],
        *,
        model: str | None = None,
        schema: Schema = None,
        name: str | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncBatch:
        """Submit any number of requests as one batch; returns when all are accepted.

        Args:
            requests: prompts, mappings of `submit`'s options (`BatchLine`), or lines of OpenAI's batch files.
                They are read once, as they are sent, and never held whole.
            model: for requests that name none.
            schema: for requests that have none.
            name: for people.
            options: as `submit`, for requests that do not say otherwise. `budget_usd` is the most that the whole batch
                may cost; the lane is bulk unless said.

        Raises:
            InvalidRequest, BudgetExceeded, UnknownModel: a request is wrong; it is named by its number, from 0. The
                batch is then cancelled, as it is when `requests` itself fails.
            StoreUnavailable, StoreFull: the store was away, or full, for longer than half a minute.
        """
        filling = await self.open_batch(model=model, schema=schema, name=name, **options)
        try:
            await filling.add(requests)
            return await filling.seal()
        except BaseException as error:
            await filling.abandon(error)
            raise

    async def open_batch(
        self,
        *,
        model: str | None = None,
        schema: Schema = None,
        name: str | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncOpenBatch:
        """A batch to be filled bit by bit, and sealed; options as `submit_batch` without the requests."""
        submission = BatchSubmission(self._submitter, {"model": model, "schema": schema, "name": name, **options})
        await self._driver.run(submission.open())
        return AsyncOpenBatch(self._driver, submission, self.batch(submission.id, schema=submission.schema))

    def job(self, job_id: str, *, schema: Any = None) -> AsyncJob[Any]:
        """The handle of a job that was submitted before, here or elsewhere."""
        return AsyncJob(self._driver, JobFlows(self._submitter.keys, job_id, schema))

    def batch(self, batch_id: str, *, schema: Any = None) -> AsyncBatch:
        """The handle of a batch that was submitted before, here or elsewhere."""
        return AsyncBatch(self._driver, BatchFlows(self._submitter.keys, batch_id, schema))

    async def cancel(self, job: AsyncJob[Any] | str) -> str:
        """Cancel a job, given its handle or id; see `Job.cancel`."""
        return await (self.job(job).cancel() if not isinstance(job, AsyncJob) else job.cancel())

    @overload
    def count(
        self, content: str | Sequence[Mapping[str, Any]], *, model: str, exact: Literal[False] = False
    ) -> Count: ...

    @overload
    def count(
        self, content: str | Sequence[Mapping[str, Any]], *, model: str, exact: Literal[True]
    ) -> Coroutine[Any, Any, Count]: ...

    @overload
    def count(
        self, content: str | Sequence[Mapping[str, Any]], *, model: str, exact: bool
    ) -> Count | Coroutine[Any, Any, Count]: ...

    def count(
        self, content: str | Sequence[Mapping[str, Any]], *, model: str, exact: bool = False
    ) -> Count | Coroutine[Any, Any, Count]:
        """Tokens of a text or of messages; `exact` of the result says whether they are an estimate.

        They are counted offline: exactly for texts of OpenAI's models, else by an estimate that is scaled by what
        replies have taught, as far as this client has submitted to the model.

        Args:
            content: the text, or messages in OpenAI's shape.
            model: `provider:model`; with `exact` also an alias of the fleet's settings.
            exact: ask the provider's own count; the result is then to be awaited. Another process of this machine
                asks, with the key of this client's settings, and needs the provider's SDK (`homa-queue[workers]`,
                `[gemini]`, `[bedrock]`).

        Raises:
            InvalidRequest: the provider is not configured in this process, or offers no count.
            MissingExtra: its SDK is not installed here.
            CountFailed: it did not answer.
            StoreUnavailable: the model is an alias, and the store cannot be asked what for.
        """
        if exact:
            return self._count_exactly(content, model)
        return count(content, model=model, factor=self._submitter.factor(model))

    async def _count_exactly(self, content: str | Sequence[Mapping[str, Any]], model: str) -> Count:
        from homa.client.exact_count import count_exactly_async, target_of

        target = await self._driver.run(target_of(model, self._submitter))
        return await count_exactly_async(self._context.settings, target, content)

    def events(
        self, *, after: str | None = None, kinds: Iterable[type[Event]] | None = None, follow: bool = True
    ) -> AsyncIterator[Event]:
        """What happens in the fleet, as it happens; see `Homa.events`."""
        return self._driver.iterate(event_flow(self._submitter.keys, after, kinds, follow=follow))

    async def aclose(self) -> None:
        """Close the connections; workers of its own finish their calls. It may be used again: it connects anew."""
        await self._submissions.finish()
        await asyncio.to_thread(self._workers.close)
        await self._driver.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
