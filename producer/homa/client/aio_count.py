"""Token counts for event loops."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Literal, overload

from homa.client.count import count
from homa.drivers.aio import AwaitingDriver
from homa.drivers.context import Context
from homa.submit.submitter import Submitter
from homa_shared.calls.tokens import Count


class AsyncCounting:
    """`count` of `AsyncHoma`."""

    _context: Context
    _driver: AwaitingDriver
    _submitter: Submitter

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
        """Tokens of a text or of messages, as `Homa.count`; with `exact` the result is to be awaited."""
        if exact:
            return self._count_exactly(content, model)
        return count(content, model=model, factor=self._submitter.factor(model))

    async def _count_exactly(self, content: str | Sequence[Mapping[str, Any]], model: str) -> Count:
        from homa.client.exact_count import count_exactly_async, target_of

        target = await self._driver.run(target_of(model, self._submitter))
        return await count_exactly_async(self._context.settings, target, content)
