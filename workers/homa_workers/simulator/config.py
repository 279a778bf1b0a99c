"""Settings of a simulated provider: frozen, checked when made, changed by copy.

Command line, `POST /control` and tests all go through `SimulatorConfig.changed`, so that every way in gets the same
checks and the same messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from math import isfinite
from typing import Any

from homa_shared.model.errors import ConfigError
from homa_workers.simulator.faults import fault_named

_AT_LEAST_ZERO = (
    "latency_ms",
    "latency_sigma",
    "token_ms",
    "output_tokens",
    "reasoning_tokens",
    "burst_s",
    "window_s",
    "hang_s",
    "slow_ms",
    "fault_retry_after_s",
    "cache_life_s",
    "keep_alive_s",
)


#: Ways in which a usage is told.
USAGES = ("usual", "beside", "in_choice", "every_chunk", "texts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Quota of one account and model; None means no limit.

    Every limit but `concurrency` and `rpd` is a token bucket that refills evenly and holds `SimulatorConfig.burst_s`
    seconds of its rate (never less than one request), full at the start.
    """

    rpm: float | None = None
    #: Requests a second; its bucket holds one second.
    rps: float | None = None
    #: Requests a day, from midnight to midnight UTC.
    rpd: int | None = None
    tpm: float | None = None
    input_tpm: float | None = None
    output_tpm: float | None = None
    concurrency: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            _expect_number(f"limits.{name}", value, minimum=0, optional=True, above=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """How a simulated provider behaves."""

    #: Seed of latencies and faults; the same order of requests then meets the same of both.
    seed: int = 0
    #: Mean time until a reply, or a stream's first token, in milliseconds.
    latency_ms: float = 0.0
    #: Sigma of the log-normal latency; 0 makes it fixed.
    latency_sigma: float = 0.0
    #: Milliseconds for each output token of a stream.
    token_ms: float = 0.0

    #: `words`: hash-chosen words; `echo`: the last user message.
    reply: str = "words"
    #: Mean length of a reply in tokens.
    output_tokens: int = 100
    #: Replies are between (1 - spread) and (1 + spread) times the mean, by hash of the request.
    output_spread: float = 0.5
    #: Hidden reasoning tokens of each reply; they count towards its output cap.
    reasoning_tokens: int = 0
    #: Whether OpenAI's chat tells by status 400 of a reply for which reasoning left no room; it is billed all the same.
    unsaid_as_error: bool = False
    #: Whether OpenAI's chat, and servers that speak it, say why a reply ended.
    finish_reasons: bool = True
    #: Seconds that prompt caches keep a prefix after its last use; 0: they keep nothing.
    cache_life_s: float = 300.0
    #: Tokens that a prefix must have to be kept.
    cache_min_tokens: int = 1024
    #: Share of each prompt that is read from the provider's cache, whatever that holds.
    cached_share: float = 0.0
    #: Share of each prompt that is written to it, likewise (Anthropic and Bedrock only).
    cache_write_share: float = 0.0
    #: The tier that serves each call, in the provider's words, whatever was asked for; empty: the one asked for.
    served_tier: str = ""
    #: Whether OpenAI's server is one of a region: newer models cost a tenth more there.
    regional: bool = False
    #: How OpenAI's chat completions tell their usage: as they do (`usual`), with reasoning beside the completion
    #: (`beside`), inside a choice (`in_choice`), in each chunk (`every_chunk`), as texts (`texts`).
    usage: str = "usual"
    #: Tokens that prompt and output cap may come to together; None: any.
    context_window: int | None = None
    #: Most texts of one embeddings call; None: any.
    embedding_texts: int | None = None
    #: Width of embeddings where neither request nor model name says it.
    embedding_dimensions: int = 256

    #: Limits of every account and model...
    limits: Limits = field(default_factory=Limits)
    #: ...and those of some: the first glob that fits `account/model` counts, instead of `limits`.
    limits_by_scope: Mapping[str, Limits] = field(default_factory=dict)
    #: Seconds of quota that a bucket holds.
    burst_s: float = 10.0
    #: Seconds of the calendar's windows by which quotas are counted, 1 or 60; 0: by buckets that refill evenly.
    window_s: float = 0.0
    #: Whether refused and failed requests use up request quota, as at OpenAI.
    failed_requests_count: bool = True
    #: Whether replies carry the provider's rate limit and retry headers.
    headers: bool = True
    #: Headers of good replies, in the place of the provider's own; null leaves one out.
    reply_headers: Mapping[str, str | None] = field(default_factory=dict)
    #: Headers of refusals and errors, likewise: `{"retry-after": "1893456000", "retry-after-ms": null}`.
    failure_headers: Mapping[str, str | None] = field(default_factory=dict)
    #: Whether the message of a refused key repeats the key, as careless servers and proxies do.
    echoes_key: bool = False
    #: Seconds that an idle connection is kept open.
    keep_alive_s: float = 3630.0

    #: Rate of each fault, 0..1, by name (see faults.py); together at most 1.
    faults: Mapping[str, float] = field(default_factory=dict)
    #: Share of 500, 502 and 504 answers that are billed all the same.
    error_billed_share: float = 0.5
    #: Seconds that a hanging request is held before its connection is cut.
    hang_s: float = 3600.0
    #: Milliseconds that `slow` adds to the latency.
    slow_ms: float = 5000.0
    #: Seconds that a 429 by fault, not by limit, asks the caller to wait.
    fault_retry_after_s: float = 1.0

    #: Models that exist; empty: any name.
    models: tuple[str, ...] = ()
    #: Keys that are let in; empty: any, and none.
    api_keys: tuple[str, ...] = ()
    #: Whether requests without an account in their path are told apart by key, as `kind:digest`.
    account_by_key: bool = False
    #: Dollars per million tokens as decimal strings, by `account/model` or model: {"input", "output", "cached",
    #: "cache_write"}; instead of the price list. With `@tier` behind it, what that tier costs.
    prices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: Charges kept one by one; totals count all of them.
    charges_kept: int = 100_000

    def __post_init__(self) -> None:
        for name in _AT_LEAST_ZERO:
            _expect_number(name, getattr(self, name), minimum=0)
        for name in ("output_spread", "cached_share", "cache_write_share", "error_billed_share"):
            _expect_number(name, getattr(self, name), minimum=0, maximum=1)
        for name in ("context_window", "embedding_dimensions", "charges_kept", "cache_min_tokens"):
            _expect_number(name, getattr(self, name), minimum=1, optional=name == "context_window")
        if self.cached_share + self.cache_write_share > 1:
            raise ConfigError("cached_share and cache_write_share are together above 1; they are parts of one prompt")
        if self.reply not in ("words", "echo"):
            raise ConfigError(f"reply is {self.reply!r}; expected 'words' or 'echo'")
        if self.usage not in USAGES:
            raise ConfigError(f"usage is {self.usage!r}; expected one of {', '.join(USAGES)}")
        _expect_headers("reply_headers", self.reply_headers)
        _expect_headers("failure_headers", self.failure_headers)
        self._check_faults()
        self._check_prices()

    def _check_faults(self) -> None:
        for name, rate in self.faults.items():
            fault_named(name)
            _expect_number(f"faults.{name}", rate, minimum=0, maximum=1)
        if sum(self.faults.values()) > 1 + 1e-9:
            raise ConfigError(f"fault rates add up to {sum(self.faults.values()):g}; together they may be at most 1")

    def _check_prices(self) -> None:
        for model, price in self.prices.items():
            for part, dollars in price.items():
                if part not in ("input", "output", "cached", "cache_write"):
                    raise ConfigError(
                        f"prices.{model}.{part} is unknown; expected input, output, cached or cache_write"
                    )
                try:
                    Decimal(dollars)
                except (InvalidOperation, TypeError, ValueError):
                    raise ConfigError(
                        f"prices.{model}.{part} is {dollars!r}; expected dollars per million tokens, like '0.25'"
                    ) from None

    def changed(self, changes: Mapping[str, Any]) -> SimulatorConfig:
        """A copy with some settings changed.

        Args:
            changes: by name; `limits` as a mapping changes only what it names, `limits_by_scope`, `faults` and `prices`
                are replaced whole.

        Raises:
            ConfigError: a name is unknown or a value out of range.
        """
        known = [f.name for f in fields(self)]
        values = dict(changes)
        for name in values:
            if name not in known:
                raise ConfigError(f"{name!r} is not a setting of the simulator{_did_you_mean(name, known)}")
        if "limits" in values:
            values["limits"] = changed_limits(self.limits, values["limits"])
        if "limits_by_scope" in values:
            scopes = values["limits_by_scope"]
            values["limits_by_scope"] = {scope: changed_limits(Limits(), limits) for scope, limits in scopes.items()}
        for name in ("models", "api_keys"):
            if name in values:
                values[name] = tuple(values[name])
        for name in ("faults", "prices", "reply_headers", "failure_headers"):
            if name in values and not isinstance(values[name], Mapping):
                raise ConfigError(f"{name} is {values[name]!r}; expected an object")
        return replace(self, **values)


def changed_limits(limits: Limits, changes: Mapping[str, Any] | Limits) -> Limits:
    """A copy of limits with some changed; `changes` may be complete limits of their own.

    Raises:
        ConfigError: a name is unknown or a value is not a positive number.
    """
    if isinstance(changes, Limits):
        return changes
    if not isinstance(changes, Mapping):
        raise ConfigError(f"limits are {changes!r}; expected an object like {{'rpm': 60}}")
    known = [f.name for f in fields(Limits)]
    for name in changes:
        if name not in known:
            raise ConfigError(
                f"limits.{name} is unknown{_did_you_mean(name, known)}; expected one of {', '.join(known)}"
            )
    return replace(limits, **changes)


def as_json(config: SimulatorConfig) -> dict[str, Any]:
    """The settings as `GET /control` shows them; keys of callers stay out of it."""
    shown = {f.name: getattr(config, f.name) for f in fields(config) if f.name != "api_keys"}
    shown["limits"] = asdict(config.limits)
    shown["limits_by_scope"] = {scope: asdict(limits) for scope, limits in config.limits_by_scope.items()}
    return shown


def with_changes(headers: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Headers with some changed; None leaves one out."""
    changed = {**headers, **{name.lower(): value for name, value in changes.items()}}
    return {name: value for name, value in changed.items() if value is not None}


def _did_you_mean(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _expect_headers(name: str, headers: Mapping[str, object]) -> None:
    for header, value in headers.items():
        if value is not None and not (isinstance(value, str) and value.isprintable()):
            raise ConfigError(f"{name}.{header} is {value!r:.80}; expected printable text, or null for none")


def _expect_number(
    name: str, value: Any, *, minimum: float, maximum: float | None = None, optional: bool = False, above: bool = False
) -> None:
    if value is None and optional:
        return
    bounds = f"{'above' if above else 'of at least'} {minimum:g}" + (f" and at most {maximum:g}" if maximum else "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} is {value!r}; expected a number {bounds}")
    if (
        not isfinite(value)
        or value < minimum
        or (above and value == minimum)
        or (maximum is not None and value > maximum)
    ):
        raise ConfigError(f"{name} is {value!r}; expected a number {bounds}")
