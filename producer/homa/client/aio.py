"""`AsyncHoma`: the client for event loops. The same methods as `Homa`'s, awaitable."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from homa.client.aio_batching import AsyncBatching
from homa.client.aio_count import AsyncCounting
from homa.client.aio_handles import AsyncJob
from homa.client.aio_stream import AsyncStream, Submissions
from homa.client.conversations.opening import AsyncDialogue
from homa.client.embeddings import Embedded
from homa.client.event_reading import AsyncEventReading
from homa.client.extensions import Extended
from homa.client.flows.aio_running import AsyncFlowRunning
from homa.client.local_workers import LocalWorkers, Workers
from homa.client.management.aio import AsyncManagement
from homa.client.running_files import AsyncFilesRunning
from homa.client.scheduling import AsyncScheduling
from homa.client.short_tracebacks import short_tracebacks
from homa.client.tables.mapping import AsyncTableMapping
from homa.client.templates import AsyncTemplating
from homa.drivers.aio import AwaitingDriver
from homa.drivers.context import Context, client_context
from homa.drivers.source import ClientSource
from homa.submit.asked import Asked, ask_for
from homa.submit.job_options import ChatOptions, EmbeddingOptions, JobOptions, Schema
from homa.submit.submitter import Submitter

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings

T = TypeVar("T")


@short_tracebacks
class AsyncHoma(
    AsyncBatching,
    AsyncCounting,
    AsyncManagement,
    AsyncScheduling,
    AsyncTableMapping,
    AsyncFilesRunning,
    AsyncEventReading,
    AsyncDialogue,
    AsyncTemplating,
    AsyncFlowRunning,
    Extended,
):
    """A client of a fleet: submits jobs and reads their replies. It calls no provider and needs no key.

    It connects at the first use. It serves one event loop at a time, and works on in another one or a forked child.

    Args:
        redis_url: the store, instead of `HOMA_REDIS_URL`. Where neither is set, an embedded store that runs is joined.
        namespace: the fleet's namespace in it, instead of `HOMA_NAMESPACE`.
        settings: instead of environment and homa.toml.
        local: as `local()`.
        workers: as `local()`; without `local` none.
        submit_timeout_s: seconds after which a submission is given up at a store that does not answer, at most 30;
            instead of `HOMA_SUBMIT_TIMEOUT_S`.

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
        submit_timeout_s: float | None = None,
    ) -> None:
        own = LocalWorkers(workers)
        context = client_context(
            redis_url=redis_url,
            namespace=namespace,
            settings=settings,
            local=local,
            submit_timeout_s=submit_timeout_s,
        )
        self._use(own.of(context, whole=settings is not None), own)

    def _use(self, context: Context, own: LocalWorkers) -> None:
        self._context, self._workers = context, own
        self._driver = AwaitingDriver(context)
        # Handles keep the driver, and with it the workers of the jobs that they wait for.
        weakref.finalize(self._driver, own.leave)
        self._submitter = Submitter(context)
        self._submissions = Submissions()

    def __getstate__(self) -> ClientSource:
        return ClientSource.of(self._context)

    def __setstate__(self, source: ClientSource) -> None:
        self._use(source.context(), LocalWorkers("none"))

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
            schema: a type (pydantic model, dataclass, TypedDict, `list[…]` of one) or JSON schema for the answer;
                `Reply.parsed` is then its object.
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
        self, texts: Iterable[str], *, model: str, timeout: float | None = None, **options: Unpack[EmbeddingOptions]
    ) -> Embedded:
        """Turn texts into vectors, in as many calls as the provider's limits ask for; wait for them.

        It is one job; more than 2000 texts, or 4 MB of them, are a batch of jobs unless they have a `key`.

        Args:
            texts: what to embed, none of them empty: a list, a column of a table, or another iterable.
            model: `provider:model`, or an alias of the fleet's settings.
            timeout: seconds to wait; None waits as long as it takes.
            options: those of `EmbeddingOptions`. Vectors of two models do not mix: a fallback begins anew. Further
                names go to the provider as they are; type checkers want those in `provider_options`.

        Raises:
            InvalidRequest: an option is wrong, or no target has embeddings.
            ResultTimeout: the vectors have not come in time; the job or batch goes on.
            JobFailed, JobCancelled, JobExpired: as `Job.result`; the rest as `submit`.
        """
        from homa.client.embedding_batches import wanted_embeddings

        wanted = wanted_embeddings(self._submitter, texts, {"model": model, **options})
        if isinstance(wanted, Asked):
            return Embedded(await (await self._submit(wanted)).result(timeout))
        try:
            return await self._driver.run(wanted.vectors(timeout))
        except BaseException as error:
            await self._driver.run(wanted.leave(error))
            raise

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
