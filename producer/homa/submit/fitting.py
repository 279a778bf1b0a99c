"""Which targets of a chain cannot do a request, and why: asked before anything is submitted.

Most requests are plain text far shorter than any window; for them this costs two comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from homa_shared.calls.openai_apis import only_by_responses
from homa_shared.calls.reply import CHAT_API, RESPONSES_API
from homa_shared.calls.tokens import estimate_messages
from homa_shared.capabilities import Capabilities, needs_of
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import Target

if TYPE_CHECKING:
    from homa.submit.encoded_messages import Prepared


class Fit:
    """Compares requests of one set of options with the targets of their chain.

    Args:
        runs_tools: whether workers run tools for them, whose definitions only workers may know.
        api: which of OpenAI's they ask for.
        barred: targets that may not get them, with the reason.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        chain: Sequence[Target],
        params: Mapping[str, Any],
        *,
        runs_tools: bool = False,
        api: str = CHAT_API,
        barred: Mapping[Target, str] = MappingProxyType({}),
    ) -> None:
        self._barred = barred
        self._capabilities, self._chain, self._params = capabilities, chain, params
        self._runs_tools, self._api = runs_tools, api
        by_responses = api == RESPONSES_API and only_by_responses(params)
        self._needs_more = bool(runs_tools or params.get("tools") or params.get("functions") or by_responses)
        self._misfits = self._of_the_wrong_sort(embeds=False)
        #: No prompt of so few bytes can exceed a window, since a token has at least one byte; looked up at first need.
        self._safe_bytes: float | None = None

    def lacks(self, prepared: Prepared) -> dict[Target, str]:
        """Targets that cannot do a request, with the reason.

        Raises:
            InvalidRequest: none can.
        """
        if prepared.inputs is not None:
            return self._checked(self._of_the_wrong_sort(embeds=True))
        long = len(prepared.json) > self._least_window()
        if prepared.plain and not self._needs_more and not long:
            return self._checked({**self._misfits, **self._begun(prepared)})
        needs = needs_of(
            prepared.messages,
            self._params,
            prepared.media,
            prompt_bytes=len(prepared.json),
            runs_tools=self._runs_tools,
            api=self._api,
            names=prepared.names,
        )
        lacks = {
            target: why
            for target in self._chain
            if (why := self._capabilities.lack(target, needs, self._tokens(target, prepared) if long else None))
        }
        return self._checked({**self._misfits, **self._begun(prepared), **lacks})

    def _of_the_wrong_sort(self, *, embeds: bool) -> dict[Target, str]:
        found = self._capabilities
        tier = self._params.get("service_tier")
        return {
            target: why
            for target in self._chain
            if (
                why := self._barred.get(target)
                or found.gone(target)
                or found.misfit(target, embeds=embeds)
                or found.tier_lack(target, tier, embeds=embeds)
                or (None if embeds else found.refusal(target, self._params))
            )
            is not None
        }

    def _begun(self, prepared: Prepared) -> dict[Target, str]:
        """Targets that do not go on from an answer that the messages begin."""
        if not prepared.messages or prepared.messages[-1].get("role") != "assistant":
            return {}
        found = self._capabilities
        return {t: why for t in self._chain if (why := found.prefill_lack(t, prepared.messages)) is not None}

    def _checked(self, lacks: dict[Target, str]) -> dict[Target, str]:
        if lacks and len(lacks) == len(self._chain):
            raise InvalidRequest(_nobody(lacks))
        return lacks

    def _least_window(self) -> float:
        if self._safe_bytes is None:
            windows = (self._capabilities.context_window(target) for target in self._chain)
            self._safe_bytes = min((window for window in windows if window), default=float("inf"))
        return self._safe_bytes

    def _tokens(self, target: Target, prepared: Prepared) -> int:
        return estimate_messages(prepared.messages, target.model, tools=self._params.get("tools"))


def _nobody(lacks: Mapping[Target, str]) -> str:
    if len(lacks) == 1:
        (target, why), *_ = lacks.items()
        return f"{target} cannot do this job: {why}; expected a model that can, or a fallback"
    reasons = "; ".join(f"{target}: {why}" for target, why in lacks.items())
    return f"no target can do this job ({reasons}): expected one that can among model and fallbacks"
