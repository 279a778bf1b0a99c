"""`Homa`: the client for threads, scripts and notebooks."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from homa.client.batching import Batching
from homa.client.conversations.opening import Dialogue
from homa.client.count import count
from homa.client.embeddings import Embedded
from homa.client.event_reading import EventReading
from homa.client.extensions import Extended
from homa.client.flows.running import FlowRunning
from homa.client.handles import Job
from homa.client.local_workers import LocalWorkers, Workers
from homa.client.management.sync import Management
from homa.client.running_files import FilesRunning
from homa.client.scheduling import Scheduling
from homa.client.short_tracebacks import short_tracebacks
from homa.client.streams import Piece
from homa.client.tables.mapping import TableMapping
from homa.client.templates import Templating
from homa.drivers.blocking import BlockingDriver
from homa.drivers.context import Context, client_context
from homa.drivers.source import ClientSource
from homa.submit.asked import Asked, ask_for
from homa.submit.job_options import ChatOptions, EmbeddingOptions, JobOptions, Schema
from homa.submit.submitter import Submitter
from homa_shared.calls.tokens import Count

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings

T = TypeVar("T")


@short_tracebacks
class Homa(
    Batching,
    Management,
    Scheduling,
    TableMapping,
    FilesRunning,
    EventReading,
    Dialogue,
    Templating,
    FlowRunning,
    Extended,
):
    """A client of a fleet: submits jobs and reads their replies. It calls no provider and needs no key.

    It connects at the first use, may be shared by threads, and works on in a forked child.

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
        self._driver = BlockingDriver(context)
        # Handles keep the driver, and with it the workers of the jobs that they wait for.
        weakref.finalize(self._driver, own.leave)
        self._submitter = Submitter(context)

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
    def submit(
        self, prompt: str | None = None, *, model: str, schema: type[T], **options: Unpack[JobOptions]
    ) -> Job[T]: ...

    @overload
    def submit(
        self, prompt: str | None = None, *, model: str, schema: None = None, **options: Unpack[JobOptions]
    ) -> Job[None]: ...

    @overload
    def submit(
        self, prompt: str | None = None, *, model: str, schema: Mapping[str, Any], **options: Unpack[JobOptions]
    ) -> Job[Any]: ...

    def submit(
        self, prompt: str | None = None, *, model: str, schema: Any = None, **options: Unpack[JobOptions]
    ) -> Job[Any]:
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
        return self._submit(ask_for({"prompt": prompt, "model": model, "schema": schema, **options}))

    def stream(
        self, prompt: str | None = None, *, model: str, schema: Schema = None, **options: Unpack[ChatOptions]
    ) -> Iterator[Piece]:
        """Submit a job and iterate over its answer as it is written; as `submit` and `Job.stream`."""
        asked = ask_for({"prompt": prompt, "model": model, "schema": schema, **options, "stream": True})
        return self._submit(asked).stream()

    def _submit(self, asked: Asked) -> Job[Any]:
        return self.job(self._driver.run(self._submitter.submit(asked)), schema=asked.schema)

    def embed(
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
            return Embedded(self._submit(wanted).result(timeout))
        try:
            return self._driver.run(wanted.vectors(timeout))
        except BaseException as error:
            self._driver.run(wanted.leave(error))
            raise

    def count(self, content: str | Sequence[Mapping[str, Any]], *, model: str, exact: bool = False) -> Count:
        """Tokens of a text or of messages; `exact` of the result says whether they are an estimate.

        They are counted offline: exactly for texts of OpenAI's models, else by an estimate that is scaled by what
        replies have taught, as far as this client has submitted to the model.

        Args:
            content: the text, or messages in OpenAI's shape.
            model: `provider:model`; with `exact` also an alias of the fleet's settings.
            exact: ask the provider's own count. Another process of this machine asks, with the key of this client's
                settings, and needs the provider's SDK (`homa-queue[workers]`, `[gemini]`, `[bedrock]`).

        Raises:
            InvalidRequest: the provider is not configured in this process, or offers no count.
            MissingExtra: its SDK is not installed here.
            CountFailed: it did not answer.
            StoreUnavailable: the model is an alias, and the store cannot be asked what for.
        """
        if exact:
            from homa.client.exact_count import count_exactly, target_of

            target = self._driver.run(target_of(model, self._submitter))
            return count_exactly(self._context.settings, target, content)
        return count(content, model=model, factor=self._submitter.factor(model))

    def close(self) -> None:
        """Close the connections; workers of its own finish their calls. It may be used again: it connects anew."""
        try:
            self._workers.close()
        finally:
            self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
