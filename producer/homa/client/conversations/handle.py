"""The handle of a conversation, for threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, Unpack, overload

from homa.client.conversations.flows import ConversationFlows
from homa.client.conversations.info import ConversationInfo
from homa.client.conversations.transfer import Format, export
from homa.client.conversations.turns import Turn
from homa.client.handles import Job
from homa.client.job_flows import JobFlows
from homa.client.results import Reply
from homa.client.short_tracebacks import short_tracebacks
from homa.client.streams import Piece
from homa.drivers.blocking import BlockingDriver
from homa.submit.job_options import ChatOptions, JobOptions, Schema

T = TypeVar("T")


@short_tracebacks
class Conversation:
    """A conversation. The handle holds its id, its owner and what is to hold from the next turn on."""

    def __init__(self, driver: BlockingDriver, flows: ConversationFlows) -> None:
        self._driver, self._flows = driver, flows

    @property
    def id(self) -> str:
        return self._flows.id

    @overload
    def submit(
        self,
        prompt: str | None = None,
        *,
        schema: type[T],
        model: str | None = None,
        expect_turn: int | None = None,
        **options: Unpack[JobOptions],
    ) -> Job[T]: ...

    @overload
    def submit(
        self,
        prompt: str | None = None,
        *,
        schema: None = None,
        model: str | None = None,
        expect_turn: int | None = None,
        **options: Unpack[JobOptions],
    ) -> Job[None]: ...

    @overload
    def submit(
        self,
        prompt: str | None = None,
        *,
        schema: Mapping[str, Any],
        model: str | None = None,
        expect_turn: int | None = None,
        **options: Unpack[JobOptions],
    ) -> Job[Any]: ...

    def submit(
        self,
        prompt: str | None = None,
        *,
        schema: Any = None,
        model: str | None = None,
        expect_turn: int | None = None,
        **options: Unpack[JobOptions],
    ) -> Job[Any]:
        """Add a turn, and return the handle of the job that answers it. The first one begins the conversation.

        The turn is stored with its job, and the answer with the job's end: a turn that waits always has a live job.

        Args:
            prompt: what is said; or `messages`, such as the results of tools that the turn before asked for.
            schema: as `Homa.submit`.
            model: `provider:model` or an alias; None: the conversation's, or that of the turn before.
            expect_turn: turns that the conversation is expected to have; None: those that are read now.
            options: those of `JobOptions`, but for `system` and `tenant`, which are the conversation's. A `key` that
                was used before returns the first turn's job, whatever has been said since.

        Raises:
            StaleTurn: it has other turns than expected: another client has gone on with it.
            TurnPending: its last turn still waits for its answer.
            ConversationForbidden: it belongs to another owner or tenant.
            ConversationFull: it has as many turns, or as much text, as it may have.
            InvalidRequest, UnknownModel, BudgetExceeded, StoreUnavailable, StoreFull: as `Homa.submit`.
        """
        given = {"prompt": prompt, "model": model, "schema": schema, **options}
        return self._job(expect_turn, given, schema)

    @overload
    def ask(
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
    def ask(
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
    def ask(
        self,
        prompt: str | None = None,
        *,
        schema: Mapping[str, Any],
        model: str | None = None,
        expect_turn: int | None = None,
        timeout: float | None = None,
        **options: Unpack[JobOptions],
    ) -> Reply[Any]: ...

    def ask(
        self,
        prompt: str | None = None,
        *,
        schema: Any = None,
        model: str | None = None,
        expect_turn: int | None = None,
        timeout: float | None = None,
        **options: Unpack[JobOptions],
    ) -> Reply[Any]:
        """Add a turn, and wait for its answer; as `submit` and `Job.result`."""
        given = {"prompt": prompt, "model": model, "schema": schema, **options}
        return self._job(expect_turn, given, schema).result(timeout)

    def stream(
        self,
        prompt: str | None = None,
        *,
        model: str | None = None,
        schema: Schema = None,
        expect_turn: int | None = None,
        **options: Unpack[ChatOptions],
    ) -> Iterator[Piece]:
        """Add a turn, and iterate over its answer as it is written; as `submit` and `Job.stream`."""
        given = {"prompt": prompt, "model": model, "schema": schema, **options, "stream": True}
        return self._job(expect_turn, given, schema).stream()

    def turns(self) -> list[Turn]:
        """Its turns, the first one first; none where it was not begun."""
        return self._driver.run(self._flows.turns())

    def info(self) -> ConversationInfo:
        """It without its turns.

        Raises:
            ConversationNotFound: it was not begun, was deleted, or its retention has ended.
            ConversationForbidden: it belongs to another owner or tenant.
        """
        return ConversationInfo.of(self._driver.run(self._flows.facts()))

    def retry(self) -> Job[None]:
        """Retry its last turn, which has failed; one that others follow stays as it is.

        Raises:
            InvalidRequest: that turn has not failed, or its request is no longer kept.
            TurnPending, ConversationNotFound, ConversationForbidden: as `submit` and `info`.
        """
        return Job(self._driver, JobFlows(self._flows.keys, self._driver.run(self._flows.retry())))

    def branch(self, at: int | None = None, *, id: str | None = None) -> Conversation:  # noqa: A002 - the field's name
        """Begin another conversation with the turns of this one; neither ever has the other's further turns.

        Args:
            at: number of the last turn that it begins with; None: all of them.
            id: its id; None: a new one.

        Raises:
            InvalidRequest: there is no such turn, or the id is taken.
            TurnPending, ConversationNotFound, ConversationForbidden: as `submit` and `info`.
        """
        name = self._driver.run(self._flows.branch(at, id))
        return Conversation(self._driver, self._flows.named(name))

    def export(self, format: Format = "json") -> str:  # noqa: A002 - the word people use
        """It as text: `json`, which `import_conversation` reads, or `markdown`.

        Raises:
            InvalidRequest: there is no such format.
            ConversationNotFound, ConversationForbidden: as `info`.
        """
        return self._driver.run(export(self._flows.keys, self.id, self._flows.owner, format))

    def delete(self) -> bool:
        """Forget it; the job that was to answer its last turn is cancelled. False where there was none.

        Raises:
            ConversationForbidden: it belongs to another owner or tenant.
        """
        return self._driver.run(self._flows.delete())

    def _job(self, expect_turn: int | None, given: Mapping[str, Any], schema: Any) -> Job[Any]:
        job = self._driver.run(self._flows.submit(expect_turn, given))
        return Job(self._driver, JobFlows(self._flows.keys, job, schema))

    def __repr__(self) -> str:
        return f"<Conversation {self.id}>"
