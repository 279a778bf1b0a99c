"""What threads of one process work with: a context, a connection to its store, and what submits to it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from homa.drivers.blocking import BlockingDriver
from homa.drivers.context import Context

if TYPE_CHECKING:
    from homa.submit.fleet_view import FleetView
    from homa.submit.submitter import Submitter
    from homa_shared.settings.model import Settings
    from homa_shared.store.client import Store
    from homa_shared.store.keys import Keys


class Session:
    """A process at its store, as the command line and its runs use it.

    Args:
        joined: False: the store is left alone, and the fleet's settings are this process's own.
    """

    def __init__(self, context: Context, *, joined: bool = True) -> None:
        self.context, self.joined = context, joined
        self.driver = BlockingDriver(context)

    @cached_property
    def submitter(self) -> Submitter:
        # Imported late: commands that only look need no prices, templates and checks.
        from homa.submit.submitter import Submitter

        return Submitter(self.context)

    @property
    def settings(self) -> Settings:
        return self.context.settings

    @property
    def keys(self) -> Keys:
        return self.context.keys

    @property
    def store(self) -> Store:
        """The open store, for operations that nobody waits out an outage for."""
        return self.driver.store

    def view(self) -> FleetView:
        """The fleet's settings and prices; joins the fleet where this process has not yet."""
        from homa.submit.fleet_view import FleetView

        return self.driver.run(self.submitter.view()) if self.joined else FleetView(self.settings.fleet())

    def close(self) -> None:
        self.driver.close()
