"""What Anthropic's failures mean.

Source: https://docs.anthropic.com/en/api/errors, and the SDK's table of error codes (`anthropic._exceptions`). Codes
stand without a status, since an error in the middle of a stream arrives under status 200.
"""

from __future__ import annotations

from homa_shared.calls.failures import ErrorKind
from homa_workers.providers.error_rules import STATUS_RULES, ErrorRule, by_code, by_message

ANTHROPIC_RULES: tuple[ErrorRule, ...] = (
    by_code(
        ErrorKind.QUOTA_EXHAUSTED,
        "enforced_spend_limit_reached",
        "enforcedspendlimitreachederror",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "billing_error",
    ),
    by_code(ErrorKind.UNAUTHORIZED, "authentication_error", "permission_error", "organization_on_hold"),
    by_message(ErrorKind.QUOTA_EXHAUSTED, r"credit balance|usage limits?\b.*regain access", 400),
    by_message(ErrorKind.CONTEXT_TOO_LONG, r"prompt is too long|exceeds? (?:the )?context (?:limit|window)", 400),
    by_message(ErrorKind.CONTENT_POLICY, r"content filtering policy|usage policy", 400),
    by_code(ErrorKind.RATE_LIMITED, "rate_limit_error", "ramp_limit_exceeded"),
    by_code(ErrorKind.OVERLOADED, "overloaded_error"),
    by_code(ErrorKind.MODEL_NOT_FOUND, "not_found_error"),
    by_code(ErrorKind.CONTEXT_TOO_LONG, "request_too_large"),
    by_code(ErrorKind.CONFLICT, "conflict_error"),
    *STATUS_RULES,
    by_code(ErrorKind.AMBIGUOUS, "api_error", "timeout_error"),
    by_code(ErrorKind.INVALID_REQUEST, "invalid_request_error"),
)
