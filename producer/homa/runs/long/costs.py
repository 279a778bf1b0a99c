"""What each way of asking about documents above the window would cost, without a call."""

from __future__ import annotations

from dataclasses import dataclass, field

from homa.client.management.long_estimates import LongEstimate, WayEstimate
from homa.client.management.units import usd_of
from homa.files import Row
from homa.runs.long.division import MOST_READ, Division
from homa.runs.long.fitting import Fitting
from homa.runs.long.ways import ERROR, REFINE, TRUNCATE, WAYS
from homa.submit.fleet_view import FleetView
from homa_shared.calls.reply import Usage
from homa_shared.model.errors import InvalidRequest


@dataclass(slots=True)
class _WayCost:
    """One way for all documents above the window, so far."""

    documents: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    expected_nano_usd: int = 0
    most_nano_usd: int = 0
    unpriced: bool = False

    def estimate(self) -> WayEstimate:
        return WayEstimate(
            self.documents,
            self.calls,
            self.input_tokens,
            self.output_tokens,
            None if self.unpriced else usd_of(self.expected_nano_usd),
            None if self.unpriced else usd_of(self.most_nano_usd),
        )


@dataclass(frozen=True, slots=True)
class LongCall:
    """One call about a document, before anybody has answered: estimates, and what it may come to."""

    input_tokens: int
    most_input_tokens: int


@dataclass
class LongCosts:
    """Adds up the documents of a run that are above the window."""

    view: FleetView
    fitting: Fitting
    _rows: int = 0
    _divided: int = 0
    _largest: str = ""
    _largest_tokens: str = ""
    _ways: dict[str, _WayCost] = field(default_factory=lambda: {way: _WayCost() for way in WAYS if way != ERROR})
    _longest: int = 0
    _divisions: dict[str, Division] = field(default_factory=dict)

    def add(self, row: Row, prompt: str) -> None:
        """Takes a document that is too long, with the prompt that it would have."""
        self._rows += 1
        if self.fitting.division is not None and self._is_divided(row):
            self._divided += 1
        if len(prompt) > self._longest:
            self._longest, self._largest = len(prompt), row.custom_id
            self._largest_tokens = self.fitting.room.told(prompt, len(row.images))
        if self.fitting.room.window is None:
            return
        for way, cost in self._ways.items():
            try:
                calls = self._calls(way, row)
            except InvalidRequest:
                continue
            cost.documents += 1
            for call in calls:
                self._price(cost, call)

    def estimate(self) -> LongEstimate:
        """The sums so far."""
        room = self.fitting.room
        return LongEstimate(
            self._rows,
            self._divided,
            room.target,
            room.window,
            room.widest,
            self._largest,
            self._largest_tokens,
            self.fitting.way,
            {way: cost.estimate() for way, cost in self._ways.items()},
        )

    def _is_divided(self, row: Row) -> bool:
        """As the run's own request has it; any other is refused there."""
        try:
            return self.fitting.divides(row) is not None
        except InvalidRequest:
            return False

    def _calls(self, way: str, row: Row) -> list[LongCall]:
        """What a document takes one way. Raises InvalidRequest where it cannot be asked about so."""
        if way == TRUNCATE:
            return [self._call(self.fitting.template.render(self.fitting.truncated(row)))]
        division = self._division(way)
        division.check(row)
        parts = division.parts(row)
        if way == REFINE:
            first, *others = parts
            again = division.next_prompt(MOST_READ)
            return [self._call(division.of_part(row, first)), *(self._call(f"{again}{each}", 1) for each in others)]
        calls, left = [self._call(division.of_part(row, part)) for part in parts], len(parts)
        while left > 1 or len(calls) == len(parts):
            answers = [min(division.width, left - at) for at in range(0, left, division.width)]
            calls += [self._call(division.together, each) for each in answers if each > 1 or left == 1]
            left = len(answers)
        return calls

    def _division(self, way: str) -> Division:
        if way not in self._divisions:
            chosen = self.fitting.division
            self._divisions[way] = self.fitting.division_by(way, None if chosen is None else chosen.most)
        return self._divisions[way]

    def _call(self, prompt: str, answers: int = 0) -> LongCall:
        """A call.

        Args:
            answers: how many earlier ones stand in it.
        """
        room, calls = self.fitting.room, self.fitting.calls
        size = len(f"{prompt}{room.beside}".encode("utf-8", "replace"))
        return LongCall(room.tokens(prompt) + answers * calls.expected_output_tokens, size + answers * calls.caps[0])

    def _price(self, cost: _WayCost, call: LongCall) -> None:
        prices, template = self.view.prices, self.fitting.calls
        target = template.chain[0]
        written, params = template.expected_output_tokens, template.params_at(target)
        cost.calls += 1
        cost.input_tokens += call.input_tokens
        cost.output_tokens += written
        terms = prices.asked_terms(target, params)
        expected = prices.cost(target, Usage(call.input_tokens, written, terms=terms))
        most = prices.bound(target, call.most_input_tokens, template.caps[0], params=params)
        if expected is None or most is None:
            cost.unpriced = True
            return
        cost.expected_nano_usd += expected
        cost.most_nano_usd += most
