"""What a call takes: the tokens to reserve from quotas, and the upper bound of its cost for budgets.

Clients calculate it at submit, for each target of a job's chain. Workers calculate it again for each further call of a
job that takes several, whose prompt has grown meanwhile. Both use `NeedCalculator`, so that the same conversation
reserves the same.

The bound is the price of all tokens that the call's parts can have (`call_parts`). The reservation is an estimate of
the same parts' tokens, scaled by the factor learned for the target, and the output that is expected, as the target's
policy weighs them; settling corrects it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from homa_shared.calls.openai_apis import asks_for_fees, recalls
from homa_shared.calls.reply import CHAT_API, RESPONSES_API
from homa_shared.calls.request import Option
from homa_shared.calls.tokens import count, estimate_messages
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.model.targets import Target
from homa_shared.model.tokens import Tokens
from homa_shared.pricing.price_book import PriceBook
from homa_shared.quota.call_parts import (
    MAX_WINDOW_TOKENS,
    Part,
    call_parts,
    parameter_parts,
    read_parameters,
    text_parts,
)
from homa_shared.quota.embedding_parts import first_part
from homa_shared.quota.plan import TargetPlan, reservation
from homa_shared.quota.prompt import Prompt

#: Output cap of a request that names none: a bound needs one.
DEFAULT_MAX_TOKENS = 4096
#: Tokens of output that are reserved from a quota counted by what is really written; settling corrects it.
EXPECTED_OUTPUT_TOKENS = 512
#: Most bounds that are kept by the size of their prompts.
_MOST_SIZES = 10_000


class NeedCalculator:
    """What the calls of one set of parameters take.

    Args:
        prices: what tokens cost, and how large context windows are.
        params: in OpenAI's names, as they are sent: output cap, `n`, tools and schema count.
        api: which of OpenAI's they ask for.

    Raises:
        InvalidRequest: a parameter that the provider reads is not valid JSON.
    """

    def __init__(self, prices: PriceBook, params: Mapping[str, Any], api: str = CHAT_API) -> None:
        self._prices = prices
        self._parameters, self._read = parameter_parts(params), read_parameters(params)
        replies = int(params.get("n") or 1)
        cap = int(params.get("max_completion_tokens") or params.get("max_tokens") or DEFAULT_MAX_TOKENS)
        #: Output tokens of one call, over all its replies: at most, and as expected.
        self.most_output_tokens = cap * replies
        self.expected_output_tokens = min(cap, EXPECTED_OUTPUT_TOKENS) * replies
        #: What decides by which prices a call may be served.
        self._priced_by = params
        self._adds_conversation = api == RESPONSES_API and recalls(params)
        #: Whether the provider charges fees that no count of tokens tells, for tools that it runs itself.
        self.has_fees = asks_for_fees(params, api)
        #: Target and size of a prompt without media -> its bound: the prompts of a batch often have the same sizes.
        self._bounds: dict[tuple[str, int], int | None] = {}

    def chat(self, plan: TargetPlan, prompt: Prompt, factor: float = 1.0) -> Option:
        """What one completion takes at a target.

        Args:
            factor: what estimates of the target's input tokens are scaled by, as learned from replies.
        """
        bound = self.bound(plan.target, prompt)
        if not counts_tokens(plan):
            return Option(str(plan.target), bound)
        input_tokens = self.input_tokens(plan.target, prompt, factor)
        reserved = reservation(plan, input_tokens, self.expected_output_tokens, self.most_output_tokens)
        return Option(str(plan.target), bound, reserved.tokens)

    def embedding(
        self, plan: TargetPlan, texts: Sequence[str], factor: float = 1.0, *, start: int = 0
    ) -> tuple[int, Option]:
        """Where the call ends that embeds texts from `start` on, and what it takes.

        Args:
            factor: as for `chat`.
        """
        end = first_part(texts, plan, start)
        part = texts[start:end]
        bound = self._bound(plan.target, text_parts(part), 0)
        if not counts_tokens(plan):
            return end, Option(str(plan.target), bound)
        tokens = count("\n".join(part), plan.target.model, factor=factor).tokens
        return end, Option(str(plan.target), bound, reservation(plan, tokens, 0, 0).tokens)

    def bound(self, target: Target, prompt: Prompt) -> int | None:
        """Nano-dollars that one completion cannot exceed; None where its price is not known, or fees come to it."""
        return None if self.has_fees else self.most_token_cost(target, prompt)

    def most_token_cost(self, target: Target, prompt: Prompt) -> int | None:
        """Nano-dollars that the tokens of one completion cannot exceed, fees left out; None: the target is unpriced."""
        if prompt.media:
            return self._bound(target, self.parts(target, prompt), self.most_output_tokens)
        key = (str(target), prompt.json_bytes)
        if key not in self._bounds:
            if len(self._bounds) >= _MOST_SIZES:
                self._bounds.clear()
            self._bounds[key] = self._bound(target, self.parts(target, prompt), self.most_output_tokens)
        return self._bounds[key]

    def input_tokens(self, target: Target, prompt: Prompt, factor: float = 1.0) -> int:
        """An estimate of the input tokens of one completion.

        Args:
            factor: as for `chat`.
        """
        text = estimate_messages(prompt.messages, target.model, tools=self._read, factor=factor)
        return text + sum(medium.tokens for medium in prompt.media) if prompt.media else text

    def parts(self, target: Target, prompt: Prompt) -> Iterator[Part]:
        """All that a target's provider reads for one completion."""
        window = self._prices.context_window(target) or MAX_WINDOW_TOKENS
        return call_parts(prompt, self._parameters, window, adds_conversation=self._adds_conversation)

    def _bound(self, target: Target, parts: Iterable[Part], output_tokens: int) -> int | None:
        text_bytes = other_tokens = 0
        for part in parts:
            text_bytes += part.text_bytes
            other_tokens += part.other_tokens
        return self._prices.bound(target, text_bytes, output_tokens, other_tokens, self._priced_by)


def counts_tokens(plan: TargetPlan) -> bool:
    """Whether a limit of the target asks for tokens at all."""
    limits = plan.limits
    if plan.reserve is ReservePolicy.INPUT_ONLY:
        return limits.tpm is not None or limits.input_tpm is not None
    return limits.tpm is not None or limits.input_tpm is not None or limits.output_tpm is not None


def largest(name: str, needs: Sequence[Option]) -> Option:
    """What a hop takes: enough for whichever of its members calls; unpriced where one of them is.

    Args:
        name: the hop's.
        needs: of its members, at least one.
    """
    if len(needs) == 1:
        return needs[0]
    bounds = [need.bound for need in needs if need.bound is not None]
    tokens = Tokens(*map(max, zip(*(need.tokens for need in needs), strict=True)))
    return Option(name, max(bounds) if len(bounds) == len(needs) else None, tokens)
