"""How much memory and disk a store needs, from how many jobs it holds: `homa store size`.

    memory = (waiting × (QUEUED + request) + kept × (ENDED + answer) + ledger lines × LINE + FIXED) ÷ what may be filled

Sizes were measured on Redis 7.0 and Valkey 9.1 with plain jobs; a test holds them against a store.
"""

from __future__ import annotations

from dataclasses import dataclass

from homa_shared.store.safety_checks import FULL_SHARE

#: What a job takes beside the bytes of its prompt, its backlog entry and record included, bytes.
QUEUED_BYTES = 800
#: What a job that succeeded takes beside the bytes of its answer: record, attempts, the reply's envelope, bytes.
ENDED_BYTES = 2400
#: A line of the ledger, bytes.
LEDGER_BYTES = 130
#: A store without jobs: scripts, event stream at its default length, buffers of connections, bytes.
FIXED_BYTES = 64 * 1024 * 1024
#: While the append-only file is rewritten, pages that change exist twice: of the memory, so much more may be needed.
FORK_SHARE = 0.5
#: What a job writes to the append-only file from submit to settle, beside its prompt, written about three times.
AOF_BYTES, AOF_PROMPTS = 3100, 3
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a store."""

    #: Jobs that end in a day.
    jobs_a_day: int
    #: Most jobs that wait at once.
    waiting: int
    #: Mean sizes, bytes.
    prompt_bytes: int
    answer_bytes: int
    #: How long results and lines of the ledger are kept, s.
    results_s: int
    ledger_s: int


@dataclass(frozen=True, slots=True)
class StoreSize:
    """What a load needs."""

    waiting_bytes: int
    kept_bytes: int
    ledger_bytes: int
    #: `maxmemory`: submissions are refused above four fifths of it.
    maxmemory_bytes: int
    #: Memory of the machine or container, with room for a rewrite of the append-only file.
    memory_bytes: int
    #: Written to the append-only file in a day.
    written_bytes_a_day: int
    #: Disk: the append-only file may grow to twice its size before it is rewritten, and the new one stands beside it.
    disk_bytes: int


def store_size(load: Load) -> StoreSize:
    """The memory and disk that a load needs."""
    waiting = load.waiting * (QUEUED_BYTES + load.prompt_bytes)
    kept = load.jobs_a_day * load.results_s // _DAY_S * (ENDED_BYTES + load.answer_bytes)
    ledger = load.jobs_a_day * load.ledger_s // _DAY_S * LEDGER_BYTES
    used = FIXED_BYTES + waiting + kept + ledger
    maxmemory = round(used / FULL_SHARE)
    return StoreSize(
        waiting_bytes=waiting,
        kept_bytes=kept,
        ledger_bytes=ledger,
        maxmemory_bytes=maxmemory,
        memory_bytes=round(maxmemory * (1 + FORK_SHARE)),
        written_bytes_a_day=load.jobs_a_day * (AOF_BYTES + AOF_PROMPTS * load.prompt_bytes + load.answer_bytes),
        disk_bytes=3 * used,
    )
