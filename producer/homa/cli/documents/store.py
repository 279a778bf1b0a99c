"""Documents of `homa store`."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class EmbeddedStoreDocument(TypedDict):
    embedded: Literal[True]
    running: bool
    directory: str
    #: The rest of one that runs alone.
    pid: NotRequired[int]
    url: NotRequired[str]
    version: NotRequired[str]
    uptime_s: NotRequired[int]
    used_memory_bytes: NotRequired[int]
    #: 0: no limit.
    maxmemory_bytes: NotRequired[int]
    aof_bytes: NotRequired[int]
    clients: NotRequired[int]


class ServerStoreDocument(TypedDict):
    embedded: Literal[False]
    running: Literal[True]
    url: str
    kind: str
    version: str
    #: 0: no limit.
    maxmemory_bytes: int
    used_memory_bytes: int
    maxmemory_policy: str
    appendonly: bool
    appendfsync: str | None
    append_ok: bool
    role: str
    replicas: int
    cluster: bool
    clock_offset_ms: int


class StoppedDocument(TypedDict):
    stopped: bool


class BackupDocument(TypedDict):
    file: str
    bytes: int


class RestoredDocument(TypedDict):
    restored: str
    set_aside: str | None


class OrphanDocument(TypedDict):
    path: str
    bytes: int
    age_s: int


class OrphansDocument(TypedDict):
    orphans: list[OrphanDocument]
    bytes: int
    deleted: bool


class StoreSizeDocument(TypedDict):
    """The load, then what it needs."""

    jobs_a_day: int
    waiting: int
    prompt_bytes: int
    answer_bytes: int
    results_s: int
    ledger_s: int
    waiting_bytes: int
    kept_bytes: int
    ledger_bytes: int
    maxmemory_bytes: int
    memory_bytes: int
    written_bytes_a_day: int
    disk_bytes: int
