"""Mistral's models at its own API."""

from __future__ import annotations

from homa_shared.kinds.families import makers
from homa_shared.kinds.parameter_rules import Family, limited

_SOURCE = "docs.mistral.ai/api: its OpenAPI document refuses what it does not name"
#: The same document, ChatCompletionRequest.
_RANGES = (
    limited("temperature", 0, 1.5),
    limited("top_p", 0, 1),
    limited("frequency_penalty", -2, 2),
    limited("presence_penalty", -2, 2),
)

#: All of them: what a model does not take is documented for none.
OTHERS = Family(
    "",
    (*makers.LEGACY, *_RANGES),
    # It has predictions of its own.
    foreign=(makers.OPENAI - {"prediction"}) | makers.ANTHROPIC | makers.GOOGLE | makers.AMAZON | makers.LOCAL,
    source=_SOURCE,
)
