"""Texts of one embeddings call that the provider refuses: halved until those that it refuses stand alone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

from homa_shared.calls.failures import Charge, ErrorKind, NotSent, ProviderError

#: Refusals that a single text may be the reason of, or how many there are.
_OF_TEXTS = frozenset({ErrorKind.INVALID_REQUEST, ErrorKind.CONTEXT_TOO_LONG, ErrorKind.CONTENT_POLICY})
#: Most refusals while nothing was taken: what is wrong is then not a text, but all that the calls have in common.
MOST_AT_FIRST = 24
#: Most refusals of one job at one target: each of them counts against the provider's limit of requests.
MOST = 500


class _End(NamedTuple):
    """Where a call ends at most."""

    #: Texts from this place on are not in it.
    place: int
    #: Faults that were known when this was found out.
    faults: int
    #: Of how many texts a half was that is made of the call refused, at the end of its second one; else 0.
    half: int


class RefusedTexts:
    """What is found out about the texts of one job at one target.

    A call that was refused is made again in halves. What it costs to find one bad text of many is as many calls as its
    number has binary digits, which are free. Where both halves are taken, there were too many: no later call has more.

    Texts are named by their places among all of the job's, so that a later attempt, which has fewer left, goes on from
    what an earlier one has found (`state`, `restore`).

    Args:
        may_leave: whether the job may go on to another target, which may take a text that is too long for this one.
    """

    def __init__(self, *, may_leave: bool = False) -> None:
        self._may_leave = may_leave
        #: Messages of refusals by the places of texts.
        self.faults: dict[int, str] = {}
        self.last: ProviderError | None = None
        #: The nearest one last.
        self._ends: list[_End] = []
        self._most: int | None = None
        self._refusals = 0
        self._taken = 0

    def end_of_call(self, places: Sequence[int], start: int, end: int) -> int:
        """Where a call that begins with the text at `places[start]` ends at most."""
        self._pass(places[start])
        if self._most is not None:
            end = min(end, start + self._most)
        return bisect_left(places, self._ends[-1].place, start, end) if self._ends else end

    def taken(self, places: Sequence[int]) -> None:
        """A call went well."""
        self._taken += 1
        self._pass(places[-1] + 1)

    def refused(self, places: Sequence[int], error: ProviderError) -> int:
        """How many texts of a call that was refused are done with: none, which are to be asked for in halves, or one.

        Raises:
            ProviderError: the same, where it does not speak of texts.
        """
        self._refusals += 1
        most = MOST if self._taken else MOST_AT_FIRST
        if isinstance(error, NotSent):
            raise error
        if error.kind not in _OF_TEXTS or error.charge is not Charge.NONE or self._refusals > most:
            raise error
        if len(places) > 1:
            half = (len(places) + 1) // 2
            known = len(self.faults)
            self._ends += [_End(places[-1] + 1, known, half), _End(places[half - 1] + 1, known, 0)]
            self.last = error
            return 0
        if self._may_leave and error.kind is ErrorKind.CONTEXT_TOO_LONG:
            raise error
        self.last = error
        self.faults[places[0]] = str(error)
        self._pass(places[0] + 1)
        return 1

    def state(self, places: Sequence[int]) -> dict[str, Any]:
        """What a later attempt goes on from, after a call for the texts at some places was refused."""
        fault = {"fault": [places[0], self.faults[places[0]]]} if places[0] in self.faults else {}
        return {"ends": [list(end) for end in self._ends], "most": self._most, "refusals": self._refusals} | fault

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state; to be told of states and of calls that went well in their order."""
        self._ends = [_End(*end) for end in state["ends"]]
        self._most, self._refusals = state["most"], state["refusals"]
        if "fault" in state:
            place, why = state["fault"]
            self.faults[place] = why

    def _pass(self, place: int) -> None:
        """All texts before a place are done with."""
        while self._ends and self._ends[-1].place <= place:
            end = self._ends.pop()
            if end.half and end.faults == len(self.faults):
                self._most = min(end.half, self._most or end.half)
