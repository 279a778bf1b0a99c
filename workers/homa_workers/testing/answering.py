"""Answers of a test, each in a thread of its own: one may be a function of the test's that takes its time.

One that never returns ends its job when its time is over, and keeps neither the block nor the process from ending: the
threads are daemons, and nobody waits for them but the call.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from homa_shared.calls.failures import ErrorKind, ProviderError

T = TypeVar("T")

#: How long an answer may take, s: less than those wait that wait until all is done.
ANSWER_S = 20.0


class Answering:
    """The answers that are being given, on one event loop."""

    def __init__(self) -> None:
        self._pending: dict[asyncio.Future[Any], str] = {}

    @property
    def pending(self) -> list[str]:
        """Calls whose answers have not come yet."""
        return list(self._pending.values())

    async def ask(self, call: str, answer: Callable[[], T]) -> T:
        """What a function returns or raises.

        Args:
            call: what is answered, for messages.

        Raises:
            ProviderError: it has not returned in time.
        """
        coming: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending[coming] = call
        try:
            threading.Thread(target=_answer, args=(coming, answer), name="homa-testing-answer", daemon=True).start()
            async with asyncio.timeout(ANSWER_S) as limit:
                return await coming
        except TimeoutError:
            if not limit.expired():
                raise
            raise _late(f"has not come within {ANSWER_S:g} s") from None
        finally:
            del self._pending[coming]

    def give_up(self) -> list[str]:
        """Ends the calls whose answers have not come; returns them."""
        given_up = self.pending
        for coming in self._pending:
            if not coming.done():
                coming.set_exception(_late("had not come when the block ended"))
        return given_up


def _answer(coming: asyncio.Future[T], answer: Callable[[], T]) -> None:
    try:
        tell = partial(coming.set_result, answer())
    except BaseException as error:
        tell = partial(coming.set_exception, _carried(error))
    # The loop may be closed: then the answer comes after the block's end.
    with suppress(RuntimeError):
        coming.get_loop().call_soon_threadsafe(lambda: None if coming.done() else tell())


def _carried(error: BaseException) -> Exception:
    """An error as a coroutine may raise it: neither the end of an iteration nor that of the process."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    carried = RuntimeError(f"the answer that the test wrote down raised {type(error).__name__}: {error}")
    carried.__cause__ = error
    return carried


def _late(how: str) -> ProviderError:
    return ProviderError(ErrorKind.INVALID_REQUEST, f"the answer that the test wrote down {how}", 400)
