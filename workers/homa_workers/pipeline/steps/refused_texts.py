"""Texts of one embeddings call that the provider refuses: halved until those that it refuses stand alone."""

from __future__ import annotations

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError

#: Refusals that a single text may be the reason of, or how many there are.
_OF_TEXTS = frozenset({ErrorKind.INVALID_REQUEST, ErrorKind.CONTEXT_TOO_LONG, ErrorKind.CONTENT_POLICY})
#: Most refusals while nothing was taken: what is wrong is then not a text, but all that the calls have in common.
MOST_AT_FIRST = 24
#: Most refusals of one attempt: each of them counts against the provider's limit of requests.
MOST = 500


class RefusedTexts:
    """What is found out about the texts of one job.

    A call that was refused is made again in halves. What it costs to find one bad text of many is as many calls as its
    number has binary digits, which are free. Where both halves are taken, there were too many: no later call has more.

    Args:
        may_leave: whether the job may go on to another target, which may take a text that is too long for this one.
    """

    def __init__(self, *, may_leave: bool = False) -> None:
        self._may_leave = may_leave
        #: Messages of refusals by the places of texts.
        self.faults: dict[int, str] = {}
        self.last: ProviderError | None = None
        #: Ends that a call must not go beyond, the nearest one last; with the faults that were known when it was set.
        self._ends: list[tuple[int, int, int]] = []
        self._most: int | None = None
        self._refusals = 0
        self._taken = 0

    def end_of_call(self, start: int, end: int) -> int:
        """Where a call that begins at `start` ends at most."""
        if self._most is not None:
            end = min(end, start + self._most)
        return min(end, self._ends[-1][0]) if self._ends else end

    def taken(self, end: int) -> None:
        """A call went well, up to `end`."""
        self._taken += 1
        self._pass(end)

    def refused(self, start: int, end: int, error: ProviderError) -> int:
        """Where to go on after a call was refused: at `start` with fewer texts, or behind a text that was alone.

        Raises:
            ProviderError: the same, where it does not speak of texts.
        """
        self._refusals += 1
        most = MOST if self._taken else MOST_AT_FIRST
        if error.kind not in _OF_TEXTS or error.charge is not Charge.NONE or self._refusals > most:
            raise error
        self.last = error
        if end - start > 1:
            middle = start + (end - start + 1) // 2
            self._ends += [(end, len(self.faults), middle - start), (middle, len(self.faults), 0)]
            return start
        if self._may_leave and error.kind is ErrorKind.CONTEXT_TOO_LONG:
            raise error
        self.faults[start] = str(error)
        self._pass(end)
        return end

    def _pass(self, end: int) -> None:
        while self._ends and self._ends[-1][0] <= end:
            _, faults, half = self._ends.pop()
            if half and faults == len(self.faults):
                self._most = min(half, self._most or half)
