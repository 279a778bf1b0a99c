"""How far a run has come, in words: counts, pace, money, time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homa_shared.model.money import usd

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Task

#: The rate is that of this many seconds.
_RATE_OVER_S = 20.0
#: Workers that a run starts take jobs within so many seconds; before, nothing in flight is no sign of a hold.
_STARTING_S = 10.0


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run has come."""

    #: Inputs that have their line, those of earlier parts included.
    ended: int
    #: Of them: written by this process.
    fresh: int
    failed: int
    #: Inputs; None while nobody knows.
    total: int | None
    #: The total is an estimate.
    about: bool
    in_flight: int
    #: Nano-dollars, known ones.
    cost: int
    #: Nano-dollars that may have been charged beside them.
    unresolved: int
    #: Attempts without a known price.
    unpriced: int
    #: What the run is doing beside going on, such as `finishing calls in flight`.
    note: str = ""
    #: The batch, where jobs of it are left and none is in flight; else empty.
    waiting: str = ""


class Pace:
    """Rate and time left, from how one look follows another; rich estimates them, and draws the bar."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        columns = (BarColumn(bar_width=None), TextColumn("{task.description}"), TaskProgressColumn())
        self._rich = Progress(*columns, expand=True, auto_refresh=False, speed_estimate_period=_RATE_OVER_S)
        self._rich.add_task("", total=None)
        self._fresh = 0
        self._clock = clock
        self._waits_since_s: float | None = None

    @property
    def _task(self) -> Task:
        return self._rich.tasks[0]

    def see(self, progress: RunProgress) -> None:
        """Takes in a look at the run."""
        self._rich.advance(self._task.id, progress.fresh - self._fresh)
        self._fresh = progress.fresh
        if not progress.waiting:
            self._waits_since_s = None
        elif self._waits_since_s is None:
            self._waits_since_s = self._clock()

    @property
    def is_held(self) -> bool:
        """Whether nothing has been in flight for longer than workers take to start."""
        return self._waits_since_s is not None and self._clock() - self._waits_since_s >= _STARTING_S

    @property
    def per_second(self) -> float:
        """Inputs that end in a second."""
        return self._task.speed or 0.0

    def left_s(self, progress: RunProgress) -> float | None:
        """Seconds until the end at this pace; None where it cannot be told."""
        if progress.total is None or self.per_second <= 0:
            return None
        return max(0, progress.total - progress.ended) / self.per_second

    def bar(self, progress: RunProgress) -> RenderableType:
        """How far the run has come, on one line."""
        task = self._task
        task.total, task.completed, task.description = progress.total, progress.ended, count(progress)
        return self._rich.make_tasks_table([task])


def in_words(progress: RunProgress, pace: Pace) -> list[str]:
    """Everything beside the count of inputs, in the order in which it matters."""
    words = [progress.note] if progress.note else []
    words += [f"{progress.failed} failed", f"{progress.in_flight} in flight", f"{pace.per_second:.1f}/s"]
    words.append(money(progress))
    left_s = pace.left_s(progress)
    if left_s is not None and not progress.note:
        words.append(f"{duration(left_s)} left")
    return words


def where_to_look(progress: RunProgress, pace: Pace) -> str:
    """Where a run without any call in flight is explained; empty where there is nothing to explain."""
    if progress.note or not pace.is_held:
        return ""
    return f"the rest waits: `homa jobs list --batch {progress.waiting}`, then `homa jobs why JOB`"


def money(progress: RunProgress) -> str:
    """Cost so far, and what it will come to."""
    if progress.unpriced and not progress.cost:
        return "unpriced"
    said = f"${short_usd(progress.cost)}"
    if progress.total and 0 < progress.fresh < progress.total and progress.ended < progress.total:
        said += f" of ~${short_usd(progress.cost * progress.total // progress.ended)}"
    return said + (" + unpriced" if progress.unpriced else "")


def short_usd(nano_usd: int) -> str:
    """Dollars with as many places as one can take in: 12.35, 0.0123, 0.000042."""
    places = 2 if nano_usd >= 10**10 or not nano_usd else 4 if nano_usd >= 10**6 else 6
    whole, _, fraction = usd(nano_usd).partition(".")
    return f"{whole}.{fraction[:places].ljust(places, '0')}"


def duration(seconds: float) -> str:
    """A length of time: 42s, 3m 20s, 2h 05m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def count(progress: RunProgress) -> str:
    """`40 of about 100`."""
    if progress.total is None:
        return f"{progress.ended}"
    return f"{progress.ended} of {'about ' if progress.about else ''}{progress.total}"
