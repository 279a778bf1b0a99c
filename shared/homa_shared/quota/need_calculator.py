"""What a call takes: the tokens to reserve from quotas, and the upper bound of its cost for budgets.

Clients calculate it at submit, for each target of a job's chain. Workers calculate it again for each further call of a
job that takes several, whose prompt has grown meanwhile. Both use `NeedCalculator`, so that the same conversation
reserves the same.

The bound is the price of all tokens that the call's parts can have (`call_parts`), and there is none where something of
the call may cost more than its bytes tell (`unbounded`). The reservation is an estimate of
the same parts' tokens, scaled by the factor learned for the target, and the output that is expected, as the target's
policy weighs them; settling corrects it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from homa_shared.calls.openai_apis import recalls
from homa_shared.calls.reply import CHAT_API, RESPONSES_API
from homa_shared.calls.request import Option
from homa_shared.calls.tokens import count, estimate_messages
from homa_shared.kinds.output_caps import PLAIN
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.model.targets import Target
from homa_shared.model.tokens import Tokens
from homa_shared.pricing.price_book import PriceBook
from homa_shared.quota.call_parts import (
    MAX_WINDOW_TOKENS,
    Part,
    call_parts,
    most_replies,
    output_cap,
    parameter_parts,
    read_parameters,
    text_parts,
)
from homa_shared.quota.parameter_costs import PREDICTION, PRICED_BY_SOME
from homa_shared.quota.plan import TargetPlan, reservation
from homa_shared.quota.prompt import Prompt
from homa_shared.quota.unbounded import unbounded_model, unbounded_parameter

#: Tokens of output that are reserved from a quota counted by what is really written, until replies have told how much a
#: target writes; settling corrects it.
EXPECTED_OUTPUT_TOKENS = 512
#: Most bounds that are kept by the size of their prompts.
_MOST_SIZES = 10_000


class NeedCalculator:
    """What the calls of one set of parameters take.

    Args:
        prices: what tokens cost, and how large context windows are.
        params: in OpenAI's names, as they are sent: all that are not known to cost nothing count.
        api: which of OpenAI's they ask for.

    Raises:
        InvalidRequest: a parameter that the provider reads is not valid JSON.
    """

    def __init__(self, prices: PriceBook, params: Mapping[str, Any], api: str = CHAT_API) -> None:
        self._prices = prices
        self._parameters, self._read = parameter_parts(params), read_parameters(params)
        replies, cap = most_replies(params), output_cap(params) or PLAIN
        predicted = sum(part.text_bytes for part in self._parameters if part.what == PREDICTION)
        #: Output tokens of one call, over all its replies: as capped, as billed at most, and as expected.
        self.most_output_tokens = cap * replies
        self._billed_output_tokens = (cap + predicted) * replies
        self.expected_output_tokens = min(cap, EXPECTED_OUTPUT_TOKENS) * replies
        self._replies = replies
        #: What decides by which prices a call may be served.
        self._priced_by = params
        self._adds_conversation = api == RESPONSES_API and recalls(params)
        self._choosing = {name: params[name] for name in PRICED_BY_SOME if params.get(name) is not None}
        others = {name: params[name] for name in params if name not in self._choosing} if self._choosing else params
        #: Which parameter has no bound at any target, and what to do instead; empty: all have one, but for those that
        #: choose a price.
        self.unbounded = unbounded_parameter(others)
        #: Target and size of a prompt without media -> its bound: the prompts of a batch often have the same sizes.
        self._bounds: dict[tuple[str, int], int | None] = {}
        #: Target -> why its calls have no bound, whatever the prompt.
        self._unbounded_at: dict[Target, str] = {}

    def chat(self, plan: TargetPlan, prompt: Prompt, factor: float = 1.0, answer_tokens: int | None = None) -> Option:
        """What one completion takes at a target.

        Args:
            factor: what estimates of the target's input tokens are scaled by, as learned from replies.
            answer_tokens: what one answer of the target has, likewise; None while nobody knows.
        """
        bound = self.bound(plan.target, prompt)
        if not counts_tokens(plan):
            return Option(str(plan.target), bound)
        input_tokens = self.input_tokens(plan.target, prompt, factor)
        expected = self.expected_output_tokens if answer_tokens is None else answer_tokens * self._replies
        reserved = reservation(plan, input_tokens, expected, self.most_output_tokens)
        return Option(str(plan.target), bound, reserved.tokens)

    def embedding(self, plan: TargetPlan, texts: Sequence[str], factor: float = 1.0) -> Option:
        """What one call takes that embeds some texts (`first_part` says how many it may have).

        Args:
            factor: as for `chat`.
        """
        is_bounded = not self.why_unbounded_embedding(plan.target)
        bound = self._bound(plan.target, text_parts(texts, self._parameters), 0) if is_bounded else None
        if not counts_tokens(plan):
            return Option(str(plan.target), bound)
        tokens = count("\n".join(texts), plan.target.model, factor=factor).tokens
        return Option(str(plan.target), bound, reservation(plan, tokens, 0, 0).tokens)

    def bound(self, target: Target, prompt: Prompt) -> int | None:
        """Nano-dollars that one completion cannot exceed; None where there is no such bound (`why_unbounded`)."""
        return None if self.why_unbounded(target, prompt) else self.most_token_cost(target, prompt)

    def why_unbounded(self, target: Target, prompt: Prompt) -> str:
        """What of a completion has no bound, why, and what to do instead; empty where only a price may be missing."""
        if target not in self._unbounded_at:
            self._unbounded_at[target] = self._unpriced_choice(target) or unbounded_model(target.model)
        return self.unbounded or prompt.unbounded or self._unbounded_at[target]

    def why_unbounded_embedding(self, target: Target) -> str:
        """The same of a call that embeds texts."""
        return self.unbounded or self._unpriced_choice(target)

    def _unpriced_choice(self, target: Target) -> str:
        """Which parameter chooses a price that the target's kind does not tell, as `unbounded`."""
        if not self._choosing:
            return ""
        unknown = {n: value for n, value in self._choosing.items() if not self._prices.has_prices_for(target, n)}
        return unbounded_parameter(unknown)

    def most_token_cost(self, target: Target, prompt: Prompt) -> int | None:
        """Nano-dollars that the tokens of what is known of one completion cannot exceed; None: it is unpriced."""
        if prompt.media:
            return self._bound(target, self.parts(target, prompt), self._billed_output_tokens)
        key = (str(target), prompt.json_bytes)
        if key not in self._bounds:
            if len(self._bounds) >= _MOST_SIZES:
                self._bounds.clear()
            self._bounds[key] = self._bound(target, self.parts(target, prompt), self._billed_output_tokens)
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
