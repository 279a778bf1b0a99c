"""Whether a store can keep Homa's promises: facts read from it, and a verdict on each.

The facts come from a fixed list of commands, so that a sync client, an async client and a test can all read them:
send `FACT_COMMANDS`, give the replies to `StoreFacts.parse`. A reply may be an exception (hosted stores deny CONFIG);
what it would have told is then None, and the verdict says that it is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import redis.asyncio

from homa_shared.model.constants import FULL_PERCENT
from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.operation import Op, read

#: Lowest versions whose scripts have what Homa's use (functions' flags, `allow-oom`).
OLDEST = {"redis": (7, 0), "valkey": (7, 2)}
#: Above this share of maxmemory, submit refuses with StoreFull.
FULL_SHARE = FULL_PERCENT / 100
#: Clocks further apart than this make logs and dashboards hard to read; nothing that Homa decides hangs on it.
CLOCK_TOLERANCE_MS = 1000

#: What a crash of the store's machine takes with it, by appendfsync.
_WINDOWS = {
    "everysec": "a crash of its machine forgets up to about one second of writes",
    "no": "a crash of its machine forgets what its kernel had not written, often 30 seconds",
    "unknown": "the store does not tell how often it syncs, so a crash may forget writes",
}
_LOSS = "jobs accepted in that window are lost (P1), calls made in it may be paid twice (P2)"

FACT_COMMANDS: tuple[tuple[str, ...], ...] = (("INFO",), ("CONFIG", "GET", "appendfsync"), ("TIME",))


class Level(StrEnum):
    OK = "ok"
    #: Homa runs, with a window or a limit that the verdict states.
    WARNING = "warning"
    #: Homa would lose work here, and does not start.
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judgement: a setting of the store, its value, and what to do about it (empty when all is well)."""

    level: Level
    setting: str
    value: str
    what_to_do: str = ""

    def __str__(self) -> str:
        return f"{self.setting} is {self.value}" + (f": {self.what_to_do}" if self.what_to_do else "")


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What a store says about itself."""

    #: redis, valkey, or the name of a work-alike.
    kind: str
    version: str
    #: 0 means no limit.
    maxmemory_bytes: int
    used_memory_bytes: int
    maxmemory_policy: str
    appendonly: bool
    #: always, everysec or no; None where the store does not tell.
    appendfsync: str | None
    #: Whether the last write to the append-only file succeeded.
    append_ok: bool
    #: master or slave, as the store calls them.
    role: str
    replicas: int
    cluster: bool
    #: The store's clock minus ours; positive when the store is ahead.
    clock_offset_ms: int

    @classmethod
    def parse(cls, replies: Sequence[Any], *, asked_at_s: float, answered_at_s: float) -> Self:
        """Facts from the replies to `FACT_COMMANDS`, in their order.

        Args:
            replies: raw or as redis-py parses them; an exception where the store denied a command.
            asked_at_s, answered_at_s: our clock (Unix seconds) before and after, for the clock's offset.

        Raises:
            Exception: the reply to INFO or TIME, if that is one: without them nothing can be judged.
        """
        info_reply, config_reply, time_reply = replies
        for reply in (info_reply, time_reply):
            if isinstance(reply, Exception):
                raise reply
        info, config = _fields(info_reply), _pairs(config_reply)
        kind, version = _server(info)
        store_ms = int(time_reply[0]) * 1000 + int(time_reply[1]) // 1000
        return cls(
            kind=kind,
            version=version,
            maxmemory_bytes=int(info.get("maxmemory", 0)),
            used_memory_bytes=int(info.get("used_memory", 0)),
            maxmemory_policy=info.get("maxmemory_policy", "noeviction"),
            appendonly=info.get("aof_enabled") == "1",
            appendfsync=config.get("appendfsync"),
            append_ok=info.get("aof_last_write_status", "ok") == "ok",
            role=info.get("role", "master"),
            replicas=int(info.get("connected_slaves", 0)),
            cluster=info.get("cluster_enabled") == "1",
            clock_offset_ms=store_ms - round((asked_at_s + answered_at_s) * 500),
        )


def read_facts(client: redis.Redis) -> StoreFacts:
    """Ask a store for its facts. Raises redis-py's errors: stand inside `store_errors`."""
    asked_at_s = time.time()
    pipeline = client.pipeline(transaction=False)
    for command in FACT_COMMANDS:
        pipeline.execute_command(*command)
    replies = pipeline.execute(raise_on_error=False)
    return StoreFacts.parse(replies, asked_at_s=asked_at_s, answered_at_s=time.time())


def told_facts() -> Op[StoreFacts]:
    """The operation that asks a store for its facts, to be sent at once.

    It leaves out how often the store syncs: only CONFIG tells it, which hosted stores deny.
    """
    asked_at_s = time.time()

    def parse(replies: list[Any]) -> StoreFacts:
        info, clock = replies
        return StoreFacts.parse([info, {}, clock], asked_at_s=asked_at_s, answered_at_s=time.time())

    return read((("INFO",), ("TIME",)), parse)


async def read_facts_async(client: redis.asyncio.Redis) -> StoreFacts:
    """`read_facts` for an async client."""
    asked_at_s = time.time()
    pipeline = client.pipeline(transaction=False)
    for command in FACT_COMMANDS:
        pipeline.execute_command(*command)
    replies = await pipeline.execute(raise_on_error=False)
    return StoreFacts.parse(replies, asked_at_s=asked_at_s, answered_at_s=time.time())


