"""`AsyncHoma`: the client for event loops. The same methods as `Homa`'s, awaitable."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from homa.client.aio_handles import AsyncBatch, AsyncJob, AsyncOpenBatch
from homa.client.batch_flows import BatchFlows
from homa.client.batch_submission import BatchSubmission
from homa.client.count import count
from homa.client.embeddings import Embedded, ask_for_embeddings
from homa.client.job_flows import JobFlows
from homa.client.streams import Piece
from homa.drivers.aio import AwaitingDriver
from homa.drivers.context import client_context
from homa.submit.attachments import Document, Image
from homa.submit.batch_chunks import BatchRequest
from homa.submit.submitter import Submitter, ask_for
from homa_shared.calls.tokens import Count

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings

T = TypeVar("T")


class AsyncHoma:
    """A client of a fleet: submits jobs and reads their replies. It calls no provider and needs no key.

    It connects at the first use. It serves one event loop at a time, and works on in another one or a forked child.

    Args:
        redis_url: the store, instead of `HOMA_REDIS_URL`. Where neither is set, an embedded store that runs is joined.
        namespace: the fleet's namespace in it, instead of `HOMA_NAMESPACE`.
        settings: instead of environment and homa.toml.
        local: as `local()`.
    """

    def __init__(
        self,
        *,
        redis_url: str | None = None,
        namespace: str | None = None,
        settings: Settings | None = None,
        local: bool = False,
    ) -> None:
        self._context = client_context(redis_url=redis_url, namespace=namespace, settings=settings, local=local)
        self._driver = AwaitingDriver(self._context)
        self._submitter = Submitter(self._context)

    @classmethod
    def local(cls, *, namespace: str | None = None, settings: Settings | None = None) -> Self:
        """A client of the embedded store, which is started where it does not run (`homa-queue[embedded]`)."""
        return cls(namespace=namespace, settings=settings, local=True)

    @overload
    async def submit(
        self, prompt: str | None = None, *, model: str, schema: type[T], **arguments: Any
    ) -> AsyncJob[T]: ...

    @overload
    async def submit(
        self, prompt: str | None = None, *, model: str, schema: None = None, **arguments: Any
    ) -> AsyncJob[None]: ...

    @overload
    async def submit(
        self, prompt: str | None = None, *, model: str, schema: Mapping[str, Any], **arguments: Any
    ) -> AsyncJob[Any]: ...

    async def submit(
        self,
        prompt: str | None = None,
        *,
        model: str,
        schema: Any = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        system: str | None = None,
        tools: Sequence[Any] | None = None,
        images: Sequence[Image] = (),
        files: Sequence[Document] = (),
        max_tokens: int | None = None,
        temperature: float | None = None,
        fallbacks: Sequence[str] = (),
        key: str | None = None,
        deadline_s: float | None = None,
        delay_s: float | None = None,
        at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        tenant: str | None = None,
        lane: str | None = None,
        budget_usd: str | int | float | Decimal | None = None,
        on_ambiguous: str | None = None,
        on_content_policy: str | None = None,
        slack_s: float | None = None,
        cache: bool | None = None,
        stream: bool | None = None,
        max_attempts: int | None = None,
        api: str | None = None,
        run_tools: Sequence[Any] = (),
        max_steps: int | None = None,
        content_retries: int | None = None,
        prompt_cache: bool | str | None = None,
        **options: Any,
    ) -> AsyncJob[Any]:
        """Accept a job and return its handle at once.

        Args:
            prompt: the user's text.
            model: `provider:model`, or an alias of the fleet's settings.
            schema: a pydantic model or JSON schema for the answer; `Reply.parsed` is then its object.
            messages: a whole conversation instead of a prompt, in OpenAI's shape.
            system: instructions, put in front.
            tools: what the model may ask you to run: typed functions, or definitions in OpenAI's shape. Calls of
                them are the reply (`Reply.tool_calls`).
            images: shown with the prompt: URLs, `pathlib.Path`s, or bytes.
            files: PDF documents, shown with the prompt: `pathlib.Path`s or bytes.
            max_tokens: output cap. One is always sent: the alias's default, else 4096.
            temperature: 0 to 2.
            fallbacks: models to go on to where the first cannot serve.
            key: idempotency key: a second submit with it returns the first one's job.
            deadline_s: seconds from now after which the job expires.
            delay_s: seconds from now before which it does not start; or `at`, a time with a zone.
            tags: up to ten names and values, for costs and budgets.
            tenant: on whose behalf: shares, budgets and costs go by it.
            lane: high, default or bulk.
            budget_usd: most that the job may cost, over all its attempts.
            on_ambiguous: retry (default) or fail, when nobody can know whether a call was charged.
            on_content_policy: fail (default) or reroute: to the next fallback after a refusal by a content policy.
            slack_s: seconds of waiting that it bears before it goes to a fallback.
            cache: whether an equal request's reply will do; the alias's setting where nothing is said.
            stream: whether its text is written to `stream()` as it comes.
            max_attempts: most tries over all targets (6).
            api: which of OpenAI's APIs is asked, at OpenAI and Azure: chat (default) or responses.
            run_tools: tools that the worker runs itself: functions made tools by `@tool`, or their names. Workers
                must have imported them (`homa worker --actors MODULE`).
            max_steps: most calls of the model while it asks for such tools (10). `budget_usd` caps their cost.
            content_retries: how often an answer that does not fit `schema` is asked for again (2).
            prompt_cache: what the provider's prompt cache is to keep for other jobs: True for all before the last
                message, a text for that and this beginning of the last one, False for nothing. In a batch what lines
                share is found where nothing is said.
            options: further parameters in OpenAI's names, passed to the provider.

        Raises:
            InvalidRequest: an argument is wrong, or the key was used before with another request.
            UnknownModel: the model is neither a target of a configured provider nor an alias.
            BudgetExceeded: one call may cost more than `budget_usd`.
            StoreUnavailable, StoreFull: nothing was accepted, as far as the store told.
        """
        arguments = dict(locals())
        return await self._submit(arguments)

    def stream(
        self,
        prompt: str | None = None,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]] | None = None,
        system: str | None = None,
        tools: Sequence[Any] | None = None,
        images: Sequence[Image] = (),
        files: Sequence[Document] = (),
        max_tokens: int | None = None,
        temperature: float | None = None,
        fallbacks: Sequence[str] = (),
        key: str | None = None,
        deadline_s: float | None = None,
        delay_s: float | None = None,
        at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        tenant: str | None = None,
        lane: str | None = None,
        budget_usd: str | int | float | Decimal | None = None,
        on_ambiguous: str | None = None,
        on_content_policy: str | None = None,
        slack_s: float | None = None,
        cache: bool | None = None,
        max_attempts: int | None = None,
        api: str | None = None,
        **options: Any,
    ) -> AsyncIterator[Piece]:
        """Submit a job and iterate over its answer as it is written; as `submit` and `Job.stream`."""
        arguments = {**locals(), "stream": True}
        return self._stream(arguments)

    async def _stream(self, arguments: dict[str, Any]) -> AsyncIterator[Piece]:
        job = await self._submit(arguments)
        async for piece in job.stream():
            yield piece

    async def _submit(self, arguments: dict[str, Any]) -> AsyncJob[Any]:
        asked = ask_for(arguments)
        job_id = await self._driver.run(self._submitter.submit(asked))
        return self.job(job_id, schema=arguments.get("schema"))

    async def embed(
        self,
        texts: Sequence[str],
        *,
        model: str,
        fallbacks: Sequence[str] = (),
        key: str | None = None,
        deadline_s: float | None = None,
        tags: Mapping[str, str] | None = None,
        tenant: str | None = None,
        lane: str | None = None,
        budget_usd: str | int | float | Decimal | None = None,
        cache: bool | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Embedded:
        """Turn texts into vectors, in one job of as many calls as the provider's limits ask for; wait for them.

        Args:
            texts: what to embed, none of them empty.
            model: `provider:model`, or an alias of the fleet's settings.
            fallbacks: models to go on to. Vectors of two models do not mix: another one begins anew.
            timeout: seconds to wait; None waits as long as it takes.
            options: further parameters in OpenAI's names, such as `dimensions`; all others as in `submit`.

        Raises:
            InvalidRequest: an argument is wrong, or no target has embeddings.
            ResultTimeout: the vectors have not come in time; the job goes on.
            JobFailed, JobCancelled, JobExpired: as `Job.result`; the rest as `submit`.
        """
        arguments = {name: value for name, value in locals().items() if name not in ("self", "texts", "timeout")}
        arguments |= arguments.pop("options")
        job_id = await self._driver.run(self._submitter.submit(ask_for_embeddings(texts, arguments)))
        return Embedded(await self.job(job_id).result(timeout))

    async def submit_batch(
        self,
        requests: Iterable[BatchRequest] | AsyncIterable[BatchRequest],
        *,
        model: str | None = None,
        budget_usd: str | int | float | Decimal | None = None,
        name: str | None = None,
        **defaults: Any,
    ) -> AsyncBatch:
        """Submit any number of requests as one batch; returns when all are accepted.

        Args:
            requests: prompts, mappings of `submit`'s arguments (with `custom_id`), or lines of OpenAI's batch files.
                They are read once, as they are sent, and never held whole.
            model: for requests that name none.
            budget_usd: most that the whole batch may cost.
            name: for people.
            defaults: other arguments of `submit`, for requests that do not say otherwise. The lane is bulk unless said.

        Raises:
            InvalidRequest, BudgetExceeded, UnknownModel: a request is wrong; it is named by its number, from 0. The
                batch is then cancelled, as it is when `requests` itself fails.
            StoreUnavailable, StoreFull: the store was away, or full, for longer than half a minute.
        """
        filling = await self.open_batch(model=model, budget_usd=budget_usd, name=name, **defaults)
        try:
            await filling.add(requests)
            return await filling.seal()
        except BaseException as error:
            await filling.abandon(error)
            raise

    async def open_batch(self, **arguments: Any) -> AsyncOpenBatch:
        """A batch to be filled bit by bit, and sealed; arguments as `submit_batch` without the requests."""
        submission = BatchSubmission(self._submitter, arguments)
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
        return await (self.job(job).cancel() if isinstance(job, str) else job.cancel())

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

    async def aclose(self) -> None:
        """Close the connections. The client may be used again: it connects anew."""
        await self._driver.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
