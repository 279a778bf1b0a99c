"""What the requests of one set of options share, worked out once.

A batch of a million lines then costs little more per line than the encoding of its prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from homa.submit.encoded_messages import Prepared
from homa.submit.fitting import Fit
from homa.submit.fleet_view import FleetView
from homa.submit.options import Options
from homa.submit.request_digests import cache_key
from homa.submit.reservations import Reservations
from homa_shared.calls.request import CHAT, EMBEDDING, request_head, sharing
from homa_shared.calls.shared_prefix import SharedPrefix
from homa_shared.capabilities.prompt_caching import caching_at
from homa_shared.model.pools import Hop, members_of, queue_of, without
from homa_shared.model.records import Lane
from homa_shared.model.targets import Target
from homa_shared.model.tokens import NO_PREFIX, PrefixTokens
from homa_shared.quota.need_calculator import DEFAULT_MAX_TOKENS, NeedCalculator, counts_tokens
from homa_shared.quota.plan import exempts_cached
from homa_shared.store.transitions.submit import Common, Entry


class Template:
    """What the requests of one set of options share.

    Args:
        view: the fleet's settings, prices and plans that it is worked out from.
        batch: the batch that the requests belong to.
        hops: another chain than the options'.

    Raises:
        UnknownModel: the model or a fallback is neither a target of the fleet nor an alias.
        InvalidRequest: an option cannot be written as JSON.
    """

    def __init__(
        self, view: FleetView, options: Options, batch: str | None = None, hops: Sequence[Hop] | None = None
    ) -> None:
        alias = view.fleet.alias(options.model)
        self.options = options
        self.params = {**(alias.defaults if alias else {}), **options.params}
        self._cached = options.cache if options.cache is not None else bool(alias and alias.cache)
        cap = self.params.get("max_completion_tokens") or self.params.get("max_tokens")
        if cap is None and options.kind == CHAT:
            cap = self.params["max_tokens"] = DEFAULT_MAX_TOKENS
        self.max_tokens = int(cap or 0)
        self.hops = view.fleet.hops(options.model, options.fallbacks) if hops is None else tuple(hops)
        #: Every target that may be called, each once.
        self.chain = tuple(dict.fromkeys(target for hop in self.hops for target in members_of(hop)))
        self._view, self._batch = view, batch
        self._fit = Fit(
            view.capabilities, self.chain, self.params, runs_tools=bool(options.steps.tools), api=options.api
        )
        self._narrower: dict[tuple[Hop, ...], Template] = {}
        #: Names of the hops, as record and request have them.
        self.targets = [str(hop) for hop in self.hops]
        self._plans = [(str(hop), [view.plan(target) for target in members_of(hop)]) for hop in self.hops]
        self._head = request_head(
            self.params,
            self.targets,
            kind=options.kind,
            version=view.versions.request,
            cache=options.kind == EMBEDDING and self._cached,
            **options.request,
        )
        #: Whether one of the targets keeps what prompts share.
        self.caches = options.kind == CHAT and options.prompt_cache is not False and view.caches(self.chain)
        self._params_json = orjson.dumps(self.params, option=orjson.OPT_SORT_KEYS)
        #: What a call of these requests takes.
        self.calculator = NeedCalculator(view.prices, self.params, options.api)
        self._reservations = Reservations(view, self._plans, self.calculator)
        self.common = Common(
            queue=queue_of(self.hops[0]),
            target=self.targets[0],
            batch=batch,
            fallbacks_left=len(self.targets) - 1,
            version=view.versions.record,
            **{"lane": Lane.DEFAULT.value, **options.record},
        )

    def fit(self, prepared: Prepared) -> tuple[Template, tuple[tuple[str, str], ...]]:
        """The template of the targets that can do a request, and those that cannot, with the reason.

        Raises:
            InvalidRequest: none can.
        """
        lacks = self._fit.lacks(prepared)
        if not lacks:
            return self, ()
        able = without(self.hops, tuple(lacks))
        if able not in self._narrower:
            self._narrower[able] = Template(self._view, self.options, self._batch, able)
        return self._narrower[able], tuple((str(target), why) for target, why in lacks.items())

    def common_for(self, prepared: Prepared) -> Common:
        """The common fields of a job; those of a cached one bear its cache key."""
        if not self._cached:
            return self.common
        return replace(self.common, cache_key=cache_key(self.options, self._params_json, self.hops, prepared))

    def entry(
        self,
        job_id: str,
        prepared: Prepared,
        *,
        custom_id: str = "",
        key: str = "",
        due_ms: int | None = None,
        skipped: Sequence[tuple[str, str]] = (),
        shared: SharedPrefix | None = None,
    ) -> Entry:
        """The job of one request.

        Args:
            key: idempotency key and digest, `key digest`.
            due_ms: from now; None takes the options' delay.
            skipped: targets that cannot do it, with the reason.
            shared: what its prompt has in common with others'.
        """
        first, tail = self._reservations.of(prepared, skipped)
        request = b"%b%b%b" % (self._head, prepared.stored or prepared.json, tail)
        return Entry(
            job_id,
            request if shared is None else sharing(request, shared.encode()),
            custom_id,
            key,
            first.bound,
            first.tokens,
            NO_PREFIX if shared is None else self.prefix(shared, prepared.messages),
            self.options.deadline_ms,
            self.options.delay_ms if due_ms is None else due_ms,
        )

    def no_price(self, target: str) -> tuple[str, str]:
        """What of a target has no price for these requests, in words, and the setting that gives it one."""
        terms = self._view.prices.lacks_tier(Target.parse(target), self.params) if ":" in target else None
        if terms is None:
            return target, f'prices."{target}"'
        name = "+".join(terms)
        return f"{target} served by {name}", f'prices."{target}".tiers."{name}"'

    def prefix(self, shared: SharedPrefix, messages: Sequence[Mapping[str, Any]]) -> PrefixTokens:
        """Tokens and digest of what a prompt shares; none where every target counts all tokens."""
        exempt = (p for _, plans in self._plans for p in plans if counts_tokens(p) and exempts_cached(p))
        counted = next((p.target for p in exempt if caching_at(self._view.fleet, p.target)), None)
        if counted is None:
            return NO_PREFIX
        tokens = shared.tokens(messages, self.params, counted.model) * self._view.factor(counted)
        return PrefixTokens(int(tokens), shared.digest(messages, self.params))

    def shared(self, prepared: Prepared) -> SharedPrefix | None:
        """What a single prompt has in common with others, as its caller says; None where nobody keeps it."""
        wanted = self.options.prompt_cache
        if not wanted or not self.caches:
            return None
        text = prepared.messages[-1].get("content")
        begins = isinstance(wanted, str) and isinstance(text, str) and text.startswith(wanted)
        shared = SharedPrefix(len(prepared.messages) - 1, len(str(wanted)) if begins else 0)
        return shared if shared.messages or shared.characters else None
