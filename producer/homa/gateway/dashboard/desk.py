"""What all pages share: the store's door, sessions, and one look at the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homa.gateway.access.doorkeeper import Doorkeeper
from homa.gateway.dashboard.sessions import Sessions
from homa.gateway.live_jobs import LiveJobs

if TYPE_CHECKING:
    from homa.gateway.dashboard.pulse import Pulse


@dataclass(frozen=True, slots=True)
class Desk:
    """Of one process."""

    jobs: LiveJobs
    doorkeeper: Doorkeeper
    sessions: Sessions
    pulse: Pulse
