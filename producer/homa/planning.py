"""From options to what the store is sent: chain of targets, bounds, tokens to reserve, the request around its messages.

A `Template` is all that the requests of one set of options share, worked out once: a batch of a million lines costs
little more per line than the encoding of its prompt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from homa.fitting import Fit
from homa.options import Options
from homa_shared.capabilities import Capabilities
from homa_shared.embedding import first_part
from homa_shared.errors import InvalidRequest
from homa_shared.media import Medium, extract
from homa_shared.money import NANO_PER_USD, usd
from homa_shared.needs import (
    EXPECTED_OUTPUT_TOKENS,
    READ,
    Unseen,
    counts_tokens,
    most_media_tokens,
    need_of_texts,
    read_beside,
)
from homa_shared.plans import rows_of
from homa_shared.pools import Hop, Pool, members_of, queue_of, without
from homa_shared.prices import PriceBook
from homa_shared.prompt_caching import caching_at
from homa_shared.prompt_prefix import SharedPrefix
from homa_shared.reply import CHAT_API
from homa_shared.request import CHAT, EMBEDDING, NO_TOOLS, Option, request_head, request_tail, sharing, to_json
from homa_shared.store.submitting import Common, Entry
from homa_shared.targets import Target, TargetPlan, exempts_cached, plan, reservation
from homa_shared.tokens import FILE_BYTES_PER_TOKEN, estimate_messages
from homa_shared.versions import Versions, own_versions

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet

#: Output cap sent with a request that names none, unless the alias's defaults do: a bound needs one.
DEFAULT_MAX_TOKENS = 4096
#: Dearest single call that is taken: a slip in `n` or `max_tokens` is refused rather than reserved for, nano-dollars.
MOST_NANO_USD = 100_000 * NANO_PER_USD
#: Part of each cache key: replies of another way to ask are not this one's.
_CACHE_VERSION = 1


_NO_MEDIA: Mapping[str, Medium] = MappingProxyType({})
_NO_NAMES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Prepared:
    """The messages of one request, encoded."""

    json: bytes
    #: With references in the place of media.
    messages: Sequence[Mapping[str, Any]]
    #: Digest -> medium that they refer to.
    media: Mapping[str, Medium] = field(default_factory=lambda: _NO_MEDIA, repr=False)
    #: Whether they consist of text alone.
    plain: bool = True
    #: What stands in the stored request instead of `json`, where that lives elsewhere.
    stored: bytes | None = None
    #: The texts to embed, where embeddings are asked for; `messages` is then empty.
    inputs: Sequence[str] | None = None
    #: Place of a medium -> what the application calls it, for messages to people.
    names: Mapping[str, str] = field(default_factory=lambda: _NO_NAMES, repr=False)

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]], names: Mapping[str, str] = _NO_NAMES) -> Prepared:
        """Messages as they are stored, their media taken out.

        Args:
            names: place of a medium -> what the application calls it.

        Raises:
            InvalidRequest: they are no JSON, or show a medium that cannot be taken.
        """
        if all(isinstance(message.get("content"), str) for message in messages):
            return cls(to_json(messages, "messages"), messages)
        extracted = extract(messages)
        return cls(
            to_json(extracted.messages, "messages"), extracted.messages, extracted.media, plain=False, names=names
        )


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
        #: What is written so that every live worker can read it.
        self.versions: Versions = own_versions()

    def plan(self, target: Target) -> TargetPlan:
        return plan(self.fleet, target)

    def factor(self, target: Target) -> float:
        """What estimates of a target's input tokens are scaled by."""
        return self.factors.get(str(target), 1.0)

    def unwritten(self, targets: Sequence[str]) -> list[str]:
        return [target for target in targets if target not in self.written]

    def plan_rows(self, targets: Sequence[str]) -> list[dict[str, Any]]:
        """What the store has to know of targets and pools, by their names in a chain."""
        return [row for target in targets for row in rows_of(self.fleet, self.fleet.hop(target))]

    def members(self, target: str) -> tuple[Target, ...]:
        """The targets that may be called where a chain says so: several for a pool."""
        return members_of(self.fleet.hop(target))

    def caches(self, chain: Sequence[Target]) -> bool:
        """Whether the prompt cache of a target is to be told what prompts share."""
        return any(caching_at(self.fleet, target) for target in chain)

    def template(self, options: Options, batch: str | None = None) -> Template:
        """The template of a set of options.

        Raises:
            UnknownModel: the model or a fallback is neither a target of the fleet nor an alias.
            InvalidRequest: a parameter is no JSON.
        """
        return Template(self, options, batch)


