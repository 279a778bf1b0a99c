"""Versions of what stands in the store, while releases change: who reads what, and what may be written.

A release reads its own version and the one before. It writes the newer one only when every live worker has told that
it reads it; what a worker takes and cannot read, it hands back for a newer one. So old and new share a store, and the
order in which machines are upgraded does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from homa_shared.calls import request
from homa_shared.model import records


@dataclass(frozen=True, slots=True, order=True)
class Versions:
    """The newest record and request that somebody reads."""

    record: int
    request: int

    def facts(self) -> dict[str, int]:
        """As a worker tells them with its beat."""
        return {"record": self.record, "request": self.request}

    @classmethod
    def told(cls, facts: Mapping[str, Any]) -> Versions:
        """What a worker reads, by its facts; one that says nothing is of the first release."""
        said = facts.get("reads") or {}
        return cls(int(said.get("record", 1)), int(said.get("request", 1)))


def own_versions() -> Versions:
    """What this release reads and writes."""
    return Versions(records.RECORD_VERSION, request.REQUEST_VERSION)


def common_versions(readers: Iterable[Versions]) -> Versions:
    """The newest that this release writes and all of them read."""
    known = [own_versions(), *readers]
    return Versions(min(v.record for v in known), min(v.request for v in known))


@cache
def release() -> str:
    """Homa's own version; `unknown` where it runs from a source tree that is not installed."""
    try:
        return version("homa-queue")
    except PackageNotFoundError:
        return "unknown"
