"""What the failures of OpenAI, and of servers that speak its protocol, mean.

Source: https://platform.openai.com/docs/guides/error-codes, Azure OpenAI's content filter codes, and replies recorded
from compatible servers (which mostly send statuses and texts of their own).
"""

from __future__ import annotations

from homa_shared.calls.failures import ErrorKind
from homa_workers.providers.error_rules import PARAMETER_OUT_OF_RANGE, STATUS_RULES, ErrorRule, by_code, by_message

#: Says that this model, or this server, lacks what the request uses. Not every server gives a code for that, and
#: OpenAI itself gives none in several cases.
_UNSUPPORTED = (
    r"\b(?:is|are) not (?:currently )?supported (?:with|for|in|by|on) (?:this model|the '|/v1/|gpt-|o\d|reasoning)"
    r"|\bare not currently supported|does not support .{1,80} with this model|this model does not support"
    r"|does not support (?:tools|thinking)\b|this model is (?:only )?(?:compatible|supported)"
    r"|logprobs are not supported|Function tools with reasoning_effort|invalid reasoning value"
    r"|Unrecognized request argument|Extra inputs are not permitted|is not a valid field"
    r"|supports at most \d+ completion tokens|requested service tier is not allowed"
)

#: Azure's older endpoints want a version with each call; every call of the account lacks it.
_VERSION = (
    "base_url names an endpoint that wants an api-version; expected https://<resource>.openai.azure.com/openai/v1"
)

OPENAI_RULES: tuple[ErrorRule, ...] = (
    by_message(ErrorKind.UNAUTHORIZED, r"\bapi[- ]version\b", 400, 404, advice=_VERSION),
    by_code(ErrorKind.CONTEXT_TOO_LONG, "context_length_exceeded", "string_above_max_length"),
    by_code(
        ErrorKind.CONTENT_POLICY,
        "content_filter",
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "moderation_blocked",
        "invalid_prompt",  # a prompt that its policy forbids, in spite of the name
        "bio_policy",
        "misalignment_policy_violation",
        "image_content_policy_violation",
    ),
    by_code(
        ErrorKind.INVALID_REQUEST,
        "data_residency_mismatch",
        "empty_image_file",
        "failed_to_download_image",
        "image_file_not_found",
        "image_file_too_large",
        "image_parse_error",
        "image_too_large",
        "image_too_small",
        "invalid_base64_image",
        "invalid_image",
        "invalid_image_format",
        "invalid_image_mode",
        "invalid_image_url",
        "unsupported_image_media_type",
    ),
    by_code(
        ErrorKind.QUOTA_EXHAUSTED,
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
        "quota_exceeded",
    ),
    by_code(ErrorKind.UNAUTHORIZED, "invalid_api_key", "account_deactivated", "invalid_organization"),
    by_code(ErrorKind.MODEL_NOT_FOUND, "model_not_found", "deploymentnotfound"),
    by_code(
        ErrorKind.OVERLOADED,
        "engine_overloaded",
        "overloaded",
        "noncapacity",
        "server_is_overloaded",
        "service_unavailable_error",
    ),
    # Limits per day are told from those per minute by their text only; a request above the limit itself never fits.
    by_message(ErrorKind.QUOTA_EXHAUSTED, r"\((?:RPD|TPD)\)|(?:requests|tokens) per day", 429),
    by_message(ErrorKind.CONTEXT_TOO_LONG, r"request too large for", 429),
    by_message(
        ErrorKind.CONTEXT_TOO_LONG,
        r"maximum context length|context (?:length|window) (?:is )?exceed|exceeds? the (?:available )?context|"
        r"prompt is too long|too many tokens",
        400,
        413,
        422,
        500,
    ),
    by_message(ErrorKind.CONTENT_POLICY, r"content management policy|content filter", 400),
    by_code(ErrorKind.UNSUPPORTED_BY_MODEL, "unsupported_parameter", "unsupported_value", "unknown_parameter"),
    # A number beyond what this provider takes.
    by_code(
        ErrorKind.UNSUPPORTED_BY_MODEL,
        "integer_below_min_value",
        "integer_above_max_value",
        "decimal_below_min_value",
        "decimal_above_max_value",
    ),
    by_message(ErrorKind.UNSUPPORTED_BY_MODEL, _UNSUPPORTED, 400, 422),
    by_message(ErrorKind.UNSUPPORTED_BY_MODEL, PARAMETER_OUT_OF_RANGE, 400, 422),
    # The model exists, and is served by the other API.
    by_message(ErrorKind.UNSUPPORTED_BY_MODEL, r"not a chat model|only supported in v1/responses", 404),
    # "slow_down": the account's rate rose too steeply; the model itself is well.
    by_code(ErrorKind.RATE_LIMITED, "rate_limit_exceeded", "too_many_requests", "slow_down"),
    *STATUS_RULES,
)
