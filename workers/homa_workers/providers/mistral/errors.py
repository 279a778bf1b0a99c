"""What Mistral's failures mean.

Source: https://docs.mistral.ai/resources/error-glossary, and replies of its server, whose codes are numbers that no
page lists: `{"object": "error", "message": …, "type": "invalid_model", "param": null, "code": "1500"}`. What is wrong
with the fields of a request it says as FastAPI does, under 422.
"""

from __future__ import annotations

from homa_shared.calls.failures import ErrorKind
from homa_workers.providers.error_rules import ErrorRule, by_code, by_message
from homa_workers.providers.openai.errors import OPENAI_RULES

MISTRAL_RULES: tuple[ErrorRule, ...] = (
    # Under status 400.
    by_code(ErrorKind.MODEL_NOT_FOUND, "invalid_model", "unknown_model"),
    # "Prompt contains 40000 tokens …, too large for model with 32768 maximum context length"
    by_message(ErrorKind.CONTEXT_TOO_LONG, r"too large for model|too many tokens", 400, 422),
    # A guardrail of the request's own blocked it before the model saw it.
    by_message(ErrorKind.CONTENT_POLICY, r"guardrail|moderation", 403),
    # Not this account's limit: the model itself has no room.
    by_code(ErrorKind.OVERLOADED, "service_tier_capacity_exceeded"),
    by_message(ErrorKind.OVERLOADED, r"capacity exceeded", 429),
    by_code(ErrorKind.RATE_LIMITED, "rate_limited", "rate_limit_error"),
    *OPENAI_RULES,
)