def verdicts(facts: StoreFacts) -> list[Verdict]:
    """Every judgement on a store, the fine ones too, worst first."""
    order = list(reversed(Level))
    return sorted(_judge(facts), key=lambda verdict: order.index(verdict.level))


def require_safe(facts: StoreFacts) -> None:
    """Refuse a store that would lose jobs.

    Raises:
        StoreUnavailable: naming the first setting that has to change.
    """
    for verdict in verdicts(facts):
        if verdict.level is Level.ERROR:
            raise StoreUnavailable(f"this store cannot keep jobs safely: {verdict}; `homa doctor` shows all checks")


def _judge(facts: StoreFacts) -> Iterator[Verdict]:
    yield _version(facts)
    yield _role(facts)
    yield _policy(facts)
    yield _persistence(facts)
    yield _memory(facts)
    if facts.replicas:
        yield Verdict(
            Level.WARNING,
            "replicas",
            str(facts.replicas),
            "replication is asynchronous: a failover forgets the writes that had not reached the replica, so that jobs "
            "of that moment may be lost or run again",
        )
    if facts.cluster:
        yield Verdict(
            Level.WARNING,
            "cluster-enabled",
            "yes",
            "one namespace lives on one node: the URL has to name the node that serves it",
        )
    yield _clock(facts)


def _version(facts: StoreFacts) -> Verdict:
    value = f"{facts.kind} {facts.version}"
    oldest = OLDEST.get(facts.kind)
    if oldest is None:
        return Verdict(Level.WARNING, "server", value, "Homa is tested on Redis and Valkey only")
    if _version_numbers(facts.version) < oldest:
        wanted = " or ".join(f"{kind} {major}.{minor}" for kind, (major, minor) in OLDEST.items())
        return Verdict(Level.ERROR, "server", value, f"too old: upgrade it to {wanted} or later")
    return Verdict(Level.OK, "server", value)


def _role(facts: StoreFacts) -> Verdict:
    if facts.role == "master":
        return Verdict(Level.OK, "role", "primary")
    return Verdict(Level.ERROR, "role", "replica", "a replica takes no writes: set HOMA_REDIS_URL to its primary")


def _policy(facts: StoreFacts) -> Verdict:
    if facts.maxmemory_policy == "noeviction":
        return Verdict(Level.OK, "maxmemory-policy", "noeviction")
    what = (
        "a full store would silently drop results and idempotency keys, since those carry a lifetime"
        if facts.maxmemory_policy.startswith("volatile")
        else "a full store would silently drop jobs"
    )
    return Verdict(Level.ERROR, "maxmemory-policy", facts.maxmemory_policy, f"{what}: set it to noeviction")


def _persistence(facts: StoreFacts) -> Verdict:
    if not facts.appendonly:
        window = "a restart forgets everything since the last snapshot"
        return Verdict(Level.WARNING, "appendonly", "no", f"{window}: {_LOSS}; set appendonly yes, appendfsync always")
    if not facts.append_ok:
        what = "the append-only file cannot be written: free space on its disk"
        return Verdict(Level.ERROR, "aof_last_write_status", "err", what)
    if facts.appendfsync == "always":
        return Verdict(Level.OK, "appendfsync", "always")
    setting = facts.appendfsync or "unknown"
    return Verdict(Level.WARNING, "appendfsync", setting, f"{_WINDOWS[setting]}: {_LOSS}; `always` has no such window")


def _memory(facts: StoreFacts) -> Verdict:
    if not facts.maxmemory_bytes:
        return Verdict(
            Level.WARNING,
            "maxmemory",
            "0 (no limit)",
            "without a limit Homa cannot refuse jobs before memory runs out and the system kills the store: set one",
        )
    value = f"{facts.used_memory_bytes} of {facts.maxmemory_bytes} bytes used"
    if facts.used_memory_bytes > FULL_SHARE * facts.maxmemory_bytes:
        return Verdict(
            Level.WARNING,
            "maxmemory",
            value,
            "above 80 % new jobs are refused: let workers drain it, shorten [retention], or raise maxmemory",
        )
    return Verdict(Level.OK, "maxmemory", value)


def _clock(facts: StoreFacts) -> Verdict:
    value = f"{facts.clock_offset_ms} ms from this machine's"
    if abs(facts.clock_offset_ms) <= CLOCK_TOLERANCE_MS:
        return Verdict(Level.OK, "clock", value)
    return Verdict(Level.WARNING, "clock", value, "Homa goes by the store's clock; synchronise both (NTP)")


def _server(info: Mapping[str, str]) -> tuple[str, str]:
    # Valkey and other work-alikes report a redis_version too, of the Redis that they resemble.
    for kind in ("valkey", "dragonfly"):
        version = info.get(f"{kind}_version")
        if version:
            return kind, version.removeprefix("df-v")
    return "redis", info.get("redis_version", "0")


def _version_numbers(version: str) -> tuple[int, ...]:
    numbers = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _fields(reply: Any) -> dict[str, str]:
    """INFO's fields: redis-py has parsed them into a dict, a raw reply has lines of `name:value`."""
    if isinstance(reply, Mapping):
        return {_text(name): _text(value) for name, value in reply.items()}
    lines = (line.partition(":") for line in _text(reply).splitlines())
    return {name: value for name, separator, value in lines if separator}


def _pairs(reply: Any) -> dict[str, str]:
    if isinstance(reply, Exception):
        return {}
    if isinstance(reply, Mapping):
        return _fields(reply)
    return dict(zip(map(_text, reply[::2]), map(_text, reply[1::2]), strict=True))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
