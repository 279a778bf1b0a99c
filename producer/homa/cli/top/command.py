"""`homa top`: what `homa status` prints, followed on a full screen and steered by keys."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live

from homa.cli.context import session
from homa.cli.exit_status import status_of_signal
from homa.cli.top.keyboard import Keyboard, keyboard
from homa.cli.top.screen import Screen
from homa.cli.top.view import PAGES, View
from homa.client.management.alarms import Alarm, alarms
from homa.client.management.status import FleetStatus, status
from homa.drivers.effects import within
from homa_shared.model.errors import InvalidRequest, StoreUnavailable

if TYPE_CHECKING:
    from homa.client.session import Session

#: How long the store may take to answer before the screen says that it does not, s.
_PATIENCE_S = 3.0
#: The longest wait for a key: the size of the terminal is read anew after it, s.
_LONGEST_S = 1.0


@click.command("top")
@click.option(
    "--every", type=click.FloatRange(0.5, 3600), default=2.0, help="Seconds between two looks.", show_default=True
)
def command(every: float) -> None:
    """Watch the fleet: what `homa status` prints, looked at again and again; ? lists the keys.

    It changes nothing, needs nothing but a terminal, and asks the store no more than a scraper of metrics does.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidRequest("homa top needs a terminal: `homa status` prints the same once, `--json` for programs")
    # As Ctrl-C does: what is below leaves the terminal as it was.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(status_of_signal(number)))
    with session() as here, keyboard() as keys, Live(console=Console(), screen=True, auto_refresh=False) as live:
        Watch(here, keys, live).run(View(each_s=every))


class Watch:
    """Looks, draws, and waits for a key, in turn."""

    def __init__(self, here: Session, keys: Keyboard, live: Live) -> None:
        self._here, self._keys, self._live = here, keys, live
        self._seen: FleetStatus | None = None
        self._found: list[Alarm] = []
        self._look_ms, self._looked_s = 0, 0.0
        self._away = ""

    def run(self, view: View) -> None:
        """Until the view has ended, or the terminal is gone."""
        self._look()
        while not view.ended:
            self._live.update(Screen(view, self._seen, self._found, self._look_ms, away=self._away), refresh=True)
            due_s = self._looked_s + view.each_s - time.monotonic()
            try:
                key = self._keys.key(_LONGEST_S if view.held else min(due_s, _LONGEST_S))
            except EOFError:
                return
            view = replace(view, now=False) if key is None else self._pressed(view, key)
            if view.now or (not view.held and self._looked_s + view.each_s <= time.monotonic()):
                self._look()

    def _pressed(self, view: View, key: str) -> View:
        after = view.pressed(key)
        if not after.page or self._seen is None:
            return after
        return after.within(len(PAGES[after.page][1](self._seen).rows))

    def _look(self) -> None:
        began_s = time.monotonic()
        try:
            self._seen = self._here.driver.run(within(_PATIENCE_S, status(self._here.keys)))
            self._found, self._away = alarms(self._seen), ""
        except StoreUnavailable as error:
            self._away = str(error)
        self._looked_s = time.monotonic()
        self._look_ms = round((self._looked_s - began_s) * 1000)
