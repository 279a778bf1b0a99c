"""Code of others around a call: watched as it waits, and what it returns is checked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any

import orjson

from homa_shared.calls.reply import Completion


class Stepwise:
    """A coroutine that is watched as it waits.

    Args:
        work: runs in the present task.
        suspended: called whenever it waits for something.
    """

    def __init__(self, work: Coroutine[Any, Any, Completion], suspended: Callable[[], None]) -> None:
        self._work, self._suspended = work, suspended

    def __await__(self) -> Generator[Any, Any, Completion]:
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
