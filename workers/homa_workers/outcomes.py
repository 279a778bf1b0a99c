"""What became of an attempt, as values; `pipeline.acknowledge` acts on each, at one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from homa_shared.failures import ProviderError
from homa_shared.records import State
from homa_shared.reply import Completion


@dataclass(frozen=True, slots=True)
class Succeeded:
    """A complete reply."""

    completion: Completion


@dataclass(frozen=True, slots=True)
class Deferred:
    """Again at the same target, after a while."""

    error: ProviderError
    delay_ms: int
    #: Whether the attempt counts against the job's attempt budget; waiting for quota does not.
    counts: bool = True
    #: Also pause the job's batch, for this reason: its other lines would meet the same wall.
    pause_batch: str = ""


@dataclass(frozen=True, slots=True)
class Rerouted:
    """On to the next target of the chain."""

    error: ProviderError
    #: Fields of the record that change: target, queue, bound, tokens to reserve, targets left.
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """No reply, and none to come: failed, cancelled or expired."""

    error: ProviderError
    state: State


@dataclass(frozen=True, slots=True)
class Released:
    """Handed back unsent, as if it had not been taken."""

    why: str


Outcome = Succeeded | Deferred | Rerouted | Ended | Released
