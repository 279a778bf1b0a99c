"""What the failures of OpenAI's Responses API mean: the rules of Chat Completions, and what 404 means here."""

from __future__ import annotations

from homa_shared.calls.failures import ErrorKind
from homa_workers.providers.error_rules import ErrorRule, by_code, by_message, by_status
from homa_workers.providers.openai.errors import OPENAI_RULES

RESPONSES_RULES: tuple[ErrorRule, ...] = (
    # Here a 404 may also name an item of an earlier response, or a server without this API. Only one that speaks of the
    # model may open the model's breaker, which would stop jobs that use Chat Completions, too.
    by_code(ErrorKind.MODEL_NOT_FOUND, "model_not_found", "deploymentnotfound"),
    by_message(ErrorKind.MODEL_NOT_FOUND, r"\b(?:model|deployment)\b", 404),
    by_status(ErrorKind.NOT_FOUND, 404),
    *OPENAI_RULES,
)
