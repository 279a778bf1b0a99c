"""What a person sees of the fleet at present, and what a key makes of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from homa.cli.fleet_tables import FleetTable, breakers, each_worker, every_budget, every_limit, queues
from homa.client.management.status import FleetStatus

#: Key -> what it shows alone, whole: pages of one table.
PAGES: Mapping[str, tuple[str, Callable[[FleetStatus], FleetTable]]] = {
    "1": ("queues", queues),
    "2": ("workers", each_worker),
    "3": ("limits", every_limit),
    "4": ("breakers", breakers),
    "5": ("budgets", every_budget),
}
#: Seconds between two looks that can be chosen.
EACH_S = (1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class View:
    """What is shown, and how often it is looked at anew."""

    each_s: float = 2.0
    #: A key of `PAGES`; empty for the overview.
    page: str = ""
    #: Rows above the first one shown.
    top: int = 0
    #: Whether no new look is taken until it is asked for.
    held: bool = False
    help: bool = False
    #: Asked for a look at once.
    now: bool = False
    ended: bool = False

    def pressed(self, key: str) -> View:
        """The view after a key: a character, or `up`, `down`, `page-up`, `page-down`, `home`, `escape`."""
        after = replace(self, now=False, help=False)
        if self.help and key != "q":
            return after
        if key in PAGES:
            return replace(after, page="" if key == self.page else key, top=0)
        change = _KEYS.get(key)
        return after if change is None else change(after)

    def within(self, rows: int) -> View:
        """The same, scrolled no further than to the last of so many rows."""
        return replace(self, top=max(0, min(self.top, rows - 1)))


def _scrolled(by: int) -> Callable[[View], View]:
    return lambda view: replace(view, top=max(0, view.top + by))


def _paced(step: int) -> Callable[[View], View]:
    def change(view: View) -> View:
        nearest = min(range(len(EACH_S)), key=lambda i: abs(EACH_S[i] - view.each_s))
        return replace(view, each_s=EACH_S[max(0, min(len(EACH_S) - 1, nearest + step))])

    return change


def _next_page(view: View) -> View:
    order = ["", *PAGES]
    return replace(view, page=order[(order.index(view.page) + 1) % len(order)], top=0)


_KEYS: Mapping[str, Callable[[View], View]] = {
    "q": lambda view: replace(view, ended=True),
    "escape": lambda view: replace(view, page="", top=0),
    "0": lambda view: replace(view, page="", top=0),
    "tab": _next_page,
    "up": _scrolled(-1),
    "k": _scrolled(-1),
    "down": _scrolled(1),
    "j": _scrolled(1),
    "page-up": _scrolled(-10),
    "page-down": _scrolled(10),
    "home": lambda view: replace(view, top=0),
    " ": lambda view: replace(view, held=not view.held, now=view.held),
    "r": lambda view: replace(view, now=True),
    "+": _paced(-1),
    "-": _paced(1),
    "?": lambda view: replace(view, help=True),
}
#: What the help says.
HELP = (
    ("1 … 5", "queues, worker processes, limits, breakers, budgets: all of them; again or Esc: back"),
    ("Tab", "the next of these"),
    ("j k ↓ ↑ PgDn PgUp", "scroll"),
    ("Space", "hold the picture still; again: go on"),
    ("r", "look now"),
    ("+ -", "look more often, less often"),
    ("q Ctrl-C", "leave"),
)
