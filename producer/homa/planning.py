"""From options to what the store is sent: chain of targets, bounds, tokens to reserve, the request around its messages.

A `Template` is all that the requests of one set of options share, worked out once: a batch of a million lines costs
little more per line than the encoding of its prompt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from homa.options import Options
from homa_shared.plans import plan_row
from homa_shared.prices import PriceBook
from homa_shared.request import Option, request_head, request_tail, to_json
from homa_shared.store.submitting import Common, Entry
from homa_shared.targets import ReservePolicy, Target, TargetPlan, plan, reservation
from homa_shared.tokens import estimate_messages

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet

#: Output cap sent with a request that names none, unless the alias's defaults do: a bound needs one.
DEFAULT_MAX_TOKENS = 4096
#: Tokens of output that are reserved from a quota counted by what is really written; settling corrects it.
EXPECTED_OUTPUT_TOKENS = 512
#: Most tokens that any provider counts for one image (gpt-4o-mini in high detail; others stay below 5 000).
MAX_TOKENS_PER_IMAGE = 40_000
#: Part of each cache key: replies of another way to ask are not this one's.
_CACHE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """The messages of one request, encoded."""

    json: bytes
    messages: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, messages: Sequence[Mapping[str, Any]]) -> Prepared:
        return cls(to_json(messages, "messages"), messages)


class FleetView:
    """One version of the fleet's settings, with prices and plans derived from it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.prices = PriceBook(fleet)
        #: Targets whose plans are known to stand in the store.
        self.written: set[str] = set()

    def plan(self, target: Target) -> TargetPlan:
        return plan(self.fleet, target)

    def unwritten(self, targets: Sequence[str]) -> list[str]:
        return [target for target in targets if target not in self.written]

    def plan_rows(self, targets: Sequence[str]) -> list[dict[str, Any]]:
        return [plan_row(self.plan(Target.parse(target))) for target in targets]

    def template(self, options: Options, batch: str | None = None) -> Template:
        """The template of a set of options.

        Raises:
            UnknownModel: the model or a fallback is neither a target of the fleet nor an alias.
            InvalidRequest: a parameter is no JSON.
        """
        return Template(self, options, batch)


class Template:
    """What the requests of one set of options share."""

    def __init__(self, view: FleetView, options: Options, batch: str | None) -> None:
        alias = view.fleet.alias(options.model)
        self.options = options
        self.params = {**(alias.defaults if alias else {}), **options.params}
        self._cached = options.cache if options.cache is not None else bool(alias and alias.cache)
        cap = self.params.get("max_completion_tokens") or self.params.get("max_tokens")
        if cap is None:
            cap = self.params["max_tokens"] = DEFAULT_MAX_TOKENS
        self.max_tokens = int(cap)
        chain = view.fleet.resolve(options.model, options.fallbacks)
        self._prices = view.prices
        self._plans = [view.plan(target) for target in chain]
        self.targets = [str(target) for target in chain]
        self._head = request_head(self.params, self.targets, stream=options.stream)
        self._params_json = orjson.dumps(self.params, option=orjson.OPT_SORT_KEYS)
        # What the provider reads beside the messages: tools and schema.
        self._beside_bytes = sum(len(to_json(self.params[p], p)) for p in _READ if p in self.params)
        self._choices = int(self.params.get("n") or 1)
        self.common = Common(
            queue=self._plans[0].queue,
            lane=options.lane,
            target=self.targets[0],
            tenant=options.tenant,
            max_attempts=options.max_attempts,
            batch=batch,
            tags=options.tags,
            on_ambiguous=options.on_ambiguous,
            slack_ms=options.slack_ms,
            fallbacks=len(self.targets) - 1,
            job_budget=options.job_budget,
        )

    def common_for(self, prepared: Prepared) -> Common:
        """The common fields of a job; those of a cached one bear its cache key."""
        if not self._cached:
            return self.common
        return replace(self.common, cache_key=self._cache_key(prepared))

    def entry(
        self, job_id: str, prepared: Prepared, *, custom_id: str = "", key: str = "", due_ms: int | None = None
    ) -> Entry:
        """The job of one request.

        Args:
            key: idempotency key and digest, `key digest`.
            due_ms: from now; None takes the options' delay.
        """
        options = self._options_for(prepared)
        first = options[0]
        return Entry(
            job_id,
            self._head + prepared.json + request_tail(options),
            custom_id,
            key,
            first.bound,
            first.tokens,
            self.options.deadline_ms,
            self.options.delay_ms if due_ms is None else due_ms,
        )

    def _options_for(self, prepared: Prepared) -> list[Option]:
        prompt_bytes, media_tokens = len(prepared.json) + self._beside_bytes, 0
        for size in _images(prepared.messages):
            prompt_bytes -= size
            media_tokens += MAX_TOKENS_PER_IMAGE
        output = self.max_tokens * self._choices
        return [
            Option(
                target,
                self._prices.bound(target_plan.target, prompt_bytes, output, media_tokens),
                self._tokens(target_plan, prepared) if _counts_tokens(target_plan) else _NO_TOKENS,
            )
            for target, target_plan in zip(self.targets, self._plans, strict=True)
        ]

    def _tokens(self, target_plan: TargetPlan, prepared: Prepared) -> tuple[int, int, int]:
        given = estimate_messages(prepared.messages, target_plan.target.model, tools=self.params.get("tools"))
        wanted = min(self.max_tokens, EXPECTED_OUTPUT_TOKENS) * self._choices
        r = reservation(target_plan, given, wanted, self.max_tokens * self._choices)
        return r.total_tokens, r.input_tokens, r.output_tokens

    def _cache_key(self, prepared: Prepared) -> str:
        asked = b"%d\n%b\n%b\n%b\n" % (
            _CACHE_VERSION,
            self.options.tenant.encode(),
            orjson.dumps(self.targets),
            self._params_json,
        )
        messages = orjson.dumps(prepared.messages, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(asked + messages).hexdigest()


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
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


#: Parameters that a provider reads like a part of the prompt.
_READ = ("tools", "functions", "response_format")
_NO_TOKENS = (0, 0, 0)


def _counts_tokens(target_plan: TargetPlan) -> bool:
    limits = target_plan.limits
    if target_plan.reserve is ReservePolicy.INPUT_ONLY:
        return limits.tpm is not None or limits.input_tpm is not None
    return limits.tpm is not None or limits.input_tpm is not None or limits.output_tpm is not None


def _images(messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """Bytes of the images of messages, as they stand in their JSON."""
    return [
        len(_url_of(part))
        for message in messages
        if not isinstance(content := message.get("content"), str) and content
        for part in content
        if part.get("type") == "image_url"
    ]


def _url_of(part: Mapping[str, Any]) -> str:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else image
    return url if isinstance(url, str) else ""
