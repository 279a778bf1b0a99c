"""One version of the fleet's settings, and what a client derives from it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from homa_shared.capabilities import Capabilities
from homa_shared.capabilities.prompt_caching import caching_at
from homa_shared.model.pools import members_of
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.quota.plan import TargetPlan, plan
from homa_shared.quota.plan_rows import rows_of
from homa_shared.store.versions import Versions, own_versions

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet

#: Versions of stored templates of whose answers one view knows.
_MOST_TEMPLATES = 1000


class FleetView:
    """One version of the fleet's settings, with prices and plans derived from it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.prices = PriceBook(fleet)
        self.capabilities = Capabilities(fleet, self.prices)
        #: Targets whose plans are known to stand in the store.
        self.written: set[str] = set()
        #: Target -> what estimates of its tokens are scaled by, as learned from replies.
        self.factors: Mapping[str, float] = {}
        #: Target -> output tokens of one of its answers, likewise.
        self.answers: Mapping[str, int | None] = {}
        #: The same by version of a stored template, and when that was read (`time.monotonic`).
        self._template_answers: dict[str, tuple[float, Mapping[str, int | None]]] = {}
        #: What is written so that every live worker can read it.
        self.versions: Versions = own_versions()

    def plan(self, target: Target) -> TargetPlan:
        return plan(self.fleet, target)

    def factor(self, target: Target) -> float:
        """What estimates of a target's input tokens are scaled by."""
        return self.factors.get(str(target), 1.0)

    def answer_tokens(self, target: Target, template: str = "") -> int | None:
        """Output tokens of one answer of a target; None while nobody knows.

        Args:
            template: version of the stored template that is asked by; what its own answers have is gone by first.
        """
        if template:
            _, known = self._template_answers.get(template, (0.0, {}))
            if (mean := known.get(str(target))) is not None:
                return mean
        return self.answers.get(str(target))

    def must_learn(self, template: str, targets: Sequence[str], fresh_s: float) -> bool:
        """Whether the answers of targets to a version of a stored template were not looked at for so long, or never."""
        read_s, known = self._template_answers.get(template, (0.0, {}))
        return not known.keys() >= set(targets) or time.monotonic() - read_s >= fresh_s

    def know_template(self, template: str, answers: Mapping[str, int | None]) -> None:
        """Notes how long answers to a version of a stored template are, by target."""
        if len(self._template_answers) >= _MOST_TEMPLATES:
            self._template_answers.clear()
        known = self._template_answers.get(template, (0.0, {}))[1]
        self._template_answers[template] = (time.monotonic(), {**known, **answers})

    def unwritten(self, targets: Sequence[str]) -> list[str]:
        return [target for target in targets if target not in self.written]

    def plan_rows(self, targets: Sequence[str]) -> list[dict[str, Any]]:
        """What the store has to know of targets and pools, by their names in a chain."""
        return [row for target in targets for row in rows_of(self.fleet, self.fleet.hop(target))]

    def members(self, target: str) -> tuple[Target, ...]:
        """The targets that may be called where a chain says so: several for a pool."""
        return members_of(self.fleet.hop(target))

    def webhook_of(self, tenant: str) -> dict[str, str]:
        """The webhook of a tenant's jobs and batches, as records have it; nothing where it has none."""
        found = self.fleet.tenants.get(tenant)
        return {"webhook": found.webhook} if found is not None and found.webhook else {}

    def caches(self, chain: Sequence[Target]) -> bool:
        """Whether the prompt cache of a target is to be told what prompts share."""
        return any(caching_at(self.fleet, target) for target in chain)
