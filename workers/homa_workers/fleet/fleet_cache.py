"""What a worker knows of the fleet: prices, plans, learned factors, what targets take. It follows changes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from homa_shared.calls.reply import Completion, Usage
from homa_shared.capabilities import Capabilities, Feature
from homa_shared.capabilities.prompt_caching import caching_at
from homa_shared.kinds.model_families import follows_schemas
from homa_shared.kinds.output_caps import PLAIN
from homa_shared.kinds.profile import PromptCaching
from homa_shared.model.errors import ConfigError, HomaError
from homa_shared.model.pools import Hop, Pool, alias_of
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.quota.own_cap import most_cap, own_cap
from homa_shared.quota.plan import TargetPlan, plan
from homa_shared.quota.plan_rows import rows_of
from homa_shared.quota.price_stamp import price_stamp
from homa_shared.settings.fleet import Fleet
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op, read, text
from homa_shared.store.reads.prompts import prompt_answers
from homa_shared.store.reads.token_error import learned
from homa_shared.store.reads.written_tokens import answer_tokens
from homa_shared.store.transitions.attempts import Report
from homa_shared.store.transitions.fleet import write_fleet, write_plans
from homa_workers.fleet.known_target import KnownTarget

#: How often plans with daily windows are written anew, s: their day ends at midnight across changes of the clocks.
DAYS_S = 1800.0
#: How often the factors that estimates of tokens are scaled by are read again, s; clients do so as often.
FACTORS_S = 30.0
#: Versions of stored templates of whose answers a worker knows.
_MOST_TEMPLATES = 1000


class FleetBook:
    """The fleet as one worker sees it.

    Args:
        store: where the fleet's settings live.
        fleet: those that the worker started with.
        provider: whose targets the worker calls.
        defaults: parameters that the account's settings add to each call which does not set them.
    """

    def __init__(
        self, store: AsyncStore, fleet: Fleet, provider: str = "", defaults: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self._store = store
        self._provider = provider
        self._defaults = defaults
        #: Target -> what estimates of its tokens are scaled by, as learned from replies.
        self._factors: Mapping[str, float] = {}
        #: Target -> output tokens of one of its answers, likewise.
        self._answers: Mapping[str, int | None] = {}
        #: Version of a stored template -> the same for its answers.
        self._by_template: dict[str, Mapping[str, int | None]] = {}
        self._plans: dict[str, TargetPlan | None] = {}
        self._targets: dict[str, KnownTarget] = {}
        self._written: set[str] = set()
        self._raw: bytes | None = None
        #: Whether the store's plans are still those of settings before.
        self._behind = False
        self._served: dict[str, tuple[Fleet, list[str]]] = {}
        self._days_at = time.monotonic()
        self.fleet = fleet
        self._prices = PriceBook(fleet)

    async def refresh(self) -> bool:
        """Reads the fleet's settings again; true when they had changed.

        The plans of all targets that the store knows are then written anew, whoever wrote them first: limits that
        `homa apply` changed hold within a beat, also for targets that only producers have named.

        Raises:
            ConfigError: a newer release wrote settings that this one cannot read; the old ones stay in force.
        """
        raw = await self._store.run(read((("GET", self._store.keys.fleet()),), lambda replies: replies[0]))
        if raw is None and self.fleet.version > 0:
            return await self._restore()
        if raw is None or raw == self._raw:
            await self._renew_days()
            return False
        fleet = Fleet.from_json(raw)
        if fleet.version != self.fleet.version:
            self.fleet, self._prices = fleet, PriceBook(fleet)
            self._plans.clear()
            self._targets.clear()
            self._written.clear()
            self._behind = True
        changed = self._behind
        if changed:
            # Should the store go away now, the next turn comes here again.
            await self.ensure_plans(await self._known())
            self._behind = False
        self._raw = raw
        return changed

    async def _restore(self) -> bool:
        """Writes the settings into a store that has lost them, with the plans that this worker had written."""
        known = [name for name in {*self._written, *self._plans} if self.hop(name) is not None]
        self._written.clear()
        await self._store.run(write_fleet(self._store.keys, self.fleet, seen=self.fleet.version))
        await self.ensure_plans(known)
        return True

    async def write_again(self, targets: Sequence[str]) -> None:
        """Writes plans that the store does not have, whoever wrote them first."""
        self._written.difference_update(targets)
        await self.ensure_plans(targets)

    async def follow(self, version: int) -> None:
        """Reads the fleet's settings again where those of another version are in force than this worker knows.

        Settings of a newer release that cannot be read leave the old ones in force; the heartbeat tells of it.
        """
        if version and version != self.fleet.version:
            with contextlib.suppress(ConfigError):
                await self.refresh()

    async def _renew_days(self) -> None:
        if time.monotonic() - self._days_at < DAYS_S:
            return
        daily = [name for name in await self._known() if (found := self.plan(name)) and found.limits.rpd]
        self._written.difference_update(daily)
        await self.ensure_plans(daily)
        self._days_at = time.monotonic()

    async def _known(self) -> list[str]:
        """Targets and pools with a plan in the store; rows of a pool's members are written with their pool."""
        keys = self._store.keys
        names = await self._store.run(read((("SMEMBERS", keys.targets()),), lambda r: [text(name) for name in r[0]]))
        # A model's name may hold a bar too; in front of that stands its provider's colon, which no pool's name has.
        return [name for name in names if "|" not in name or ":" in name.partition("|")[0]]

    def pools_of(self, provider: str) -> list[str]:
        """Queues of the pools that a provider serves now."""
        if self._served.get(provider, (None,))[0] is not self.fleet:
            self._served[provider] = (self.fleet, sorted(map(str, self.fleet.pools_of(provider))))
        return self._served[provider][1]

    def members(self, queue: str) -> int:
        """How many serve a pool's queue; one for any other queue."""
        hop = self.hop(queue) if alias_of(queue) is not None else None
        return len(hop.members) if isinstance(hop, Pool) else 1

    def hop(self, name: str) -> Hop | None:
        """A target or pool; None where the fleet has no such provider or alias any more."""
        try:
            return self.fleet.hop(name)
        except HomaError:
            return None

    def plan(self, target: str) -> TargetPlan | None:
        """A target's plan; None where the settings no longer know its provider."""
        if target not in self._plans:
            try:
                self._plans[target] = plan(self.fleet, Target.parse(target))
            except HomaError:
                self._plans[target] = None
        return self._plans[target]

    async def refresh_factors(self) -> None:
        """Reads again what estimates of the provider's targets are scaled by."""
        called = [name for name in await self._known() if name.startswith(f"{self._provider}:")]
        if called:
            found = await self._store.run(learned(self._store.keys, called))
            self._factors = {target: sums.factor for target, sums in found.items()}
            self._answers = await self._store.run(answer_tokens(self._store.keys, called))
        for template in list(self._by_template):
            op = prompt_answers(self._store.keys, template, called)
            self._by_template[template] = await self._store.run(op) if called else {}

    def factor(self, target: str) -> float:
        """What estimates of a target's input tokens are scaled by; 1 where no replies have told yet."""
        return self._factors.get(target, 1.0)

    def answer_tokens(self, target: str, template: str = "") -> int | None:
        """Output tokens of one answer of a target; None where no replies have told yet.

        Args:
            template: version of the stored template that is asked by; what its own answers have is gone by first. It
                is read with the factors, from the first time on that it is asked for.
        """
        if template:
            if template not in self._by_template and len(self._by_template) < _MOST_TEMPLATES:
                self._by_template[template] = {}
            if (mean := self._by_template.get(template, {}).get(target)) is not None:
                return mean
        return self._answers.get(target)

    async def ensure_plans(self, targets: Sequence[str]) -> None:
        """Sees to it that the store knows targets' scopes before a job waits for them."""
        op = self.writing(targets)
        if op is not None:
            await self._store.run(op)
            self.written(targets)

    def writing(self, targets: Iterable[str]) -> Op[int] | None:
        """The operation that writes the plans which this worker has not written yet; None where all are written."""
        hops = [hop for target in targets if target not in self._written and (hop := self.hop(target))]
        rows = [row for hop in hops for row in rows_of(self.fleet, hop)]
        return write_plans(self._store.keys, rows) if rows else None

    def written(self, targets: Iterable[str]) -> None:
        """Notes that the store has these plans."""
        self._written.update(targets)

    @property
    def prices(self) -> PriceBook:
        """Prices as of the last refresh."""
        return self._prices

    @property
    def price_stamp(self) -> str:
        """Names the prices that bounds are reckoned by here."""
        return price_stamp(self.fleet)

    @property
    def capabilities(self) -> Capabilities:
        """What targets can do, as of the last refresh."""
        return Capabilities(self.fleet, self._prices)

    def caching(self, target: str) -> PromptCaching | None:
        """The prompt cache of a target; None where nothing is to be said to it."""
        return caching_at(self.fleet, Target.parse(target))

    def known(self, target: str) -> KnownTarget:
        """What the fleet's settings tell of a target; its kind's defaults where they no longer know its provider.

        Raises:
            ConfigError: the kind's package is installed and brings no profile that can be loaded.
        """
        found = self._targets.get(target)
        if found is None:
            found = self._targets[target] = KnownTarget.of(self.fleet, target, self._defaults)
        return found

    def own_cap(self, target: str, params: Mapping[str, Any]) -> int:
        """The output cap of a call to a target that sets none."""
        found = self.plan(target)
        return PLAIN if found is None else own_cap(found, self._prices, params, self.answer_tokens(target))

    def most_cap(self, target: str, params: Mapping[str, Any]) -> int:
        """Most output tokens that may be asked of a target in one call; 0 where the settings no longer know it."""
        found = self.plan(target)
        return 0 if found is None else most_cap(found, self._prices, params)

    def note_model(self, target: str, model: object) -> None:
        """Learns from a reply which model serves a target whose name does not tell."""
        found = self.known(target)
        if found.may_learn and isinstance(model, str):
            self._targets[target] = found.served_by(model)

    def takes_schemas(self, target: Target) -> bool:
        """Whether a target's model takes the schema of its answer as a parameter, as far as is known."""
        offered = self.capabilities.offers(target, Feature.SCHEMA)
        return offered and self.known(str(target)).family.schema and follows_schemas(target.model)

    def price(self, target: str, completion: Completion) -> int | None:
        """Nano-dollars of a completion; None when its target is unpriced, or something that its bill consists of."""
        found = self.known(target)
        return None if found.has_fees(completion) else self._prices.cost(found.target, completion.usage)

    def with_saving(self, target: str, report: Report, usage: Usage | None) -> Report:
        """A report with what the provider's prompt cache saved.

        Args:
            usage: what the report is of; None where the provider told none.
        """
        if report.nano is None or usage is None or not (usage.cached_tokens or usage.cache_write_tokens):
            return report
        return replace(report, saved=self._prices.saved(self.known(target).target, usage))
