"""What happens to a call at a simulated provider, apart from HTTP.

1. Its account and model are looked up; unknown ones and contexts that are too long are refused.
2. The limits admit it or refuse it (429). What is refused is never billed.
3. A fault is chosen. One that strikes before the work ends the call here, not billed.
4. The reply is made and put on the bill, whether or not the caller will ever see it: a provider charges for work, not
   for delivery. Streams are billed as they end, for what they generated until then.
5. The server delivers the reply, or whatever the fault makes of it, after the latency drawn here.
6. The quota is settled.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from dataclasses import dataclass, replace
from random import Random
from zlib import crc32

from homa_shared.calls.reply import Usage
from homa_workers.simulator.bill import Bill
from homa_workers.simulator.buckets import Clock
from homa_workers.simulator.config import SimulatorConfig
from homa_workers.simulator.dialect import Dialect, Reply
from homa_workers.simulator.faults import ERRORS, FAILURES, MESSAGES, REFUSALS, Fault, Faults
from homa_workers.simulator.limits import Level, LimitTable, Ticket
from homa_workers.simulator.markers import Orders, read_orders
from homa_workers.simulator.prices import PriceList
from homa_workers.simulator.prompt_cache import CacheUse, PromptCache, steps_of
from homa_workers.simulator.replies import compose
from homa_workers.simulator.stats import Stats
from homa_workers.simulator.wire import (
    STANDARD,
    Answer,
    Failure,
    FailureKind,
    Finish,
    Operation,
    Prompt,
    tier_asked,
)

#: Faults after which a stream has still delivered something.
_STREAMED = frozenset({Fault.OK, Fault.SLOW, Fault.CUT, Fault.SILENT_END, Fault.STREAM_ERROR})
#: Prompts whose counted faults are remembered.
_COUNTED_KEPT = 100_000


_UNSAID = (
    "Could not finish the message because max_tokens or model output limit was reached. "
    "Please try again with higher max_tokens."
)


class Dropped(Exception):
    """The connection is to be cut before any work."""


@dataclass(slots=True)
class Exchange:
    """An admitted call, until its reply is delivered."""

    dialect: Dialect
    account: str
    reply: Reply
    fault: Fault
    latency_s: float
    ticket: Ticket
    marker: str
    #: An error that the provider does not charge for.
    free: bool = False
    billed: bool = False


class Engine:
    """One process's simulated providers: settings, limits, faults, bill and counts.

    Args:
        config: behaviour; `configure` changes it later.
        clock: seconds for the token buckets; tests turn it by hand.
        epoch: seconds since the epoch, for the bill, the per-second counts and daily quotas.
    """

    def __init__(self, config: SimulatorConfig, clock: Clock = time.monotonic, epoch: Clock = time.time) -> None:
        self.config = config
        self.bill = Bill(config.charges_kept)
        self.stats = Stats(epoch)
        self.faults = Faults(config.seed, config.faults)
        self.limits = LimitTable(config, clock, epoch)
        self.prompt_cache = PromptCache(clock)
        self._prices = PriceList(config.prices)
        self._latencies = Random(f"latencies:{config.seed}")
        self._epoch = epoch
        self._counted: Counter[tuple[int, str]] = Counter()
        self._run = os.urandom(4).hex()
        self._requests = 0

    def configure(self, config: SimulatorConfig) -> None:
        """Behave so from now on. A changed seed starts both generators anew."""
        if config.seed != self.config.seed:
            script = self.faults.scripted
            self.faults = Faults(config.seed, config.faults)
            self.faults.script(script)
            self._latencies = Random(f"latencies:{config.seed}")
        self.faults.rates(config.faults)
        self._prices = PriceList(config.prices)
        self.config = config
        self.limits.configure(config)

    def request_id(self) -> str:
        self._requests += 1
        return f"{self._run}{self._requests:08x}"

    def admit(self, dialect: Dialect, account: str, prompt: Prompt, request_id: str, marker: str) -> Exchange:
        """Steps 1 to 4.

        Raises:
            Failure: the call is refused.
            Dropped: its connection is to be cut.
        """
        self.stats.received_by(f"{account}/{prompt.model}")
        try:
            self.expect_model(prompt.model)
            self._expect_context(prompt)
        except Failure:
            self.limits.count_refused(account, prompt.model)
            raise
        orders = read_orders(prompt.last_user)
        cache = self._cache_use(dialect, account, prompt)
        ticket = self._reserve(dialect, account, prompt, cache)
        fault = self._fault(orders, prompt, account)
        if fault in REFUSALS:
            self.limits.settle(ticket, None)
            raise self._refusal(fault)
        try:
            answer = compose(prompt, orders, self.config, cache)
        except Failure:
            self.limits.settle(ticket, None)
            raise
        is_chat = dialect.speaks_chat and prompt.operation is Operation.CHAT and not prompt.shape
        if is_chat and not self.config.finish_reasons and answer.finish is Finish.STOP:
            answer = replace(answer, finish=Finish.UNTOLD)
        self.stats.admitted_by(ticket.scope.name, answer.usage.input_tokens + answer.usage.output_tokens)
        answer = self._served(dialect, prompt, orders, answer)
        reply = Reply(request_id, prompt, answer, int(self._epoch()), self.config.usage)
        latency_s = self._latency_s(orders, fault)
        free = fault in ERRORS and not self.faults.chance(self.config.error_billed_share)
        if not free:
            self.prompt_cache.keep(f"{account}/{prompt.model}", cache, latency_s, self.config.cache_life_s)
        marker = marker or prompt.marker or orders.mark
        exchange = Exchange(dialect, account, reply, fault, latency_s, ticket, marker, free)
        unsaid = is_chat and self.config.unsaid_as_error and answer.finish is Finish.LENGTH and not answer.text
        if not free and (unsaid or not (prompt.stream and fault in _STREAMED)):
            self.charge(exchange, answer.usage)
        if unsaid:
            self.settle(exchange)
            raise Failure(FailureKind.INVALID, _UNSAID)
        return exchange

    def refuse_unread(self, account: str, model: str) -> None:
        """Count a request that cannot be read: it is never billed, and uses up quota like any other refusal."""
        self.stats.received_by(f"{account}/{model}")
        if model:
            self.limits.count_refused(account, model)

    def charge(self, exchange: Exchange, usage: Usage) -> None:
        """Put a call on the bill, once."""
        if exchange.billed:
            return
        exchange.billed = True
        dialect, account, model = exchange.dialect, exchange.account, exchange.reply.prompt.model
        price = self._prices.price(dialect.price_id, account, model, exchange.reply.answer.service)
        nano_usd = price(usage) if price is not None else 0 if dialect.free else None
        self.bill.charge(
            account,
            model,
            usage,
            nano_usd,
            request_id=exchange.reply.request_id,
            marker=exchange.marker,
            time_s=self._epoch(),
            fault=exchange.fault,
        )

    def charge_part(self, exchange: Exchange, output_tokens: int) -> None:
        """Put a stream that broke off on the bill, for the output that it had generated."""
        whole = exchange.reply.answer.usage
        generated = min(whole.output_tokens, output_tokens + whole.reasoning_tokens)
        self.charge(exchange, replace(whole, output_tokens=generated))

    def settle(self, exchange: Exchange) -> None:
        """End a call: its slot is free, its quota settled. A stream that never began is billed for its prompt."""
        if not exchange.free:
            self.charge_part(exchange, 0)
        self.limits.settle(exchange.ticket, None if exchange.free else exchange.reply.answer.usage)

    def levels(self, account: str, model: str) -> dict[str, Level]:
        """Where the limits of an account and model stand, for headers."""
        if not self.config.headers:
            return {}
        return self.limits.levels(self.limits.scope(account, model))

    def expect_model(self, model: str) -> None:
        """Raises Failure where the settings list the models that exist, and this one is not among them."""
        if self.config.models and model not in self.config.models:
            raise Failure(FailureKind.NOT_FOUND, f"The model `{model}` does not exist or you do not have access to it.")

    def failure_of(self, fault: Fault) -> Failure:
        """The error that a fault answers with."""
        kind = FAILURES[fault]
        retry_after_s = self.config.fault_retry_after_s if kind is FailureKind.RATE_LIMITED else None
        return Failure(kind, MESSAGES[kind], "requests" if retry_after_s is not None else "", retry_after_s)

    def _refusal(self, fault: Fault) -> Exception:
        return Dropped() if fault is Fault.DROP_BEFORE else self.failure_of(fault)

    def _expect_context(self, prompt: Prompt) -> None:
        most = self.config.embedding_texts
        if most is not None and len(prompt.inputs) > most:
            said = f"batch size {len(prompt.inputs)} > maximum allowed batch size {most}"
            raise Failure(FailureKind.UNPROCESSABLE, said)
        window = self.config.context_window
        wanted = prompt.prompt_tokens + (prompt.max_tokens or 0)
        if window is not None and wanted > window:
            message = f"This model's maximum context length is {window} tokens, however you requested {wanted} tokens."
            raise Failure(FailureKind.CONTEXT, message)

    def _cache_use(self, dialect: Dialect, account: str, prompt: Prompt) -> CacheUse:
        config = self.config
        if config.cached_share or config.cache_write_share:
            written = prompt.prompt_tokens * config.cache_write_share if dialect.writes_cache else 0
            return CacheUse(int(prompt.prompt_tokens * config.cached_share), int(written))
        if prompt.operation is not Operation.CHAT or not config.cache_life_s:
            return CacheUse()
        points = prompt.cache_points
        if not points and dialect.caches_by_itself and prompt.prompt_tokens >= config.cache_min_tokens:
            points = tuple(steps_of(prompt, config.cache_min_tokens))
        scope = f"{account}/{prompt.model}"
        return self.prompt_cache.look_up(scope, points, config.cache_min_tokens, writes=dialect.writes_cache)

    def _served(self, dialect: Dialect, prompt: Prompt, orders: Orders, answer: Answer) -> Answer:
        """The answer, with what it was served on."""
        dearer = self.config.regional and dialect.dearer_in_a_region(prompt.model)
        if prompt.service is STANDARD and not (orders.searches or self.config.served_tier or dearer):
            return answer
        tier = tier_asked(self.config.served_tier) if self.config.served_tier else prompt.service.tier
        searches = orders.searches if (dialect.searches or prompt.shape == "responses") and not prompt.inputs else 0
        service = replace(prompt.service, tier=tier, searches=searches, us=prompt.service.us or dearer)
        return replace(answer, service=service)

    def _reserve(self, dialect: Dialect, account: str, prompt: Prompt, cache: CacheUse) -> Ticket:
        admitted = self.limits.admit(account, prompt, dialect.accounting, cache.read)
        if isinstance(admitted, Failure):
            self.stats.refused[admitted.dimension] += 1
            raise admitted
        return admitted

    def _fault(self, orders: Orders, prompt: Prompt, account: str) -> Fault:
        fault = self._ordered_fault(orders, prompt, account) if orders.faults else None
        if fault is None:
            fault = self.faults.draw()
        if fault is not Fault.OK:
            self.stats.faults[fault.value] += 1
        return fault

    def _ordered_fault(self, orders: Orders, prompt: Prompt, account: str) -> Fault | None:
        for order in orders.faults:
            if order.only_at not in ("", account, prompt.model):
                continue
            if order.times is not None and not self._one_more(prompt, account, order.fault, order.times):
                continue
            return self.faults.concrete(order.fault)
        return None

    def _one_more(self, prompt: Prompt, account: str, fault: Fault, times: int) -> bool:
        key = (crc32(prompt.text.encode()), f"{account}/{prompt.model}/{fault}")
        if len(self._counted) >= _COUNTED_KEPT:
            self._counted.clear()
        self._counted[key] += 1
        return self._counted[key] <= times

    def _latency_s(self, orders: Orders, fault: Fault) -> float:
        extra_ms = self.config.slow_ms if fault is Fault.SLOW else 0.0
        if orders.latency_ms is not None:
            return (orders.latency_ms + extra_ms) / 1000
        mean_ms, sigma = self.config.latency_ms, self.config.latency_sigma
        if sigma and mean_ms:
            # The mean of a log-normal is exp(mu + sigma²/2): mu is chosen so that it is the mean asked for.
            mean_ms = self._latencies.lognormvariate(math.log(mean_ms) - sigma * sigma / 2, sigma)
        return (mean_ms + extra_ms) / 1000
