"""Workers of this release against simulated providers, on the shared store."""

from __future__ import annotations

from tests.worker.conftest import cell, quiet, simulator

__all__ = ["cell", "quiet", "simulator"]
