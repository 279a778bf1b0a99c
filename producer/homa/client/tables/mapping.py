"""What `Homa` and `AsyncHoma` do with tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from homa.submit.job_options import JobOptions, Schema

if TYPE_CHECKING:
    from homa.client.tables.aio_table import AsyncTable
    from homa.client.tables.table import Made, Table
    from homa.drivers.aio import AwaitingDriver
    from homa.drivers.blocking import BlockingDriver
    from homa.submit.submitter import Submitter


class TableMapping:
    """Tables, for threads."""

    _driver: BlockingDriver
    _submitter: Submitter

    def map(
        self,
        rows: object,
        *,
        model: str,
        prompt: str | None = None,
        schema: Schema = None,
        name: str | None = None,
        progress: bool | None = None,
        **options: Unpack[JobOptions],
    ) -> Table:
        """Ask the same of every row, and wait for all: a table of the rows with the answers beside them.

        It is one batch. Ctrl-C, or an error, pauses one that has a name: the same call goes on with it. Without a name
        it is cancelled.

        Args:
            rows: texts, mappings, a pandas or polars DataFrame or Series, an Arrow table, or an iterable of these. They
                are read once, as they are sent.
            model: `provider:model`, or an alias of the fleet's settings.
            prompt: in it `{{column}}` stands for a row's value; nothing said is `{{text}}`, the row itself where rows
                are texts.
            schema: a pydantic model or JSON schema of the answers; its fields become columns.
            name: by which a later call finds the answers of rows that it asks the same, as long as the store keeps
                them (`retention.results`, `Table.kept_s`): what is missing, failed or changed alone is asked and paid.
            progress: show a bar; None does in a terminal and in a notebook.
            options: as `submit_batch`. `budget_usd` is the most that the table may cost, all runs of its name together.

        Raises:
            InvalidRequest: an option, the prompt or `rows` is wrong. A single row that cannot be sent is a failure of
                the table instead.
            BudgetExceeded: what is left of the budget does not allow the next call.
            UnknownModel, StoreUnavailable, StoreFull: as `submit_batch`.
        """
        from homa.client.tables.table import fill

        given = {"model": model, "schema": schema, "name": name, **options}
        return fill(self._driver, _made(self._submitter, rows, prompt, given, progress))


class AsyncTableMapping:
    """Tables, for event loops."""

    _driver: AwaitingDriver
    _submitter: Submitter

    async def map(
        self,
        rows: object,
        *,
        model: str,
        prompt: str | None = None,
        schema: Schema = None,
        name: str | None = None,
        progress: bool | None = None,
        **options: Unpack[JobOptions],
    ) -> AsyncTable:
        """Ask the same of every row, and wait for all; as `Homa.map`. `rows` may be an async iterable, too."""
        from homa.client.tables.aio_table import fill

        given = {"model": model, "schema": schema, "name": name, **options}
        return await fill(self._driver, _made(self._submitter, rows, prompt, given, progress))


def _made(
    submitter: Submitter, rows: object, prompt: str | None, options: Mapping[str, Any], progress: bool | None
) -> Made:
    from homa.client.tables.answers import Answers
    from homa.client.tables.order import order_of
    from homa.client.tables.prompts import Prompts
    from homa.client.tables.sources import source_of
    from homa.client.tables.table import Made

    order = order_of(options, prompt)
    source = source_of(rows)
    return Made(submitter, source, Prompts(prompt, source), order, progress, Answers(order.schema), [])
