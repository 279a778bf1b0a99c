"""Room that the large replies of a process share.

A worker of a thousand slots cannot give each of them room for the largest reply, and need not: few replies are large.
Up to `OWN_BYTES` a reply takes what it takes. What is beyond that is counted together, and once `SHARED_BYTES` are
taken, one reply at a time goes on to its end (up to `reply_max_bytes`); the others wait, unread, on their connections.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

#: Bytes of a reply that are not counted.
OWN_BYTES = 256 * 1024
#: Bytes of all other parts of replies that may be held at once, beside those of the one that goes on.
SHARED_BYTES = 64 * 1024 * 1024


class ReplyRoom:
    """What the replies that are being read hold together.

    Args:
        own: bytes of each that are not counted.
        shared: bytes beyond those that all together may hold.
    """

    def __init__(self, own: int = OWN_BYTES, shared: int = SHARED_BYTES) -> None:
        self.own = own
        self._shared = shared
        self._taken = 0
        #: The one that goes on although no room is left.
        self._ahead: Share | None = None
        self._waiting: deque[Share] = deque()

    @property
    def taken(self) -> int:
        """Bytes that are counted now."""
        return self._taken

    def share(self) -> Share:
        """The part of a reply that begins."""
        return Share(self)

    def count(self, more: int) -> None:
        """Counts further bytes of a reply, which it has."""
        self._taken += more

    def lets(self, share: Share) -> bool:
        """Whether a reply may go on reading; else it is told when."""
        if self._taken <= self._shared or share is self._ahead:
            return True
        if self._ahead is None:
            self._ahead = share
            return True
        self._waiting.append(share)
        return False

    def give_back(self, share: Share, counted: int) -> None:
        """What a reply held is handed over, or gone; others go on."""
        self._taken -= counted
        if share is self._ahead:
            self._ahead = None
        elif share in self._waiting:
            self._waiting.remove(share)
        while self._waiting and (self._taken < self._shared or self._ahead is None):
            next_one = self._waiting.popleft()
            if self._taken >= self._shared:
                self._ahead = next_one
            next_one.go_on()


class Share:
    """What one reply holds of the room. It has to `leave` in the end."""

    __slots__ = ("_counted", "_resume", "_room")

    def __init__(self, room: ReplyRoom) -> None:
        self._room = room
        self._counted = 0
        self._resume: Callable[[], object] | None = None

    def grow(self, size: int, resume: Callable[[], object]) -> bool:
        """Whether a reply that has come to so many bytes may be read on at once.

        Args:
            size: bytes that have come.
            resume: called once it may go on, where it may not yet.
        """
        more = size - self._room.own - self._counted
        if more <= 0:
            return True
        self._counted += more
        self._room.count(more)
        # What was on its way here when it was held back comes all the same.
        if self._resume is None and self._room.lets(self):
            return True
        self._resume = resume
        return False

    async def grown(self, size: int) -> None:
        """Returns when a reply that has come to so many bytes may be read on."""
        if size - self._room.own <= self._counted:
            return
        free = asyncio.Event()
        if not self.grow(size, free.set):
            await free.wait()

    def go_on(self) -> None:
        """It may be read on."""
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    def leave(self) -> None:
        """It is handed over, or given up. Told again, it changes nothing."""
        counted, self._counted = self._counted, 0
        self._resume = None
        if counted:
            self._room.give_back(self, counted)


#: That of this process.
ROOM = ReplyRoom()
