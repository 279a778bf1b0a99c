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
