"""Who goes on with batches of files: gateways, and where none does it, a process of a worker that reaches their files.

A claim keeps two from doing the same at the same time, and no more rests on it (gateway_batches.py).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from homa_shared.model.constants import UNTENDED_MS
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, number, read, text

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings
    from homa_shared.store.blobs import Blobs

#: For how long a worker's process that has not been heard of is taken to live, ms.
STANDS_IN_MS = 15_000
#: A place that was found to lack a batch's files is not tried again for so long, ms.
_ELSEWHERE_MS = 60_000
#: Schemes of blob stores that only this machine reaches under their URL.
_LOCAL_SCHEMES = frozenset({"file", "memory"})


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a process keeps files of the gateway."""

    #: For people.
    name: str

    @property
    def id(self) -> str:
        """As keys of the store have it."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]


def place_of(settings: Settings, blobs: Blobs | None) -> FilePlace:
    """Where a process with these settings keeps files: its blob store, else a folder of its machine."""
    host = os.uname().nodename
    if blobs is None:
        return FilePlace(f"the folder {settings.home / 'files'} of {host}")
    # A query may hold what is nobody's business.
    url = urlsplit(blobs.url)._replace(query="", fragment="").geturl()
    is_local = urlsplit(url).scheme in _LOCAL_SCHEMES
    return FilePlace(f"the blob store {url}" + (f" of {host}" if is_local else ""))


@dataclass(frozen=True, slots=True)
class Claimed:
    """Batches to go on with."""

    ids: list[str]
    #: Whether a gateway does it, which is told to those that stand in for one.
    gateway_lives: bool


def claim_batches(keys: Keys, place: FilePlace, most: int, hold_ms: int, *, stands_in: bool = False) -> Op[Claimed]:
    """Batches that somebody should look at; others leave them to whoever asked for so long.

    Args:
        place: whose files whoever asks reaches.
        stands_in: it is no gateway: it gets none where one lives.
    """
    args = ("claim", "", most, hold_ms, place.id, STANDS_IN_MS if stands_in else 0)
    return call(keys, "gateway_batch", args, lambda r: Claimed([text(name) for name in r[1]], int(r[0]) == 1))


def is_untended(keys: Keys, place: FilePlace) -> Op[bool]:
    """Whether a process is to be started that stands in for gateways; true for one of those who ask from a place."""
    return call(keys, "gateway_batch", ("untended", "", place.id, STANDS_IN_MS), lambda reply: int(reply) == 1)


def rest_batch(keys: Keys, batch_id: str, pause_ms: int, waits_for: str = "") -> Op[None]:
    """Says when a batch is to be looked at next, and what it waits for, if anything stands in its way."""
    return call(keys, "gateway_batch", ("rest", batch_id, pause_ms, waits_for), lambda _: None)


def leave_to_others(keys: Keys, batch_id: str, place: FilePlace, why: str) -> Op[None]:
    """Says that a batch's files are not at a place: others go on with it, and it waits for those until then."""
    return call(keys, "gateway_batch", ("elsewhere", batch_id, place.id, why, _ELSEWHERE_MS), lambda _: None)


def what_holds_batch(keys: Keys, batch_id: str) -> Op[str]:
    """What a batch of a file waits for before its next lines are read or answers written; empty for nothing."""
    commands = (
        ("HGET", keys.gateway_batch(batch_id), "waits"),
        ("ZSCORE", keys.gateway_batch_work(), batch_id),
        ("TIME",),
    )

    def parse(replies: list[object]) -> str:
        waits, due, time = replies
        if waits or due is None:
            return text(waits) if due is not None else ""
        assert isinstance(time, (list, tuple))
        late_ms = int(time[0]) * 1000 - number(due)
        if late_ms < UNTENDED_MS:
            return ""
        return (
            f"nobody has gone on with its file for {late_ms // 1000} s: start `homa gateway`, or a worker that reaches "
            "the gateway's files"
        )

    return read(commands, parse)
