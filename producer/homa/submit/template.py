"""What the requests of one set of options share, worked out once.

A batch of a million lines then costs little more per line than the encoding of its prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from homa.submit.budgets import budget_over, check_bounded
from homa.submit.encoded_messages import Prepared
from homa.submit.fitting import Fit
from homa.submit.fleet_view import FleetView
from homa.submit.options import Options, chat_shaped
from homa.submit.request_digests import cache_key
from homa.submit.reservations import Reservations, prompt_of
from homa_shared.calls.account_params import with_defaults
from homa_shared.calls.batch_beginning import BEGINNING_VERSION, Beginning
from homa_shared.calls.encoded_request import sharing
from homa_shared.calls.reply import RESPONSES_API
from homa_shared.calls.request import CHAT, EMBEDDING, request_head
from homa_shared.calls.shared_prefix import SharedPrefix
from homa_shared.calls.tokens import count
from homa_shared.capabilities.prompt_caching import caching_at
from homa_shared.kinds.output_caps import PLAIN, cap_of
from homa_shared.model.pools import Hop, members_of, queue_of, without
from homa_shared.model.records import Lane
from homa_shared.model.targets import Target
from homa_shared.model.tokens import NO_PREFIX, PrefixTokens
from homa_shared.quota.call_parts import most_replies
from homa_shared.quota.need_calculator import NeedCalculator, counts_tokens
from homa_shared.quota.own_cap import own_cap
from homa_shared.quota.plan import TargetPlan, exempts_cached
from homa_shared.quota.price_stamp import price_stamp
from homa_shared.store.transitions.submit import Common, Entry

if TYPE_CHECKING:
    from homa_shared.settings.sections import ModelAlias


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
        # The job's cap stands above the alias's, too, where each says it under a name of its own.
        self.params = with_defaults(options.params, _defaults_of(alias, options.api))
        self._cached = options.cache if options.cache is not None else bool(alias and alias.cache)
        self.hops = view.fleet.hops(options.model, options.fallbacks) if hops is None else tuple(hops)
        #: Every target that may be called, each once.
        self.chain = tuple(dict.fromkeys(target for hop in self.hops for target in members_of(hop)))
        self._view, self._batch = view, batch
        #: Whether Homa chose the output cap.
        self.has_own_cap = False
        plans = [[view.plan(target) for target in members_of(hop)] for hop in self.hops]
        #: Output cap at each hop; of several, all members of a pool take the least.
        self.caps = self._caps(plans)
        runs_tools, barred = bool(options.steps.tools), self._barred(options)
        self._fit = Fit(
            view.capabilities, self.chain, self.params, runs_tools=runs_tools, api=options.api, barred=barred
        )
        self._beginnings: dict[bytes, tuple[Beginning, ...]] = {}
        self._narrower: dict[tuple[Hop, ...], Template] = {}
        #: Names of the hops, as record and request have them.
        self.targets = [str(hop) for hop in self.hops]
        self._plans = list(zip(self.targets, plans, strict=True))
        self._head = request_head(
            self.params,
            self.targets,
            caps=self.caps if len(set(self.caps)) > 1 else (),
            kind=options.kind,
            version=view.versions.request,
            cache=options.kind == EMBEDDING and self._cached,
            priced=price_stamp(view.fleet),
            **options.request,
        )
        #: Whether one of the targets keeps what prompts share.
        self.caches = options.kind == CHAT and options.prompt_cache is not False and view.caches(self.chain)
        self._params_json = orjson.dumps(self._asked, option=orjson.OPT_SORT_KEYS)
        self._calculators = self._reckon(plans)
        self._reservations = Reservations(view, self._plans, self._calculators, options.template)
        self.common = Common(
            queue=queue_of(self.hops[0]),
            target=self.targets[0],
            batch=batch,
            fallbacks_left=len(self.targets) - 1,
            version=view.versions.record,
            # Lines of a batch are told of by its own webhook.
            **{"lane": Lane.DEFAULT.value, **({} if batch else view.webhook_of(options.tenant)), **options.record},
        )

    @property
    def calculator(self) -> NeedCalculator:
        """What a call of these requests takes at the first target."""
        return self._calculators[0][0]

    @property
    def expected_output_tokens(self) -> int:
        """Of one call at the first target: as its answers, or those to its stored template, were so far."""
        known, calculator = self._view.answer_tokens(self.chain[0], self.options.template), self.calculator
        if known is None:
            return calculator.expected_output_tokens
        return min(known * most_replies(self.params), calculator.most_output_tokens)

    def expected_tokens(self, prepared: Prepared) -> int:
        """Of one call at the first target, input and output: estimates."""
        factor = self._view.factor(self.chain[0])
        if prepared.inputs is not None:
            return sum(count(text, str(self.chain[0]), factor=factor).tokens for text in prepared.inputs)
        tokens = self.calculator.input_tokens(self.chain[0], prompt_of(prepared), factor)
        return tokens + self.expected_output_tokens

    def by_target(self) -> Mapping[Target, tuple[int, NeedCalculator]]:
        """Every target that may be called, with its output cap and what a call of it takes."""
        found: dict[Target, tuple[int, NeedCalculator]] = {}
        for hop, cap, calculators in zip(self.hops, self.caps, self._calculators, strict=True):
            for target, calculator in zip(members_of(hop), calculators, strict=True):
                found.setdefault(target, (cap, calculator))
        return found

    def _barred(self, options: Options) -> dict[Target, str]:
        """Targets outside of the regions that job and tenant are pinned to."""
        pinned = options.request.get("regions", ())
        lacks = ((target, self._view.fleet.region_lack(target, options.tenant, pinned)) for target in self.chain)
        return {target: why for target, why in lacks if why is not None}

    def _caps(self, plans: Sequence[Sequence[TargetPlan]]) -> tuple[int, ...]:
        """The caller's or the alias's; else Homa's own, of which the least stands among the parameters.

        Workers of the release before know that one alone: what they send is then no more than what is reserved.
        """
        given = cap_of(self.params)
        if given or self.options.kind != CHAT:
            return (given,) * len(plans)
        self.has_own_cap = True
        caps = tuple(min(map(self._own_cap, members)) for members in plans)
        self.params["max_tokens"] = min(caps)
        return caps

    @property
    def _asked(self) -> Mapping[str, Any]:
        """What cached replies go by. Complete ones are the same whatever cap Homa chose, which may change."""
        return {**self.params, "max_tokens": PLAIN} if self.has_own_cap else self.params

    def _own_cap(self, plan: TargetPlan) -> int:
        view, target = self._view, plan.target
        return own_cap(plan, view.prices, self.params_at(target), view.answer_tokens(target, self.options.template))

    def _reckon(self, plans: Sequence[Sequence[TargetPlan]]) -> list[list[NeedCalculator]]:
        """What a call takes at each target of each hop, worked out once for all of one cap that no account adds to."""
        known: dict[tuple[int, str], NeedCalculator] = {}

        def of(cap: int, target: Target) -> NeedCalculator:
            account = self._account_params(target)
            name = (cap, target.provider if account else "")
            if name not in known:
                params = {**self.params, "max_tokens": cap} if self.has_own_cap else self.params
                params = with_defaults(params, account) if account else params
                known[name] = NeedCalculator(self._view.prices, params, self.options.api)
            return known[name]

        return [[of(cap, plan.target) for plan in members] for cap, members in zip(self.caps, plans, strict=True)]

    def params_at(self, target: Target) -> Mapping[str, Any]:
        """The parameters with those that the account of a target adds; of output caps the first hop's own."""
        account = self._account_params(target)
        return with_defaults(self.params, account) if account else self.params

    def _account_params(self, target: Target) -> Mapping[str, Any]:
        """What the account of a target adds to each chat call, as the fleet knows it."""
        return self._view.fleet.provider(target).params if self.options.kind == CHAT else {}

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
        metadata: str | None = None,
    ) -> Entry:
        """The job of one request.

        Args:
            key: idempotency key and digest, `key digest`.
            due_ms: from now; None takes the options' delay.
            skipped: targets that cannot do it, with the reason.
            shared: what its prompt has in common with others'.
            metadata: as JSON; None takes the options'.
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
            self.options.metadata if metadata is None else metadata,
        )

    def beginnings(self, before: bytes) -> tuple[Beginning, ...]:
        """What encoded requests of a batch may begin with, the longer first; none while workers live that know none.

        Args:
            before: the encoded messages in front of the content of a line's own.
        """
        if self._view.versions.request < BEGINNING_VERSION:
            return ()
        if before not in self._beginnings:
            self._beginnings[before] = (Beginning(self._head + before, in_message=True), Beginning(self._head))
        return self._beginnings[before]

    def check_bounded(self, prepared: Prepared, *, in_batch: bool = False) -> None:
        """Refuses a request under a budget where nobody can say what one of its calls costs at most.

        Args:
            in_batch: whether its batch has a budget.

        Raises:
            InvalidRequest: a budget applies; what has no bound is named, with what to do instead.
        """
        why = self._reservations.why_unbounded(prepared)
        if why:
            budget = budget_over(self._view.fleet, self.common.tenant, self.common.tags)
            check_bounded(why, fleet_budget=budget, own=in_batch or self.options.job_budget is not None)

    def no_price(self, target: str) -> tuple[str, str]:
        """What of a target has no price for these requests, in words, and the setting that gives it one."""
        found = Target.parse(target) if ":" in target else None
        terms = None if found is None else self._view.prices.lacks_tier(found, self.params_at(found))
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


def _defaults_of(alias: ModelAlias | None, api: str) -> Mapping[str, Any]:
    if alias is None:
        return {}
    return chat_shaped(alias.defaults) if api == RESPONSES_API else alias.defaults
