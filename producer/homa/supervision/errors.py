"""How supervision ends early."""

from __future__ import annotations

from homa_shared.model.errors import HomaError


class WorkerLost(HomaError):
    """A worker process ended before its work did, and does not stay when it is started again."""

    def __init__(self, message: str, *, misconfigured: bool) -> None:
        super().__init__(message)
        #: Its settings are wrong: starting it again will not help.
        self.misconfigured = misconfigured
