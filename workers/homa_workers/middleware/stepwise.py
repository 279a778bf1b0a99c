"""Code of others beside a call: watched as it waits, and what it returns is checked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, Generic, TypeVar

import orjson

from homa_shared.calls.reply import Completion

T = TypeVar("T")
#: Longest that code of others may take to end once it is cut off, s; then it is left where it waits.
CUT_S = 5.0


class Stepwise(Generic[T]):
    """A coroutine that is watched as it waits.

    Args:
        work: runs in the present task.
        suspended: called whenever it waits for something.
    """

    def __init__(self, work: Coroutine[Any, Any, T], suspended: Callable[[], None]) -> None:
        self._work, self._suspended = work, suspended
        #: Whether it is left where it waits, at the next error: it has swallowed the one that should have ended it.
        self.is_left = False

    def __await__(self) -> Generator[Any, Any, T]:
        work, suspended = self._work, self._suspended
        step, given = work.send, None
        while True:
            try:
                waited = step(given)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            suspended()
            try:
                given, step = (yield waited), work.send
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:
                if self.is_left:
                    with suppress(BaseException):  # it may swallow this end, too
                        work.close()
                    raise
                given, step = error, work.throw


def expect_reply(reply: Completion) -> None:
    """Raises where a body cannot be stored or read.

    Raises:
        TypeError: it is not JSON.
        ValueError: it is no chat completion.
    """
    orjson.dumps(reply.body)
    choices = reply.body.get("choices")
    if not (isinstance(choices, list) and choices and all(_is_choice(choice) for choice in choices)):
        raise ValueError(f"its body has choices {choices!r}; expected those of a chat completion")


def _is_choice(choice: object) -> bool:
    return isinstance(choice, dict) and isinstance(choice.get("message"), dict)
