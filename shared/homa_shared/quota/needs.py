"""What a call will take: the upper bound of its cost for budgets, the tokens to reserve from quotas.

Clients reckon it at submit for each target of a chain; workers again for each further call of an answer that takes
several, whose prompt has grown meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homa_shared.calls.media import places
from homa_shared.calls.openai_apis import built_in_tools, recalls
from homa_shared.calls.reply import CHAT_API, RESPONSES_API
from homa_shared.calls.request import Option, to_json
from homa_shared.calls.tokens import count, estimate_messages
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.quota.plan import TargetPlan, reservation

#: Tokens of output that are reserved from a quota counted by what is really written; settling corrects it.
EXPECTED_OUTPUT_TOKENS = 512
#: Most tokens that any provider counts for one image (gpt-4o-mini in high detail; others stay below 5 000).
MAX_TOKENS_PER_IMAGE = 40_000
#: Largest context window of any model, tokens: what a document may come to where the model's own is not known.
MAX_WINDOW_TOKENS = 2_000_000
#: Parameters that a provider reads like a part of the prompt.
READ = ("tools", "functions", "response_format", "instructions", "text")
_NO_TOKENS = (0, 0, 0)


class Unseen:
    """What a call may cost beside what its messages show, where the provider keeps conversations or runs tools.

    Args:
        params: in OpenAI's names.
        api: which of OpenAI's is asked for; only the Responses API does either.
    """

    def __init__(self, prices: PriceBook, params: Mapping[str, Any], api: str) -> None:
        self._prices = prices
        self._recalls = api == RESPONSES_API and recalls(params)
        #: Whether there are fees that no count of tokens tells: nobody can say what the call costs at most.
        self.has_fees = api == RESPONSES_API and bool(built_in_tools(params))

    def tokens(self, target: Target) -> int:
        """Most input tokens of a conversation that the provider adds: the window, since no more fits into it."""
        return (self._prices.context_window(target) or MAX_WINDOW_TOKENS) if self._recalls else 0


class Asking:
    """All that the calls of one set of parameters share, worked out once.

    Args:
        params: in OpenAI's names, output cap included.
        max_tokens: the output cap.
        api: which of OpenAI's they ask for.
    """

    def __init__(self, prices: PriceBook, params: Mapping[str, Any], max_tokens: int, api: str = CHAT_API) -> None:
        self._prices = prices
        self.unseen = Unseen(prices, params, api)
        self._beside = read_beside(params)
        self._beside_bytes = sum(len(to_json(params[name], name)) for name in READ if name in params)
        self._choices = int(params.get("n") or 1)
        self._output = max_tokens * self._choices

    def need(self, plan: TargetPlan, messages: Sequence[Mapping[str, Any]], json_bytes: int) -> Option:
        """What one call to a target takes.

        Args:
            json_bytes: of the messages as JSON.
        """
        media_tokens = most_media_tokens(self._prices, plan.target, messages) + self.unseen.tokens(plan.target)
        # Media are counted by themselves, be they there by reference or by data.
        text_bytes = json_bytes - sum(len(value) for _, value, _ in places(messages)) + self._beside_bytes
        bound = self._prices.bound(plan.target, text_bytes, self._output, media_tokens)
        bound = None if self.unseen.has_fees else bound
        return Option(str(plan.target), bound, self._tokens(plan, messages))

    def _tokens(self, plan: TargetPlan, messages: Sequence[Mapping[str, Any]]) -> tuple[int, int, int]:
        if not counts_tokens(plan):
            return _NO_TOKENS
        given = estimate_messages(messages, plan.target.model, tools=self._beside)
        wanted = min(self._output, EXPECTED_OUTPUT_TOKENS * self._choices)
        reserved = reservation(plan, given, wanted, self._output)
        return reserved.total_tokens, reserved.input_tokens, reserved.output_tokens


def most_media_tokens(prices: PriceBook, target: Target, messages: Sequence[Mapping[str, Any]]) -> int:
    """Most input tokens that a target can count for media: documents may fill its whole window.

    Args:
        messages: as they are stored, with references in the place of media.
    """
    kinds = [kind for kind, _, _ in places(messages)]
    if any(kind != "image_url" for kind in kinds):
        return prices.context_window(target) or MAX_WINDOW_TOKENS
    return len(kinds) * MAX_TOKENS_PER_IMAGE


def read_beside(params: Mapping[str, Any]) -> list[Any]:
    """What a provider reads beside the messages as though it were a part of the prompt: tools, the answer's schema."""
    found = [params[name] for name in READ if params.get(name)]
    return [read for value in found for read in (value if isinstance(value, list | tuple) else [value])]


def need_of_texts(prices: PriceBook, plan: TargetPlan, texts: Sequence[str], factor: float = 1.0) -> Option:
    """What one call takes that embeds some texts.

    Args:
        factor: what an estimate of their tokens is scaled by.
    """
    bound = prices.bound(plan.target, sum(len(text.encode()) for text in texts), 0)
    if not counts_tokens(plan):
        return Option(str(plan.target), bound)
    given = count("\n".join(texts), plan.target.model, factor=factor).tokens
    reserved = reservation(plan, given, 0, 0)
    return Option(str(plan.target), bound, (reserved.total_tokens, reserved.input_tokens, reserved.output_tokens))


def counts_tokens(plan: TargetPlan) -> bool:
    """Whether a limit of the target asks for tokens at all."""
    limits = plan.limits
    if plan.reserve is ReservePolicy.INPUT_ONLY:
        return limits.tpm is not None or limits.input_tpm is not None
    return limits.tpm is not None or limits.input_tpm is not None or limits.output_tpm is not None
