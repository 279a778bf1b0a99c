"""The result of `AsyncHoma.map`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from homa.client.short_tracebacks import short_tracebacks
from homa.client.tables.run import TableRun
from homa.client.tables.table import MappedRows, Made

if TYPE_CHECKING:
    from homa.drivers.aio import AwaitingDriver


@short_tracebacks
class AsyncTable(MappedRows):
    """A table that `AsyncHoma.map` made."""

    def __init__(self, driver: AwaitingDriver, made: Made) -> None:
        super().__init__(made)
        self._driver = driver

    async def retry(self) -> AsyncTable:
        """Do the rows without an answer anew, under what is left of the budget; wait for them.

        Returns:
            the same table.
        """
        failed = [index for index, _ in self._made.answers.failures()]

        async def rows() -> AsyncIterator[tuple[int, Any]]:
            for index, prompt in self._made.prompts.of(failed):
                yield index, prompt

        await self._carry_out(self._made.run(total=len(self)), rows())
        return self

    async def _fill(self) -> AsyncTable:
        """Carries out the first run over its rows."""
        made = self._made

        async def rows() -> AsyncIterator[tuple[int, Any]]:
            async for prompt in made.prompts:
                yield made.answers.expect(), prompt

        await self._carry_out(made.run(total=made.total()), rows())
        return self

    async def _carry_out(self, run: TableRun, rows: AsyncIterator[tuple[int, Any]]) -> None:
        try:
            await self._driver.run(run.begin())
            async for index, prompt in rows:
                if run.take(index, prompt):
                    await self._driver.run(run.send())
            await self._driver.run(run.finish())
        except BaseException as error:
            await self._driver.run(run.leave(error))
            raise
        finally:
            run.close()
