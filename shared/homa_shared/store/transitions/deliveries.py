"""What changes deliveries, of schedules' runs and by webhooks: the end of a try, a further one that a person wants."""

from __future__ import annotations

from typing import Literal, NamedTuple

from homa_shared.model.constants import FULL_PERCENT
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text
from homa_shared.store.transitions.attempts import Name


class Redelivered(NamedTuple):
    """Failed deliveries that are tried again."""

    again: int
    #: Those of which the store has nothing to send any more.
    gone: int


def end_delivery(
    keys: Keys, name: Name, outcome: Literal["delivered", "again", "refused"], why: str = "", delay_ms: int = 0
) -> Op[str]:
    """The end of a try; returns delivered, again, failed (refused, or tried for long enough) or stale.

    Args:
        why: what went wrong.
        delay_ms: until it is tried again.
    """
    return call(keys, "end_delivery", (*name, outcome, why, delay_ms), text)


def make_webhooks(keys: Keys, most: int) -> Op[int]:
    """Makes the deliveries of webhooks, of jobs and batches that have ended; returns how many were looked at."""
    return call(keys, "make_webhooks", (most,), int)


def redeliver(keys: Keys, schedule: str, tick: int | None, delivery: str = "") -> Op[Redelivered | None]:
    """Tries failed deliveries again; None: no such schedule.

    Args:
        schedule: its id; or `@` and a tenant, for webhooks of that tenant's jobs and batches.
        tick: ms; None for those of all ticks.
        delivery: its id; empty for all.
    """

    def parse(reply: list[int]) -> Redelivered | None:
        again, gone = map(int, reply)
        return None if again < 0 else Redelivered(again, gone)

    return call(keys, "redeliver", (schedule, "" if tick is None else tick, FULL_PERCENT, delivery), parse)
