"""What a request takes from quotas and budgets at each target of its chain."""

from __future__ import annotations

from collections.abc import Sequence

from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa_shared.calls.request import Option, request_tail
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.money import NANO_PER_USD, usd
from homa_shared.quota.embedding_parts import first_part
from homa_shared.quota.need_calculator import NeedCalculator, counts_tokens, largest
from homa_shared.quota.plan import TargetPlan
from homa_shared.quota.prompt import Prompt

#: Dearest single call that is taken: a slip in `n` or `max_tokens` is refused rather than reserved for, nano-dollars.
MOST_NANO_USD = 100_000 * NANO_PER_USD
#: Lengths whose reservations are remembered.
_MOST_SIZES = 10_000


class Reservations:
    """What the requests of one set of options reserve.

    Args:
        view: prices, and the factors that are learned by the time of a request.
        plans: name of each hop of the chain, and the plans of the targets that it stands for.
        calculators: of what a call with these options takes at each target of each hop.
        template: version of the stored template that prompts are made by; empty: by none.
    """

    def __init__(
        self,
        view: FleetView,
        plans: Sequence[tuple[str, Sequence[TargetPlan]]],
        calculators: Sequence[Sequence[NeedCalculator]],
        template: str = "",
    ) -> None:
        self._view, self._template = view, template
        self._hops = [
            (name, list(zip(members, each, strict=True)))
            for (name, members), each in zip(plans, calculators, strict=True)
        ]
        self._counts_tokens = any(counts_tokens(plan) for _, members in plans for plan in members)
        # Without tokens to count, and media, a request reserves what its length says.
        self._by_size: dict[int, tuple[Option, bytes]] = {}

    def of(self, prepared: Prepared, skipped: Sequence[tuple[str, str]]) -> tuple[Option, bytes]:
        """What the first target reserves, and the encoded reservations of all.

        Raises:
            InvalidRequest: a call may cost more than any that is taken.
        """
        if prepared.inputs is not None or self._counts_tokens or skipped or not prepared.plain:
            options = self._options(prepared)
            return options[0], request_tail(options, skipped)
        size = len(prepared.json)
        known = self._by_size.get(size)
        if known is None:
            if len(self._by_size) >= _MOST_SIZES:
                self._by_size.clear()
            options = self._options(prepared)
            known = self._by_size[size] = (options[0], request_tail(options))
        return known

    def _options(self, prepared: Prepared) -> list[Option]:
        """What each hop reserves."""
        if prepared.inputs is not None:
            return [
                largest(name, [self._of_texts(plan, prepared.inputs, calculator) for plan, calculator in members])
                for name, members in self._hops
            ]
        prompt = prompt_of(prepared)
        return [
            largest(name, [self._of_chat(plan, prompt, calculator) for plan, calculator in members])
            for name, members in self._hops
        ]

    def why_unbounded(self, prepared: Prepared) -> str:
        """What of a request has no bound at a target of its chain, and what to do instead; empty: at most its price."""
        calls = [call for _, members in self._hops for call in members]
        if prepared.inputs is not None:
            found = [calculator.why_unbounded_embedding(plan.target) for plan, calculator in calls]
        else:
            prompt = prompt_of(prepared)
            found = [calculator.why_unbounded(plan.target, prompt) for plan, calculator in calls]
        return next(filter(None, found), "")

    def _of_texts(self, plan: TargetPlan, texts: Sequence[str], calculator: NeedCalculator) -> Option:
        """What the first call takes that embeds as many texts as it may."""
        return calculator.embedding(plan, texts[: first_part(texts, plan)], self._view.factor(plan.target))

    def _of_chat(self, plan: TargetPlan, prompt: Prompt, calculator: NeedCalculator) -> Option:
        view, target = self._view, plan.target
        need = calculator.chat(plan, prompt, view.factor(target), view.answer_tokens(target, self._template))
        bound = calculator.most_token_cost(plan.target, prompt) if need.bound is None else need.bound
        if bound is not None and bound > MOST_NANO_USD:
            raise InvalidRequest(
                f"one call of {plan.target} may cost {usd(bound)}, for {calculator.most_output_tokens} output "
                f"tokens: expected at most {usd(MOST_NANO_USD)}; lower max_tokens or n"
            )
        return need


def prompt_of(prepared: Prepared) -> Prompt:
    """A request's messages as the need of its call is calculated from them."""
    if prepared.plain:
        return Prompt(prepared.messages, len(prepared.json))
    return Prompt.of_stored(prepared.messages, len(prepared.json), prepared.media)
