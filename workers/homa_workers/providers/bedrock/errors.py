"""What Bedrock's failures mean.

Source: the errors of `Converse`, `ConverseStream` and `InvokeModel` in the API reference. Codes stand without a status,
since an error inside a stream has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.calls.failures import ErrorKind
from homa_workers.providers.anthropic.errors import UNSUPPORTED_BY_CLAUDE
from homa_workers.providers.error_rules import (
    PARAMETER_OUT_OF_RANGE,
    STATUS_RULES,
    ErrorReply,
    ErrorRule,
    by_code,
    by_message,
)

BEDROCK_RULES: tuple[ErrorRule, ...] = (
    # Limits per day are told from those per minute by their text only.
    by_message(ErrorKind.QUOTA_EXHAUSTED, r"per day", 429),
    by_code(ErrorKind.QUOTA_EXHAUSTED, "servicequotaexceededexception"),
    by_code(ErrorKind.RATE_LIMITED, "throttlingexception", "throttling", "toomanyrequestsexception"),
    # The model is being loaded.
    by_code(ErrorKind.OVERLOADED, "modelnotreadyexception", "serviceunavailableexception", "serviceunavailable"),
    # The model ran, and may be billed.
    by_code(
        ErrorKind.AMBIGUOUS,
        "modeltimeoutexception",
        "modelerrorexception",
        "modelstreamerrorexception",
        "internalserverexception",
    ),
    by_code(
        ErrorKind.UNAUTHORIZED,
        "accessdeniedexception",
        "unrecognizedclientexception",
        "expiredtokenexception",
        "invalidsignatureexception",
        "missingauthenticationtokenexception",
    ),
    by_code(ErrorKind.MODEL_NOT_FOUND, "resourcenotfoundexception"),
    by_message(ErrorKind.MODEL_NOT_FOUND, r"model identifier is invalid|on-demand throughput isn.t supported", 400),
    by_message(
        ErrorKind.CONTEXT_TOO_LONG,
        r"(?:input|prompt) is too long|too many (?:input )?tokens|maximum context|exceeds? the (?:context|maximum)",
        400,
    ),
    by_message(ErrorKind.CONTENT_POLICY, r"content filter", 400),
    by_message(
        ErrorKind.UNSUPPORTED_BY_MODEL,
        # Claude's own texts come through, bare or within Bedrock's.
        rf"{UNSUPPORTED_BY_CLAUDE}|doesn.t support the .{{1,60}} field|model doesn.t support|extraneous key",
        400,
    ),
    by_message(ErrorKind.UNSUPPORTED_BY_MODEL, PARAMETER_OUT_OF_RANGE, 400, 422),
    *STATUS_RULES,
    by_code(ErrorKind.INVALID_REQUEST, "validationexception"),
)


def failure_of(response: Mapping[str, Any], text: str) -> ErrorReply:
    """Read a failure from botocore's account of an error response.

    Args:
        text: the message where the response holds none.
    """
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, status = str(error.get("Code", "")).lower(), metadata.get("HTTPStatusCode")
    return ErrorReply(
        # An error inside a stream comes under the stream's own status, which says nothing of it.
        status=None if status == 200 else status,
        message=str(error.get("Message") or text),
        codes=(code,) if code else (),
        headers=metadata.get("HTTPHeaders", {}),
    )
