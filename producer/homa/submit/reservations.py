"""What a request takes from quotas and budgets at each target of its chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa_shared.calls.request import Option, request_tail, to_json
from homa_shared.calls.tokens import FILE_BYTES_PER_TOKEN, estimate_messages
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.money import NANO_PER_USD, usd
from homa_shared.model.tokens import NO_TOKENS, Tokens
from homa_shared.quota.embedding_parts import first_part
from homa_shared.quota.needs import (
    EXPECTED_OUTPUT_TOKENS,
    READ,
    Unseen,
    counts_tokens,
    most_media_tokens,
    need_of_texts,
    read_beside,
)
from homa_shared.quota.plan import TargetPlan, reservation

#: Dearest single call that is taken: a slip in `n` or `max_tokens` is refused rather than reserved for, nano-dollars.
MOST_NANO_USD = 100_000 * NANO_PER_USD
#: Lengths whose reservations are remembered.
_MOST_SIZES = 10_000


class Reservations:
    """What the requests of one set of options reserve.

    Args:
        plans: name of each hop of the chain, and the plans of the targets that it stands for.
        params: tools and schema are read beside the messages, and `n` replies are written.
        max_tokens: cap of one reply; 0 for embeddings.
        api: which of OpenAI's is asked for.
    """

    def __init__(
        self,
        view: FleetView,
        plans: Sequence[tuple[str, Sequence[TargetPlan]]],
        params: Mapping[str, Any],
        max_tokens: int,
        api: str,
    ) -> None:
        self._view, self._prices, self._plans, self._max_tokens = view, view.prices, plans, max_tokens
        self._unseen = Unseen(view.prices, params, api)
        # What the provider reads beside the messages: tools and schema.
        self._beside_bytes = sum(len(to_json(params[p], p)) for p in READ if p in params)
        self._beside = read_beside(params)
        self._choices = int(params.get("n") or 1)
        self._counts_tokens = any(counts_tokens(target_plan) for _, members in plans for target_plan in members)
        # Without tokens to count, and media, a request reserves what its length says.
        self._by_size: dict[int, tuple[Option, bytes]] = {}

    def of(self, prepared: Prepared, skipped: Sequence[tuple[str, str]]) -> tuple[Option, bytes]:
        """What the first target reserves, and the encoded reservations of all."""
        if prepared.inputs is not None:
            options = [
                _largest(name, [self._option_of_texts(target_plan, prepared.inputs) for target_plan in plans])
                for name, plans in self._plans
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
        output = self._max_tokens * self._choices
        return [
            _largest(
                name, [self._option_for(target_plan, prepared, prompt_bytes, output) for target_plan in target_plans]
            )
            for name, target_plans in self._plans
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
            self._tokens(target_plan, prepared) if counts_tokens(target_plan) else NO_TOKENS,
        )

    def _option_of_texts(self, target_plan: TargetPlan, texts: Sequence[str]) -> Option:
        """What the first call takes that embeds as many texts as it may."""
        part = texts[: first_part(texts, target_plan)]
        return need_of_texts(self._prices, target_plan, part, self._view.factor(target_plan.target))

    def _tokens(self, target_plan: TargetPlan, prepared: Prepared) -> Tokens:
        given = estimate_messages(
            prepared.messages,
            target_plan.target.model,
            tools=self._beside,
            factor=self._view.factor(target_plan.target),
        )
        # Of documents only references are left in the messages.
        given += sum(len(found.data) for found in prepared.media.values() if not found.is_image) // FILE_BYTES_PER_TOKEN
        wanted = min(self._max_tokens, EXPECTED_OUTPUT_TOKENS) * self._choices
        return reservation(target_plan, given, wanted, self._max_tokens * self._choices).tokens


def _largest(name: str, options: Sequence[Option]) -> Option:
    """What a hop reserves: enough for whoever of its members calls; unpriced, where one of them is."""
    if len(options) == 1:
        return options[0]
    bounds = [option.bound for option in options if option.bound is not None]
    tokens = Tokens(*map(max, zip(*(option.tokens for option in options), strict=True)))
    return Option(name, max(bounds) if len(bounds) == len(options) else None, tokens)
