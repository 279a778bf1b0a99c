"""The handle of a conversation, for event loops."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar, Unpack, overload

from homa.client.aio_handles import AsyncJob
from homa.client.aio_stream import AsyncStream, Submissions
from homa.client.conversations.flows import ConversationFlows
from homa.client.conversations.info import ConversationInfo
from homa.client.conversations.transfer import Format, export
from homa.client.conversations.turns import Turn
from homa.client.job_flows import JobFlows
from homa.client.results import Reply
from homa.client.short_tracebacks import short_tracebacks
from homa.drivers.aio import AwaitingDriver
from homa.submit.job_options import ChatOptions, JobOptions, Schema

T = TypeVar("T")


@short_tracebacks
class AsyncConversation:
    """A conversation, as `Conversation`; its methods are awaitable."""

    def __init__(self, driver: AwaitingDriver, flows: ConversationFlows, submissions: Submissions) -> None:
        self._driver, self._flows, self._submissions = driver, flows, submissions

    @property
    def id(self) -> str:
        return self._flows.id

    @overload
    async def submit(
        self,
        prompt: str | None = None,
        *,
        schema: type[T],
        model: str | None = None,
        expect_turn: int | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncJob[T]: ...

    @overload
    async def submit(
        self,
        prompt: str | None = None,
        *,
        schema: None = None,
        model: str | None = None,
        expect_turn: int | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncJob[None]: ...

    @overload
    async def submit(
        self,
        prompt: str | None = None,
        *,
        schema: Mapping[str, Any],
        model: str | None = None,
        expect_turn: int | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncJob[Any]: ...

    async def submit(
        self,
        prompt: str | None = None,
        *,
        schema: Any = None,
        model: str | None = None,
        expect_turn: int | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncJob[Any]:
        """Add a turn, and return the handle of the job that answers it; as `Conversation.submit`."""
        given = {"prompt": prompt, "model": model, "schema": schema, **options}
        return await self._job(expect_turn, given, schema)

    @overload
    async def ask(
        self,
        prompt: str | None = None,
        *,
        schema: type[T],
        model: str | None = None,
        expect_turn: int | None = None,
        timeout: float | None = None,
        **options: Unpack[JobOptions],
    ) -> Reply[T]: ...

    @overload
    async def ask(
        self,
        prompt: str | None = None,
        *,
        schema: None = None,
        model: str | None = None,
        expect_turn: int | None = None,
        timeout: float | None = None,
        **options: Unpack[JobOptions],
    ) -> Reply[None]: ...

    @overload
    async def ask(
        self,
        prompt: str | None = None,
        *,
        schema: Mapping[str, Any],
        model: str | None = None,
        expect_turn: int | None = None,
        timeout: float | None = None,
        **options: Unpack[JobOptions],
    ) -> Reply[Any]: ...

    async def ask(
        self,
        prompt: str | None = None,
        *,
        schema: Any = None,
        model: str | None = None,
        expect_turn: int | None = None,
        timeout: float | None = None,
        **options: Unpack[JobOptions],
    ) -> Reply[Any]:
        """Add a turn, and wait for its answer; as `submit` and `AsyncJob.result`."""
        given = {"prompt": prompt, "model": model, "schema": schema, **options}
        return await (await self._job(expect_turn, given, schema)).result(timeout)

    def stream(
        self,
        prompt: str | None = None,
        *,
        model: str | None = None,
        schema: Schema = None,
        expect_turn: int | None = None,
        **options: Unpack[ChatOptions],
    ) -> AsyncStream:
        """Add a turn, and iterate over its answer as it is written; as `submit` and `AsyncJob.stream`.

        It is submitted at once, before the first piece is asked for.
        """
        given = {"prompt": prompt, "model": model, "schema": schema, **options, "stream": True}
        return AsyncStream(partial(self._job, expect_turn, given, schema), self._submissions)

    async def turns(self) -> list[Turn]:
        """Its turns, the first one first; none where it was not begun."""
        return await self._driver.run(self._flows.turns())

    async def info(self) -> ConversationInfo:
        """It without its turns; raises as `Conversation.info`."""
        return ConversationInfo.of(await self._driver.run(self._flows.facts()))

    async def retry(self) -> AsyncJob[None]:
        """Retry its last turn, which has failed; as `Conversation.retry`."""
        return AsyncJob(self._driver, JobFlows(self._flows.keys, await self._driver.run(self._flows.retry())))

    async def branch(self, at: int | None = None, *, id: str | None = None) -> AsyncConversation:  # noqa: A002 - the field's name
        """Begin another conversation with the turns of this one; as `Conversation.branch`."""
        name = await self._driver.run(self._flows.branch(at, id))
        return AsyncConversation(self._driver, self._flows.named(name), self._submissions)

    async def export(self, format: Format = "json") -> str:  # noqa: A002 - the word people use
        """It as text; as `Conversation.export`."""
        return await self._driver.run(export(self._flows.keys, self.id, self._flows.owner, format))

    async def delete(self) -> bool:
        """Forget it; as `Conversation.delete`."""
        return await self._driver.run(self._flows.delete())

    async def _job(self, expect_turn: int | None, given: Mapping[str, Any], schema: Any) -> AsyncJob[Any]:
        job = await self._driver.run(self._flows.submit(expect_turn, given))
        return AsyncJob(self._driver, JobFlows(self._flows.keys, job, schema))

    def __repr__(self) -> str:
        return f"<AsyncConversation {self.id}>"
