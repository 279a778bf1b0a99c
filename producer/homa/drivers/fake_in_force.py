"""The fake fleets (`homa.testing.fake`) that are open in this process, and the one that its clients lead to.

A client that takes its store from the environment looks here at each use: one that was made and used before, as an
application's module does, would otherwise go on submitting to the store of production.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from homa_shared.calls.tokens import Count
    from homa_shared.model.targets import Target
    from homa_shared.settings.model import Settings


class OpenFake(Protocol):
    """A fake fleet, as clients see it that lead to it."""

    #: What a client of it goes by.
    settings: Settings

    def counted(self, target: Target, content: str | Sequence[Mapping[str, Any]]) -> Count:
        """The provider's own count of tokens, for which nobody is asked."""


#: All that are open, the latest last: meanwhile nothing of this process asks a provider.
opened: list[OpenFake] = []
#: The one that clients lead to which take their store from the environment; None: production.
current: OpenFake | None = None
_leading: list[OpenFake] = []


@contextmanager
def in_force(fleet: OpenFake, *, leads: bool) -> Iterator[None]:
    """A fake fleet is open meanwhile.

    Args:
        leads: clients that take their store from the environment lead to it.
    """
    opened.append(fleet)
    _lead(add=[fleet] if leads else [])
    try:
        yield
    finally:
        opened.remove(fleet)
        _lead(without=fleet)


def _lead(add: Sequence[OpenFake] = (), without: OpenFake | None = None) -> None:
    """Fakes need not end in the opposite order of their beginnings."""
    global current
    _leading[:] = [fleet for fleet in (*_leading, *add) if fleet is not without]
    current = _leading[-1] if _leading else None
