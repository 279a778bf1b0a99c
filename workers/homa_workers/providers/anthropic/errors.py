"""What Anthropic's failures mean.

Source: https://docs.anthropic.com/en/api/errors, and the SDK's table of error codes (`anthropic._exceptions`). Codes
stand without a status, since an error in the middle of a stream arrives under status 200.
"""

from __future__ import annotations

import re

from homa_shared.calls.failures import ErrorKind
from homa_workers.providers.error_rules import PARAMETER_OUT_OF_RANGE, STATUS_RULES, ErrorRule, by_code, by_message

#: Says that this Claude model lacks what the request uses; there is no code for that.
UNSUPPORTED_BY_CLAUDE = (
    r"\b(?:is|are) not supported (?:for|on|by) this model"
    r"|does not support (?:the effort|assistant message prefill|tool types)"
    r"|is deprecated for this model|Extra inputs are not permitted|cannot both be specified"
    r"|may only be set to 1 when thinking|Thinking may not be enabled when"
    r"|send \"thinking\": \{\"type\": \"between_tools\"\}|bound to a different conversation"
)

#: Every call of the account names the version, so that none of them can succeed.
_VERSION = (
    "calls of this account name a version of the API that it refuses; name another one: "
    '[providers.<name>.options] headers = { "anthropic-version" = "…" }'
)

#: Says that a conversation was changed before a block of thinking; without such blocks the same request is taken.
#: platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting
BOUND_ELSEWHERE = re.compile(r"block is bound to a different conversation", re.IGNORECASE)
#: How a request then differs, for people.
WITHOUT_THINKING = "without the thinking of earlier answers"

ANTHROPIC_RULES: tuple[ErrorRule, ...] = (
    by_message(ErrorKind.UNAUTHORIZED, r"anthropic-version|\bAPI version\b", 400, advice=_VERSION),
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
    by_message(ErrorKind.QUOTA_EXHAUSTED, r"credit balance|usage limits?\b.{0,200}regain access", 400),
    # A workspace's limit of spend comes as a rate limit without a code, and without a time to wait.
    by_message(ErrorKind.QUOTA_EXHAUSTED, r"\bspend(?:ing)?\b.{0,40}\blimit|\blimit\b.{0,40}\bspend", 429),
    by_message(ErrorKind.CONTEXT_TOO_LONG, r"prompt is too long|exceeds? (?:the )?context (?:limit|window)", 400),
    by_message(ErrorKind.CONTENT_POLICY, r"content filtering policy|usage policy", 400),
    by_message(ErrorKind.UNSUPPORTED_BY_MODEL, UNSUPPORTED_BY_CLAUDE, 400, 422),
    by_message(ErrorKind.UNSUPPORTED_BY_MODEL, PARAMETER_OUT_OF_RANGE, 400, 422),
    by_code(ErrorKind.RATE_LIMITED, "rate_limit_error", "ramp_limit_exceeded"),
    by_code(ErrorKind.OVERLOADED, "overloaded_error"),
    by_code(ErrorKind.MODEL_NOT_FOUND, "not_found_error"),
    by_code(ErrorKind.CONTEXT_TOO_LONG, "request_too_large"),
    by_code(ErrorKind.CONFLICT, "conflict_error"),
    *STATUS_RULES,
    by_code(ErrorKind.AMBIGUOUS, "api_error", "timeout_error"),
    by_code(ErrorKind.INVALID_REQUEST, "invalid_request_error"),
)
