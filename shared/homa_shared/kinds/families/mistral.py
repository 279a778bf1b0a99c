"""Models at Mistral's own API."""

from __future__ import annotations

from homa_shared.kinds.parameter_rules import Family, limited

#: docs.mistral.ai/api, ChatCompletionRequest
RANGES = (
    limited("temperature", 0, 1.5),
    limited("top_p", 0, 1),
    limited("frequency_penalty", -2, 2),
    limited("presence_penalty", -2, 2),
)
CHAT = (Family(r"", RANGES, source="docs.mistral.ai/api"),)
