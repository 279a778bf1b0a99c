"""The workers that a client runs for its own jobs (`Homa.local()`), as long as it is open.

1. Whoever submits, or waits, names the queues that need a worker; nothing of that blocks.
2. A thread looks whether live workers serve them, at once and then every second, and starts what is missing: another
   provider's worker, or one for those that somebody else's worker has left.
3. `close` lets the workers finish their calls. Should this process be killed, they do so by themselves.

A forked child has no workers: what it needs and nobody serves, it starts for itself.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from homa.drivers.context import Context, Start
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.pools import alias_of

if TYPE_CHECKING:
    from homa.client.crew import Crew
    from homa_shared.settings.model import Settings

AUTO, NONE = "auto", "none"
#: auto, none, or how many processes serve each provider.
Workers: TypeAlias = Literal["auto", "none"] | int
#: How many processes a provider may have.
_MOST = 64


class LocalWorkers:
    """Workers of a client's own.

    Args:
        wanted: auto, none, or a number of processes for each provider.

    Raises:
        InvalidRequest: it is anything else.
    """

    def __init__(self, wanted: Workers) -> None:
        self.wanted = _checked(wanted)
        self._context: Context | None = None
        self._whole = False
        self._crew: Crew | None = None
        self._lock = threading.Lock()
        _everywhere.add(self)

    def of(self, context: Context, *, whole: bool = False) -> Context:
        """A context whose jobs these workers serve.

        Args:
            whole: its settings stand in no file or variable that workers could read.
        """
        self._whole = whole
        if self.wanted == NONE:
            return context
        # A store that does not run is started by whoever submits: a fork must not come in between on another thread.
        looking = replace(context, load=lambda: context.settings, start=Start.NEVER, role="staffing", safe_only=False)
        self._context = looking
        return replace(context, load=lambda: context.settings, workers=self)

    def expect(self, model: str, fallbacks: Sequence[str]) -> None:
        """A job is about to be submitted, to a store that may not run yet: a worker starts beside it."""
        self._working().expect(model, fallbacks)

    def need(self, targets: Sequence[str]) -> None:
        """Jobs go to the hops of these names."""
        self._working().need([target if alias_of(target) else target.partition(":")[0] for target in targets])

    def serve(self, queue: str) -> None:
        """Somebody waits for a job in a queue that nobody serves.

        Raises:
            HomaError: why no worker of this process can serve it.
        """
        crew = self._working()
        error = crew.trouble(queue)
        if error is not None:
            raise error
        crew.need([queue])

    def close(self) -> None:
        """Lets the workers finish their calls and leave; waits for that as long as `homa run` does."""
        crew = self._taken()
        if crew is not None:
            crew.close()

    def leave(self) -> None:
        """The same without waiting: nobody is left who could. It takes no lock: a garbage collection may call it."""
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.leave()

    def forget(self) -> None:
        """In a forked child: the workers are its parent's."""
        crew, self._crew, self._lock = self._crew, None, threading.Lock()
        if crew is not None:
            crew.forget()

    def _working(self) -> Crew:
        with self._lock:
            if self._crew is None:
                from homa.client.crew import Crew
                from homa.client.session import Session

                assert self._context is not None
                self._crew = Crew(Session(self._context), self.wanted, self._environment)
            return self._crew

    def _environment(self, settings: Settings) -> dict[str, str]:
        from homa_shared.settings.handed_on import same_environment, whole_environment

        return (whole_environment if self._whole else same_environment)(settings, os.environ)

    def _taken(self) -> Crew | None:
        with self._lock:
            crew, self._crew = self._crew, None
        return crew


#: Those of this process.
_everywhere: weakref.WeakSet[LocalWorkers] = weakref.WeakSet()


def _forget_all() -> None:
    for workers in list(_everywhere):
        workers.forget()


os.register_at_fork(after_in_child=_forget_all)


def _checked(wanted: object) -> str:
    if wanted in (AUTO, NONE):
        return str(wanted)
    if isinstance(wanted, int) and not isinstance(wanted, bool) and 1 <= wanted <= _MOST:
        return str(wanted)
    raise InvalidRequest(f"workers is {wanted!r:.80}: expected 'auto', 'none', or a number from 1 to {_MOST}")
