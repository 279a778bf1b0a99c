"""Pools: one queue that several accounts serve, whoever has quota first.

A job that is submitted to a pool waits in the queue `pool-<alias>` for a target of the same name. Which member calls it
is decided when it is taken; from then on, until the attempt ends, its record tells the target called, so that ledger,
breakers and price go by the member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homa_shared.model.constants import POOL_PREFIX
from homa_shared.model.targets import Target


@dataclass(frozen=True, slots=True)
class Pool:
    """Targets of different accounts that serve an alias side by side."""

    alias: str
    #: Never two at one provider: a worker of that provider would not know which to call.
    members: tuple[Target, ...]

    def __str__(self) -> str:
        return f"{POOL_PREFIX}{self.alias}"

    def row_of(self, member: Target) -> str:
        """Name of the plan by which workers of a member's provider serve the pool."""
        return f"{self}|{member.provider}"

    @property
    def described(self) -> str:
        """Its name and who is in it: another answer may come from other members."""
        return f"{self}={','.join(map(str, self.members))}"


#: One place in a chain: where a job waits, and who may call it from there.
Hop = Target | Pool


def members_of(hop: Hop) -> tuple[Target, ...]:
    """The targets that may be called for a hop."""
    return hop.members if isinstance(hop, Pool) else (hop,)


def queue_of(hop: Hop) -> str:
    """The queue in which a job waits for a hop."""
    return str(hop) if isinstance(hop, Pool) else hop.provider


def alias_of(name: str) -> str | None:
    """The alias of the pool that a hop's name means; None for a target's name."""
    return None if ":" in name or not name.startswith(POOL_PREFIX) else name.removeprefix(POOL_PREFIX)


def worker_command(queue: str) -> str:
    """What starts a worker that takes from a queue; one of a pool serves some member of it."""
    return "homa worker" if alias_of(queue) is not None else f"homa worker {queue}"


def without(hops: Sequence[Hop], unable: Sequence[Target]) -> tuple[Hop, ...]:
    """A chain without some targets. Of a pool that loses a member the others follow one another."""
    left: dict[Hop, None] = {}
    for hop in hops:
        if isinstance(hop, Pool) and any(member in unable for member in hop.members):
            left.update(dict.fromkeys(member for member in hop.members if member not in unable))
        elif hop not in unable:
            left[hop] = None
    return tuple(left)
