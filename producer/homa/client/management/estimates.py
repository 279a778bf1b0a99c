"""What requests would cost and how long they would take, without a call: `Homa.estimate`, `homa run --dry-run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from homa.client.management.long_estimates import LongEstimate
from homa.client.management.units import usd_of
from homa.client.management.wording import dollars, number, one_line, span
from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.messages import build_messages
from homa.submit.options import check_options
from homa.submit.reservations import prompt_of
from homa.submit.template import Template
from homa.submit.template_values import with_prompt
from homa_shared.calls.prompt_templates import Template as StoredTemplate
from homa_shared.calls.reply import Usage
from homa_shared.kinds.billing import Terms
from homa_shared.model.limits import DIMENSIONS, Limits
from homa_shared.model.targets import Target
from homa_shared.model.tokens import Tokens
from homa_shared.quota.need_calculator import NeedCalculator
from homa_shared.quota.own_cap import thinks_first

_DAY_S = 86_400.0
_SECOND_US = 1_000_000
#: What of a request makes its messages, or names its job.
_APART = ("prompt", "messages", "system", "images", "files", "custom_id", "key", "metadata", "template", "values")


@dataclass(frozen=True, slots=True)
class Estimate:
    """Sums over requests."""

    rows: int
    #: Requests that would be refused, and why the first of them.
    bad_rows: int
    first_bad: str | None
    input_tokens: int
    output_tokens: int
    #: One call a row at the first target, with an output of the expected length; None where a price is not known.
    expected_usd: Decimal | None
    #: One call a row cannot cost more, at its dearest target.
    most_usd: Decimal | None
    #: Rows whose cost nobody knows, since a target of theirs has no price.
    unpriced_rows: int
    unpriced_targets: tuple[str, ...]
    #: That the configured limits of the first targets make it last; None where none is configured.
    seconds_at_limits: float | None
    #: Most output tokens of a row at its first target, by row: the least and the greatest; 0 without any row.
    least_cap: int
    greatest_cap: int
    #: Rows whose cap Homa set, and those among them whose model thinks first.
    own_caps: int
    thinking_rows: int
    #: What the first row's model would read.
    first_messages: Sequence[Mapping[str, Any]] | None = field(repr=False)
    #: Documents above the model's window, of files; None where rows are not held against one.
    long: LongEstimate | None = field(default=None, repr=False)

    def __str__(self) -> str:
        facts = [
            f"{number(self.rows)} rows" + (f" ({number(self.bad_rows)} bad)" if self.bad_rows else ""),
            f"about {number(self.input_tokens)} tokens in",
            f"{number(self.output_tokens)} out",
            "unpriced" if self.most_usd is None else f"about {dollars(self.expected_usd)}",
            "" if self.most_usd is None else f"at most {dollars(self.most_usd)}",
            ""
            if self.seconds_at_limits is None
            else f"at least {span(round(self.seconds_at_limits * 1000))} at the limits",
        ]
        return one_line(facts)


class Unread(NamedTuple):
    """What will stand in a prompt and is not known yet: answers of calls that were not made."""

    #: As expected, and most of them.
    tokens: int = 0
    most_tokens: int = 0


_ALL_READ = Unread()


@dataclass(slots=True)
class Load:
    """What one target would be asked for."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def seconds(self, limits: Limits) -> float | None:
        """How long its limits make it last."""
        tokens = Tokens(self.input_tokens + self.output_tokens, self.input_tokens, self.output_tokens)
        loads = ((d, getattr(tokens, d.tokens) if d.tokens else self.requests) for d in DIMENSIONS)
        rates = ((d, load, getattr(limits, d.name)) for d, load in loads)
        spans = [load / rate * d.period_us / _SECOND_US for d, load, rate in rates if rate]
        if limits.rpd:
            # What fits into one day needs no second one.
            spans.append((self.requests - 1) // limits.rpd * _DAY_S)
        return max(spans) if spans else None


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What requests of the same options have in common."""

    target: Target
    hop: str
    calculator: NeedCalculator
    #: That the first target is asked to serve them on.
    terms: Terms
    by_target: Sequence[tuple[Target, NeedCalculator]]
    #: Output tokens of a reply at the first target, and whether Homa said so, and whether it thinks first.
    cap: int
    own_cap: bool
    thinks: bool
    #: As its answers, or those to the stored template, were so far.
    expected_output_tokens: int


class Estimator:
    """Adds up requests.

    Args:
        view: the fleet's settings.
        shared: options of `submit` for requests that do not say otherwise.
        stored: the stored template that requests give values to.
        loads: what targets are asked for, of estimates that belong together; None: of this one alone.
    """

    def __init__(
        self,
        view: FleetView,
        shared: Mapping[str, Any],
        stored: StoredTemplate | None = None,
        loads: dict[str, Load] | None = None,
    ) -> None:
        self._view, self._stored = view, stored
        #: Templates that requests name themselves, by those names.
        self._named: dict[str, StoredTemplate] = {}
        self._system = shared.get("system")
        self._shared = {name: value for name, value in shared.items() if name not in _APART and value is not None}
        self._plans: dict[str, CallPlan] = {}
        self._loads: dict[str, Load] = {} if loads is None else loads
        self._rows = self._bad_rows = self._input = self._output = self._expected = self._most = 0
        self._unpriced_rows = self._least_cap = self._greatest_cap = self._own_caps = self._thinking_rows = 0
        self._unpriced: dict[str, None] = {}
        self._first_messages: list[dict[str, Any]] | None = None
        self._first_bad: str | None = None

    def add(self, request: Mapping[str, Any], unread: Unread = _ALL_READ, times: int = 1) -> None:
        """Adds a request, given as options of `submit`.

        Args:
            unread: what its prompt will have beside.
            times: how many such requests.

        Raises:
            InvalidRequest: it would be refused; it counts as nothing until `reject` is told of it.
        """
        own = {name: value for name, value in request.items() if name not in _APART}
        stored = self._named.get(str(request.get("template")), self._stored)
        if stored is not None:
            request = with_prompt(request, stored)
        messages = build_messages(
            request.get("prompt"),
            request.get("messages"),
            request.get("system", self._system),
            request.get("images"),
            request.get("files"),
        )
        plan = self._plan(own, stored)
        self._rows += times
        if self._first_messages is None:
            self._first_messages = messages
        self._price(plan, Prepared.of(messages), unread, times)

    @property
    def common(self) -> CallPlan:
        """What requests that say nothing else have in common.

        Raises:
            UnknownModel, InvalidRequest: as `add`.
        """
        return self._plan({}, self._stored)

    def know(self, name: str, template: StoredTemplate) -> None:
        """A template that requests name so."""
        self._named[name] = template

    def reject(self, why: str) -> None:
        """Adds a row that would be refused."""
        self._rows += 1
        self._bad_rows += 1
        self._first_bad = self._first_bad or why

    def estimate(self) -> Estimate:
        """The sums so far."""
        priced = not self._unpriced_rows
        return Estimate(
            rows=self._rows,
            bad_rows=self._bad_rows,
            first_bad=self._first_bad,
            input_tokens=self._input,
            output_tokens=self._output,
            expected_usd=usd_of(self._expected) if priced else None,
            most_usd=usd_of(self._most) if priced else None,
            unpriced_rows=self._unpriced_rows,
            unpriced_targets=tuple(self._unpriced),
            seconds_at_limits=self._seconds(),
            least_cap=self._least_cap,
            greatest_cap=self._greatest_cap,
            own_caps=self._own_caps,
            thinking_rows=self._thinking_rows,
            first_messages=self._first_messages,
        )

    def _seconds(self) -> float | None:
        times = [self._seconds_of(hop, load) for hop, load in self._loads.items()]
        known = [seconds for seconds in times if seconds is not None]
        return max(known) if known and len(known) == len(times) else None

    def _seconds_of(self, hop: str, load: Load) -> float | None:
        """How long a hop's limits make the load take: the members of a pool work side by side."""
        times = [load.seconds(self._view.plan(target).limits) for target in self._view.members(hop)]
        known = [seconds for seconds in times if seconds]
        if len(known) < len(times):
            return None if None in times else 0.0
        return 1 / sum(1 / seconds for seconds in known)

    def _price(self, plan: CallPlan, prepared: Prepared, unread: Unread, times: int) -> None:
        calculator, prompt = plan.calculator, prompt_of(prepared)
        given = calculator.input_tokens(plan.target, prompt) + unread.tokens
        written = plan.expected_output_tokens
        self._note_cap(plan, times)
        self._input += given * times
        self._output += written * times
        load = self._loads.setdefault(plan.hop, Load())
        load.requests += times
        load.input_tokens += given * times
        load.output_tokens += written * times
        expected = self._view.prices.cost(plan.target, Usage(given, written, terms=plan.terms))
        # A bound counts a token a byte.
        longest = prompt._replace(json_bytes=prompt.json_bytes + unread.most_tokens) if unread.most_tokens else prompt
        bounds = [each.bound(target, longest) for target, each in plan.by_target]
        if expected is None or None in bounds:
            self._unpriced_rows += times
            unpriced = (str(target) for (target, _), bound in zip(plan.by_target, bounds, strict=True) if bound is None)
            self._unpriced.update(dict.fromkeys(unpriced))
            return
        self._expected += expected * times
        self._most += max(bound for bound in bounds if bound is not None) * times

    def _note_cap(self, plan: CallPlan, times: int) -> None:
        """What the row's answer may come to at its first target, and who said so."""
        self._least_cap = min(self._least_cap or plan.cap, plan.cap)
        self._greatest_cap = max(self._greatest_cap, plan.cap)
        self._own_caps += plan.own_cap * times
        self._thinking_rows += plan.thinks * times

    def _plan(self, own: Mapping[str, Any], stored: StoredTemplate | None) -> CallPlan:
        name = (repr(sorted(own.items())) if own else "") + (stored.ref if stored is not None else "")
        if name not in self._plans:
            options = check_options({**self._shared, **own})
            if stored is not None:
                options = options.of_template(stored.ref)
            self._plans[name] = self._planned(Template(self._view, options))
        return self._plans[name]

    def _planned(self, template: Template) -> CallPlan:
        # Of a pool the first member stands for all.
        target, own_cap = template.chain[0], template.has_own_cap
        return CallPlan(
            target=target,
            hop=template.targets[0],
            calculator=template.calculator,
            terms=self._view.prices.asked_terms(target, template.params_at(target)),
            by_target=[(each, calculator) for each, (_, calculator) in template.by_target().items()],
            cap=template.caps[0],
            expected_output_tokens=template.expected_output_tokens,
            own_cap=own_cap,
            thinks=own_cap and thinks_first(self._view.prices, target, template.params),
        )
