"""A client that goes away while it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")


class ClientGone(Exception):
    """The client closed its connection before it had its answer."""


async def unless_gone(receive: Receive, waiting: Coroutine[Any, Any, T]) -> T:
    """What is waited for, unless the client goes away before.

    Args:
        receive: of the request, whose body has been read.

    Raises:
        ClientGone: it went.
    """
    task, watch = asyncio.ensure_future(waiting), asyncio.ensure_future(departure(receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        watch.cancel()
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def departure(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