class Template:
    """What the requests of one set of options share."""

    def __init__(self, view: FleetView, options: Options, batch: str | None, hops: Sequence[Hop] | None = None) -> None:
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
        self._prices = view.prices
        self._unseen = Unseen(view.prices, self.params, options.api)
        self._plans = [[view.plan(target) for target in members_of(hop)] for hop in self.hops]
        #: Names of the hops, as record and request have them.
        self.targets = [str(hop) for hop in self.hops]
        self._head = request_head(
            self.params,
            self.targets,
            stream=options.stream,
            kind=options.kind,
            steps=options.steps,
            version=view.versions.request,
            api=options.api,
            cache=options.kind == EMBEDDING and self._cached,
        )
        #: Whether one of the targets keeps what prompts share.
        self.caches = options.kind == CHAT and options.prompt_cache is not False and view.caches(self.chain)
        self._params_json = orjson.dumps(self.params, option=orjson.OPT_SORT_KEYS)
        # What the provider reads beside the messages: tools and schema.
        self._beside_bytes = sum(len(to_json(self.params[p], p)) for p in READ if p in self.params)
        self._beside = read_beside(self.params)
        self._choices = int(self.params.get("n") or 1)
        self._counts_tokens = any(counts_tokens(target_plan) for plans in self._plans for target_plan in plans)
        # Without tokens to count, and media, a request reserves what its length says.
        self._by_size: dict[int, tuple[Option, bytes]] = {}
        self.common = Common(
            queue=queue_of(self.hops[0]),
            lane=options.lane,
            target=self.targets[0],
            tenant=options.tenant,
            max_attempts=options.max_attempts,
            batch=batch,
            tags=options.tags,
            on_ambiguous=options.on_ambiguous,
            on_content_policy=options.on_content_policy,
            slack_ms=options.slack_ms,
            fallbacks=len(self.targets) - 1,
            job_budget=options.job_budget,
            version=view.versions.record,
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
        return replace(self.common, cache_key=self._cache_key(prepared))

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
        first, tail = self._reserved(prepared, skipped)
        request = b"%b%b%b" % (self._head, prepared.stored or prepared.json, tail)
        return Entry(
            job_id,
            request if shared is None else sharing(request, shared.encode()),
            custom_id,
            key,
            first.bound,
            first.tokens,
            "" if shared is None else self.prefix(shared, prepared.messages),
            self.options.deadline_ms,
            self.options.delay_ms if due_ms is None else due_ms,
        )

    def prefix(self, shared: SharedPrefix, messages: Sequence[Mapping[str, Any]]) -> str:
        """Tokens and digest of what a prompt shares, `tokens:digest`; empty where every target counts all tokens."""
        exempt = (p for plans in self._plans for p in plans if counts_tokens(p) and exempts_cached(p))
        counted = next((p.target for p in exempt if caching_at(self._view.fleet, p.target)), None)
        if counted is None:
            return ""
        tokens = shared.tokens(messages, self.params, counted.model) * self._view.factor(counted)
        return f"{int(tokens)}:{shared.digest(messages, self.params)}"

    def shared(self, prepared: Prepared) -> SharedPrefix | None:
        """What a single prompt has in common with others, as its caller says; None where nobody keeps it."""
        wanted = self.options.prompt_cache
        if not wanted or not self.caches:
            return None
        text = prepared.messages[-1].get("content")
        begins = isinstance(wanted, str) and isinstance(text, str) and text.startswith(wanted)
        shared = SharedPrefix(len(prepared.messages) - 1, len(str(wanted)) if begins else 0)
        return shared if shared.messages or shared.characters else None

    def _reserved(self, prepared: Prepared, skipped: Sequence[tuple[str, str]]) -> tuple[Option, bytes]:
        """What the first target reserves, and the encoded reservations of all."""
        if prepared.inputs is not None:
            options = [
                _largest(name, [self._option_of_texts(target_plan, prepared.inputs) for target_plan in plans])
                for name, plans in zip(self.targets, self._plans, strict=True)
            ]
            return options[0], request_tail(options, skipped)
        if self._counts_tokens or skipped or not prepared.plain:
            options = self._options_for(prepared)
            return options[0], request_tail(options, skipped)
        size = len(prepared.json)
        known = self._by_size.get(size)
        if known is None:
            if len(self._by_size) >= _MOST_SIZES:
                self._by_size.clear()
            options = self._options_for(prepared)
            known = self._by_size[size] = (options[0], request_tail(options))
        return known

    def _options_for(self, prepared: Prepared) -> list[Option]:
        prompt_bytes = len(prepared.json) + self._beside_bytes
        output = self.max_tokens * self._choices
        return [
            _largest(
                name, [self._option_for(target_plan, prepared, prompt_bytes, output) for target_plan in target_plans]
            )
            for name, target_plans in zip(self.targets, self._plans, strict=True)
        ]

    def _option_for(self, target_plan: TargetPlan, prepared: Prepared, prompt_bytes: int, output: int) -> Option:
        target = target_plan.target
        media = 0 if prepared.plain else most_media_tokens(self._prices, target, prepared.messages)
        bound = self._prices.bound(target, prompt_bytes, output, media + self._unseen.tokens(target))
        if bound is not None and bound > MOST_NANO_USD:
            raise InvalidRequest(
                f"one call of {target} may cost {usd(bound)}, for {output} output tokens: expected at most "
                f"{usd(MOST_NANO_USD)}; lower max_tokens or n"
            )
        return Option(
            str(target),
            None if self._unseen.has_fees else bound,
            self._tokens(target_plan, prepared) if counts_tokens(target_plan) else _NO_TOKENS,
        )

    def _option_of_texts(self, target_plan: TargetPlan, texts: Sequence[str]) -> Option:
        """What the first call takes that embeds as many texts as it may."""
        part = texts[: first_part(texts, target_plan)]
        return need_of_texts(self._prices, target_plan, part, self._view.factor(target_plan.target))

    def _tokens(self, target_plan: TargetPlan, prepared: Prepared) -> tuple[int, int, int]:
        given = estimate_messages(
            prepared.messages,
            target_plan.target.model,
            tools=self._beside,
            factor=self._view.factor(target_plan.target),
        )
        # Of documents only references are left in the messages.
        given += sum(len(found.data) for found in prepared.media.values() if not found.is_image) // FILE_BYTES_PER_TOKEN
        wanted = min(self.max_tokens, EXPECTED_OUTPUT_TOKENS) * self._choices
        r = reservation(target_plan, given, wanted, self.max_tokens * self._choices)
        return r.total_tokens, r.input_tokens, r.output_tokens

    def _cache_key(self, prepared: Prepared) -> str:
        asked = b"%d\n%b\n%b\n%b\n" % (
            _CACHE_VERSION,
            self.options.tenant.encode(),
            orjson.dumps([hop.described if isinstance(hop, Pool) else str(hop) for hop in self.hops]),
            self._params_json,
        )
        if self.options.steps != NO_TOOLS:
            asked += self.options.steps.encode()
        if self.options.api != CHAT_API:
            asked += self.options.api.encode()
        if prepared.inputs is not None:
            return hashlib.sha256(asked + prepared.json).hexdigest()
        messages = orjson.dumps(prepared.messages, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(asked + messages).hexdigest()


def _largest(name: str, options: Sequence[Option]) -> Option:
    """What a hop reserves: enough for whoever of its members calls; unpriced, where one of them is."""
    if len(options) == 1:
        return options[0]
    bounds = [option.bound for option in options if option.bound is not None]
    total, given, wanted = (max(counts) for counts in zip(*(option.tokens for option in options), strict=True))
    return Option(name, max(bounds) if len(bounds) == len(options) else None, (total, given, wanted))


def digest(options: Options, prepared: Prepared) -> str:
    """What tells one request from another under the same idempotency key: 32 hex digits.

    It is made of what the application said, not of what settings made of it, which may change between two tries.
    """
    said = {
        "model": options.model,
        "fallbacks": options.fallbacks,
        "params": options.params,
        "messages": prepared.messages,
    }
    if prepared.inputs is not None:
        said["inputs"] = prepared.inputs
    if options.steps != NO_TOOLS:
        said["steps"] = options.steps.encode().decode()
    if options.api != CHAT_API:
        said["api"] = options.api
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


_NO_TOKENS = (0, 0, 0)
#: Lengths whose reservations a template remembers.
_MOST_SIZES = 10_000
