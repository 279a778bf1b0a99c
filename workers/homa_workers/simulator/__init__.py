"""Simulated providers: their wire shapes over HTTP, with limits, faults, latency and a bill.

`python -m homa_workers.simulator --port 8099` serves them; tests use `Simulator` (in the running event loop) or
`SimulatorThread`. The parts, each a file: `dialects/` speak a provider's wire shape, `engine` decides what happens to a
call, `limits` and `faults` what may go wrong, `replies` what is said, `bill` what it costs, `delivery` brings it.
"""

from __future__ import annotations

from homa_workers.simulator.config import Limits, SimulatorConfig
from homa_workers.simulator.server import Simulator
from homa_workers.simulator.thread import SimulatorThread

__all__ = ["Limits", "Simulator", "SimulatorConfig", "SimulatorThread"]
