"""What one step of a flow would take, added up while inputs are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from homa.client.flows.estimates import StepEstimate, total_usd
from homa.client.flows.unread import AnswerSize, Blank, Filled, StepPrompt, unread
from homa.client.management.estimates import Estimator, Load
from homa.flows.compiling import VERDICT_TOKENS, asked_of
from homa.flows.flow import Flow
from homa.flows.steps import UNCALLED, Step
from homa.submit.fleet_view import FleetView
from homa_shared.calls.flow_place import Value
from homa_shared.calls.tokens import encoding_of
from homa_shared.calls.verdicts import VERDICT, verdict_messages
from homa_shared.model.targets import Target


class Calls:
    """Calls of the models of one chain, priced one by one.

    Args:
        asked: options of `submit` that they share.
        loads: what all steps together ask of targets.
        sizes: name of a step -> tokens of its answers.
    """

    def __init__(
        self, view: FleetView, asked: Mapping[str, Any], loads: dict[str, Load], sizes: Mapping[str, AnswerSize]
    ) -> None:
        self.estimator = Estimator(view, asked, loads=loads)
        self._sizes = sizes
        plan = self.estimator.common
        targets = [target for target, _ in plan.by_target]
        self._encodings = frozenset(map(_encoding, targets))
        windows = [view.prices.context_window(target) for target in targets]
        self._window = max(window for window in windows if window) if all(windows) else None
        most = max(calculator.most_output_tokens for _, calculator in plan.by_target)
        self.answers = AnswerSize(plan.expected_output_tokens, most, self._encodings)
        #: Steps of whose answers nobody knows how long they are, that its prompts name.
        self.unsure: dict[str, None] = {}

    def add(self, filled: Filled, times: int = 1) -> None:
        """Adds so many calls with these messages."""
        beside, unsure = unread(filled.blanks, self._sizes, self._encodings, self._window)
        if unsure:
            self.unsure[unsure] = None
        self.estimator.add({"messages": filled.messages}, beside, times)


class StepCosts:
    """What one step would take.

    Args:
        shared: options of all jobs of the run.
        loads, sizes: as of `Calls`; `sizes` has those of the steps before, and gets this one's.
    """

    def __init__(
        self,
        step: Step,
        flow: Flow,
        view: FleetView,
        shared: Mapping[str, Any],
        loads: dict[str, Load],
        sizes: dict[str, AnswerSize],
    ) -> None:
        self.step, self._prompt = step, StepPrompt(step)
        self._calls: Calls | None = None
        self._judge: Calls | None = None
        if step.kind not in UNCALLED:
            self._calls = Calls(view, asked_of(step, flow, shared), loads, sizes)
        if step.judge:
            asked = {**shared, "model": step.judge, "max_tokens": VERDICT_TOKENS, "schema": VERDICT}
            self._judge = Calls(view, asked, loads, sizes)
        sizes[step.name] = AnswerSize(0, None, frozenset()) if self._calls is None else self._calls.answers
        self._times = 0
        self._first: list[dict[str, Any]] | None = None
        #: Of a reduce of items: those of the call that is being put together.
        self._texts: list[str] = []
        #: Of a reduce: how many items each of its trees brings together.
        self._scopes: Counter[int] = Counter()

    def take_item(self, item: Value) -> None:
        """An item of the source that the step follows."""
        if self.step.kind != "reduce":
            self._add(self._prompt.filled(item))
            return
        self._texts.append(item.text)
        if len(self._texts) == self.step.width:
            self._bring_together()

    def close_scope(self, size: int) -> None:
        """No more items come that a reduce brings together with those before."""
        self._scopes[size] += 1
        if self._texts:
            self._bring_together()

    def estimate(self, times: int | None, *, at_most: bool, unknown: str = "") -> StepEstimate:
        """The sums, once all items are read.

        Args:
            times: how often a step is done that is no reduce; None: nobody knows.
            at_most: whether filters stand before it.
            unknown: why nobody knows how often it is done.
        """
        if times is not None:
            self._add_answered(times)
        known = times is not None or self._calls is None
        asked = [each for each in (self._calls, self._judge) if each is not None]
        sums = [each.estimator.estimate() for each in asked]
        unsure = dict.fromkeys(name for each in asked for name in each.unsure)
        return StepEstimate(
            kind=self.step.kind,
            times=None if times is None else self._times,
            calls=(self._times if self._calls is not None else 0) if known else None,
            verdicts=(self._times if self._judge is not None else 0) if known else None,
            input_tokens=sum(each.input_tokens for each in sums) if known else None,
            output_tokens=sum(each.output_tokens for each in sums) if known else None,
            expected_usd=total_usd([each.expected_usd for each in sums]) if known else None,
            most_usd=total_usd([each.most_usd for each in sums]) if known and not unsure else None,
            at_most=at_most,
            unpriced_targets=tuple(dict.fromkeys(name for each in sums for name in each.unpriced_targets)),
            unknown=tuple(self._unknown(unknown, list(unsure))),
            first_messages=self._first,
        )

    @property
    def seconds_at_limits(self) -> float | None:
        """That the configured limits make the loads of all steps last; None where a model has none, or it has none."""
        return None if self._calls is None else self._calls.estimator.estimate().seconds_at_limits

    def _add(self, filled: Filled, times: int = 1) -> None:
        self._times += times
        if self._calls is None or not times:
            return
        self._first = self._first or filled.messages
        self._calls.add(filled, times)
        if self._judge is not None:
            messages = verdict_messages(filled.messages, "", self.step.rubric)
            self._judge.add(Filled(messages, [*filled.blanks, Blank.of(self.step)]), times)

    def _bring_together(self) -> None:
        texts, self._texts = self._texts, []
        self._add(self._prompt.gathered("\n\n".join(texts)))

    def _add_answered(self, times: int) -> None:
        """Adds the calls whose prompts are made of answers alone, which are all alike."""
        step, of_items = self.step, any(parent.kind == "source" for parent in self.step.follows)
        if step.kind != "reduce":
            if not of_items:
                self._add(self._prompt.filled(None), times)
            return
        for size, scopes in self._scopes.items():
            for level, width, calls in _tree(size, step.width):
                if level > 1 or not of_items:
                    answered = step if level > 1 else step.follows[0]
                    self._add(self._prompt.gathered(Blank.of(answered, times=width)), calls * scopes)

    def _unknown(self, often: str, unsure: Sequence[str]) -> Iterator[str]:
        if often:
            yield often
        for name in unsure:
            yield f"nobody knows how long what {name} says is: it counts as nothing, and there is no upper bound"
        if self.step.rule is not None or self.step.judge or self.step.escalate:
            yield "repairs and stronger models of answers that do not fit are not counted"


def _tree(items: int, width: int) -> Iterator[tuple[int, int, int]]:
    """The calls of a reduce: level, answers that each is given, how many such calls. One alone is passed on."""
    level, below = 1, items
    while below:
        full, rest = divmod(below, width)
        for given, calls in ((width, full), (rest, 1)):
            if calls and given > (level > 1):
                yield level, given, calls
        below = full + bool(rest)
        if below == 1:
            return
        level += 1


def _encoding(target: Target) -> str:
    return encoding_of(target.model) or target.model
