"""What a worker knows of the fleet's settings: prices, plans, the next target of a chain. It follows their changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from homa_shared.errors import HomaError
from homa_shared.plans import plan_row
from homa_shared.prices import PriceBook
from homa_shared.reply import Completion
from homa_shared.request import JobRequest
from homa_shared.settings.fleet import Fleet
from homa_shared.store.client import AsyncStore
from homa_shared.store.fleet import read_fleet, write_plans
from homa_shared.store.working import Claim
from homa_shared.targets import Target, TargetPlan, plan


class FleetBook:
    """The fleet as one worker sees it.

    Args:
        store: where the fleet's settings live.
        fleet: those that the worker started with.
    """

    def __init__(self, store: AsyncStore, fleet: Fleet) -> None:
        self._store = store
        self._plans: dict[str, TargetPlan | None] = {}
        self._written: set[str] = set()
        self.fleet = fleet
        self._prices = PriceBook(fleet)

    async def refresh(self) -> bool:
        """Reads the fleet's settings again; true when they had changed. All plans known here are then written anew."""
        fleet = await self._store.run(read_fleet(self._store.keys))
        if fleet is None or fleet.version == self.fleet.version:
            return False
        self.fleet, self._prices = fleet, PriceBook(fleet)
        known = list(self._written)
        self._plans.clear()
        self._written.clear()
        await self.ensure_plans(known)
        return True

    async def renew_days(self) -> None:
        """Writes the plans again, so that daily windows end at midnight across changes of the clocks."""
        known = [target for target in self._written if (p := self.plan(target)) and p.limits.rpd]
        self._written.difference_update(known)
        await self.ensure_plans(known)

    def plan(self, target: str) -> TargetPlan | None:
        """A target's plan; None where the settings no longer know its provider."""
        if target not in self._plans:
            try:
                self._plans[target] = plan(self.fleet, Target.parse(target))
            except HomaError:
                self._plans[target] = None
        return self._plans[target]

    async def ensure_plan(self, target: str) -> None:
        """Sees to it that the store knows a target's scopes before a job waits for it."""
        await self.ensure_plans([target])

    async def ensure_plans(self, targets: Iterable[str]) -> None:
        missing = [target for target in targets if target not in self._written]
        rows = [plan_row(p) for target in missing if (p := self.plan(target))]
        if rows:
            await self._store.run(write_plans(self._store.keys, rows))
        self._written.update(missing)

    def price(self, target: str, completion: Completion) -> int | None:
        """Nano-dollars of a completion; None when its target is unpriced."""
        return self._prices.cost(Target.parse(target), completion.usage)

    def next_target(self, claim: Claim, request: JobRequest) -> dict[str, Any] | None:
        """Fields of the record that send a job on to the next target of its chain, None where the chain ends.

        A target whose provider the fleet no longer has is passed over.
        """
        behind = request.options[len(request.options) - claim.fallbacks_left :] if claim.fallbacks_left else ()
        for i, option in enumerate(behind):
            option_plan = self.plan(option.target)
            if option_plan is not None:
                # At another target it is another question, so nobody else's answer serves: no cache key.
                return option.record_fields(len(behind) - i - 1) | {"q": option_plan.queue, "ck": ""}
        return None
