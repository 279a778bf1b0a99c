"""What a run would cost and how long it would take, without a call: `homa run --dry-run`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from homa.files import BadRow, Row
from homa.runs.row_request import RequestBuilder
from homa.runs.run_options import RunOptions
from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.messages import build_messages
from homa.submit.options import check_options
from homa.submit.reservations import prompt_of
from homa.submit.template import Template
from homa_shared.calls.reply import Usage
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.limits import DIMENSIONS, Limits
from homa_shared.model.money import usd
from homa_shared.model.tokens import Tokens
from homa_shared.quota.own_cap import thinks_first

_MINUTES_OF_DAY = 1440
_MINUTE_US = 60_000_000


@dataclass(slots=True)
class Forecast:
    """Sums over the rows of a run."""

    rows: int = 0
    bad_rows: int = 0
    #: Estimates.
    input_tokens: int = 0
    output_tokens: int = 0
    #: Nano-dollars of one call a row at the first target, with an output of the expected length.
    expected_nano_usd: int = 0
    #: Nano-dollars that one call a row cannot exceed, at its dearest target.
    most_nano_usd: int = 0
    #: Rows whose cost nobody knows, since a target of theirs has no price.
    unpriced_rows: int = 0
    unpriced_targets: list[str] = field(default_factory=list)
    #: Minutes that the configured limits of the first targets make it last; None where none is configured.
    minutes: float | None = None
    #: Most output tokens of a row at its first target, by row: the least and the greatest; 0 before the first row.
    least_cap: int = 0
    greatest_cap: int = 0
    #: Rows whose cap Homa set, and those among them whose model thinks first.
    own_caps: int = 0
    thinking_rows: int = 0
    #: What the first row's model would read.
    first_messages: list[dict[str, Any]] | None = None
    first_bad: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`; dollars as decimal strings, null where a price is not known."""
        priced = not self.unpriced_rows
        return {
            "rows": self.rows,
            "bad_rows": self.bad_rows,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "expected_usd": usd(self.expected_nano_usd) if priced else None,
            "most_usd": usd(self.most_nano_usd) if priced else None,
            "unpriced_rows": self.unpriced_rows,
            "output_cap": self.greatest_cap or None,
            "output_cap_by": ("homa" if self.own_caps else "caller") if self.greatest_cap else None,
            "seconds_at_limits": None if self.minutes is None else round(self.minutes * 60, 1),
            "first_messages": self.first_messages,
        }


@dataclass(slots=True)
class _Load:
    """What one target would be asked for."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def minutes(self, limits: Limits) -> float | None:
        """How long its limits make it last."""
        tokens = Tokens(self.input_tokens + self.output_tokens, self.input_tokens, self.output_tokens)
        loads = ((d, getattr(tokens, d.tokens) if d.tokens else self.requests) for d in DIMENSIONS)
        rates = ((d, load, getattr(limits, d.name)) for d, load in loads)
        spans = [load / rate * d.period_us / _MINUTE_US for d, load, rate in rates if rate]
        if limits.rpd:
            # What fits into one day needs no second one.
            spans.append((self.requests - 1) // limits.rpd * _MINUTES_OF_DAY)
        return max(spans) if spans else None


class Forecaster:
    """Adds up rows."""

    def __init__(self, view: FleetView, run_options: RunOptions, builder: RequestBuilder) -> None:
        self._view, self._run_options, self._builder = view, run_options, builder
        self._templates: dict[str, Template] = {}
        self._loads: dict[str, _Load] = {}
        self._sum = Forecast()

    def of(self, rows: Iterable[Row | BadRow]) -> Forecast:
        """The forecast of these rows."""
        for row in rows:
            self._sum.rows += 1
            bad = row if isinstance(row, BadRow) else self._add(row)
            if bad is not None:
                self._sum.bad_rows += 1
                self._sum.first_bad = self._sum.first_bad or str(bad)
        times = [self._minutes(hop, load) for hop, load in self._loads.items()]
        known = [minutes for minutes in times if minutes is not None]
        self._sum.minutes = max(known) if known and len(known) == len(times) else None
        return self._sum

    def _minutes(self, hop: str, load: _Load) -> float | None:
        """How long a hop's limits make the load take: the members of a pool work side by side."""
        times = [load.minutes(self._view.plan(target).limits) for target in self._view.members(hop)]
        known = [minutes for minutes in times if minutes]
        if len(known) < len(times):
            return None if None in times else 0.0
        return 1 / sum(1 / minutes for minutes in known)

    def _add(self, row: Row) -> BadRow | None:
        request = self._builder.request(row)
        if isinstance(request, BadRow):
            return request
        try:
            own = {name: value for name, value in request.items() if name not in ("prompt", "messages", "custom_id")}
            system = own.pop("system", self._run_options.system)
            messages = build_messages(request.get("prompt"), request.get("messages"), system)
            template = self._template(own)
        except InvalidRequest as error:
            return row.rejected(str(error))
        if self._sum.first_messages is None:
            self._sum.first_messages = messages
        self._price(template, Prepared.of(messages))
        return None

    def _price(self, template: Template, prepared: Prepared) -> None:
        total = self._sum
        # Of a pool the first member stands for all.
        target = template.chain[0]
        calculator, prompt = template.calculator, prompt_of(prepared)
        given = calculator.input_tokens(target, prompt)
        written = calculator.expected_output_tokens
        self._note_cap(template)
        total.input_tokens += given
        total.output_tokens += written
        load = self._loads.setdefault(template.targets[0], _Load())
        load.requests += 1
        load.input_tokens += given
        load.output_tokens += written
        expected = self._view.prices.cost(target, Usage(given, written))
        by_target = template.by_target()
        bounds = {str(target): each.bound(target, prompt) for target, (_, each) in by_target.items()}
        unpriced = [name for name, bound in bounds.items() if bound is None]
        if expected is None or unpriced:
            total.unpriced_rows += 1
            total.unpriced_targets += [name for name in unpriced if name not in total.unpriced_targets]
            return
        total.expected_nano_usd += expected
        total.most_nano_usd += max(bound for bound in bounds.values() if bound is not None)

    def _note_cap(self, template: Template) -> None:
        """What the row's answer may come to at its first target, and who said so."""
        total, cap, target = self._sum, template.caps[0], template.chain[0]
        total.least_cap = min(total.least_cap or cap, cap)
        total.greatest_cap = max(total.greatest_cap, cap)
        total.own_caps += template.has_own_cap
        total.thinking_rows += template.has_own_cap and thinks_first(self._view.prices, target, template.params)

    def _template(self, own: dict[str, Any]) -> Template:
        shared = {name: value for name, value in self._run_options.options.items() if name != "system"}
        name = repr(sorted(own.items()))
        if name not in self._templates:
            self._templates[name] = Template(self._view, check_options({**shared, **own}))
        return self._templates[name]
