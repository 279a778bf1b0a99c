"""The result of `AsyncHoma.map`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from homa.client.short_tracebacks import short_tracebacks
from homa.client.tables.prompts import Prompt
from homa.client.tables.run import TableRun
from homa.client.tables.table import Made, MappedRows

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

        async def rows() -> AsyncIterator[tuple[int, Prompt]]:
            for index, prompt in self._made.prompts.of(failed):
                yield index, prompt

        await _carry_out(self._driver, self._made.run(total=len(self)), rows())
        return self


async def fill(driver: AwaitingDriver, made: Made) -> AsyncTable:
    """The table whose rows are all asked."""

    async def rows() -> AsyncIterator[tuple[int, Prompt]]:
        async for prompt in made.prompts:
            yield made.answers.expect(), prompt

    await _carry_out(driver, made.run(total=made.total()), rows())
    return AsyncTable(driver, made)


async def _carry_out(driver: AwaitingDriver, run: TableRun, rows: AsyncIterator[tuple[int, Prompt]]) -> None:
    try:
        await driver.run(run.begin())
        async for index, prompt in rows:
            if run.take(index, prompt):
                await driver.run(run.send())
        await driver.run(run.finish())
    except BaseException as error:
        await driver.run(run.leave(error))
        raise
    finally:
        run.close()
