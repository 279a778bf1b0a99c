"""The addresses of one host, looked up once a minute while they serve, however many connections are opened."""

from __future__ import annotations

import asyncio
import socket

from aiohappyeyeballs import AddrInfoType

#: How long addresses are believed, s.
_BELIEVED_S = 60.0


class Addresses:
    """Where a host can be reached.

    Args:
        host: a name, or an address.
        port: of the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._known: list[AddrInfoType] = []
        self._until = 0.0
        self._turn = 0
        self._asking: asyncio.Task[list[AddrInfoType]] | None = None

    async def found(self) -> list[AddrInfoType]:
        """All addresses, each time beginning with another one: a host with several spreads its load by them.

        Raises:
            OSError: there is none.
        """
        if not self._known or asyncio.get_running_loop().time() >= self._until:
            # One question for all who wait; whoever leaves does not take the answer from the others.
            self._known = await asyncio.shield(self._question())
        self._turn = (self._turn + 1) % len(self._known)
        return self._known[self._turn :] + self._known[: self._turn]

    def forget(self) -> None:
        """The addresses are not believed any more: no connection came of them."""
        self._known = []

    def _question(self) -> asyncio.Task[list[AddrInfoType]]:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(_noted)
        return self._asking

    async def _ask(self) -> list[AddrInfoType]:
        loop = asyncio.get_running_loop()
        known = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        if not known:
            raise OSError(f"{self._host} has no address")
        self._until = loop.time() + _BELIEVED_S
        return list(known)


def _noted(asking: asyncio.Task[list[AddrInfoType]]) -> None:
    """Takes note of a failure that nobody waits for any more."""
    if not asking.cancelled():
        asking.exception()
