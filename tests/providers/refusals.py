"""What servers answer instead of a reply: a name, the status, the body, and what it means."""

from __future__ import annotations

from typing import Any

from homa_shared.calls.failures import ErrorKind
from tests.providers.shapes import CHAT, MESSAGE, anthropic_error, openai_error

K = ErrorKind


OPENAI_ROWS: list[tuple[str, int, Any, ErrorKind]] = [
    (
        "context_length_exceeded",
        400,
        openai_error("This model's maximum context length is 8192 tokens.", "context_length_exceeded"),
        K.CONTEXT_TOO_LONG,
    ),
    ("context told in words only", 400, openai_error("maximum context length is 4096 tokens"), K.CONTEXT_TOO_LONG),
    ("content_filter", 400, openai_error("The response was filtered", "content_filter"), K.CONTENT_POLICY),
    (
        "azure's inner code",
        400,
        {"error": {"message": "x", "code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        K.CONTENT_POLICY,
    ),
    ("plain 400", 400, openai_error("Invalid value: 'x'", "invalid_value"), K.INVALID_REQUEST),
    ("a wrong schema", 400, openai_error("Invalid schema for response_format 'x'"), K.INVALID_REQUEST),
    *(
        (text[:40], status, body, K.UNSUPPORTED_BY_MODEL)
        for text, status, body in (
            ("above the range", 400, openai_error("Invalid 'n': integer above maximum", "integer_above_max_value")),
            ("too many stops", 400, openai_error("Invalid 'stop': array too long", "array_above_max_length")),
            ("vllm", 400, openai_error("temperature must be non-negative, got -1.0.", "400", "BadRequestError")),
            ("vllm's top_p", 400, openai_error("top_p must be in (0, 1], got 1.5.")),
            ("tgi", 422, {"error": "Input validation error: `temperature` must be strictly positive"}),
            ("fastapi", 422, {"detail": [{"loc": ["body", "temperature"], "msg": "Input should be less than 1.5"}]}),
            ("quoted", 400, openai_error("'stop' must be at most 4 sequences")),
        )
    ),
    ("a word in the text", 400, openai_error("messages.0.content: the seed of a stop"), K.INVALID_REQUEST),
    ("a wrong function", 400, openai_error("Invalid schema", "invalid_function_parameters"), K.INVALID_REQUEST),
    *(
        (text[:40], status, openai_error(text, code), K.UNSUPPORTED_BY_MODEL)
        for status, code, text in (
            (400, "unsupported_parameter", "Unsupported parameter: 'max_tokens' is not supported with this model."),
            (400, "unsupported_value", "Unsupported value: 'temperature' does not support 0.2 with this model."),
            (400, "unknown_parameter", "Unknown parameter: 'stop'. Did you mean 'store'?"),
            (400, None, "Unsupported parameter: 'temperature' is not supported with this model."),
            (
                400,
                None,
                "Function tools with reasoning_effort are not supported for gpt-6-sol in /v1/chat.",
            ),
            (400, None, "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
            (400, None, "Unrecognized request argument supplied: reasoning_effort"),
            (400, None, "This model is compatible only with 24h extended prompt caching"),
            (400, None, "max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas"),
            (400, None, "Invalid service_tier argument: The requested service tier is not allowed for this project."),
            (400, None, "registry.ollama.ai/library/x does not support tools"),
            (400, None, "This model does not support specifying dimensions."),
            (404, None, "This is not a chat model and thus not supported in the v1/chat/completions endpoint."),
        )
    ),
    (
        "cohere's unknown field",
        422,
        {"message": "unknown field: parameter 'strict' is not a valid field. For proper usage, please refer to"},
        K.UNSUPPORTED_BY_MODEL,
    ),
    ("bad key", 401, openai_error("Incorrect API key provided", "invalid_api_key"), K.UNAUTHORIZED),
    ("payment required", 402, openai_error("Insufficient credits"), K.QUOTA_EXHAUSTED),
    ("forbidden", 403, openai_error("Country not supported", "unsupported_country_region_territory"), K.UNAUTHORIZED),
    ("model by code", 403, openai_error("Project does not have access", "model_not_found"), K.MODEL_NOT_FOUND),
    ("model", 404, openai_error("The model `gpt-9` does not exist", "model_not_found"), K.MODEL_NOT_FOUND),
    ("ollama's model", 404, {"error": "model 'x' not found"}, K.MODEL_NOT_FOUND),
    ("request timeout", 408, openai_error("Request timed out"), K.CONFLICT),
    ("conflict", 409, openai_error("Conflict"), K.CONFLICT),
    ("too large", 413, b"<html>Request Entity Too Large</html>", K.CONTEXT_TOO_LONG),
    ("unprocessable", 422, {"detail": [{"msg": "field required"}]}, K.INVALID_REQUEST),
    ("rate limit", 429, openai_error("Rate limit reached on RPM", "rate_limit_exceeded", "requests"), K.RATE_LIMITED),
    ("bare 429", 429, b"", K.RATE_LIMITED),
    (
        "insufficient_quota",
        429,
        openai_error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
        K.QUOTA_EXHAUSTED,
    ),
    *(
        (code, 429, openai_error("No money is left", code, "billing_error"), K.QUOTA_EXHAUSTED)
        for code in (
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
        )
    ),
    ("ramp too steep", 429, openai_error("Slow down", "slow_down", "rate_limit_error"), K.RATE_LIMITED),
    ("ramp too steep, as told before", 503, openai_error("Slow Down", "slow_down", None), K.RATE_LIMITED),
    (
        "daily limit",
        429,
        openai_error("Rate limit reached on requests per day (RPD): Limit 200", "rate_limit_exceeded", "requests"),
        K.QUOTA_EXHAUSTED,
    ),
    (
        "larger than the limit",
        429,
        openai_error("Request too large for gpt-4o on TPM: Limit 10000, Requested 20000", "rate_limit_exceeded"),
        K.CONTEXT_TOO_LONG,
    ),
    ("google's array", 429, [openai_error("Resource exhausted", None, None)], K.RATE_LIMITED),
    ("server error", 500, openai_error("The server had an error", None, "server_error"), K.AMBIGUOUS),
    ("bad gateway", 502, b"<html>Bad gateway</html>", K.AMBIGUOUS),
    ("unavailable", 503, openai_error("The engine is overloaded", None, "server_error"), K.OVERLOADED),
    (
        "no capacity",
        503,
        openai_error("Selected model is at capacity.", "server_is_overloaded", "service_unavailable_error"),
        K.OVERLOADED,
    ),
    ("gateway timeout", 504, b"upstream request timeout", K.AMBIGUOUS),
    ("cloudflare origin down", 521, b"Web server is down", K.OVERLOADED),
    ("moved", 307, b"", K.INVALID_REQUEST),
    ("empty object", 200, {}, K.MALFORMED),
    ("no choices", 200, {**CHAT, "choices": None}, K.MALFORMED),
    ("empty choices", 200, {**CHAT, "choices": []}, K.MALFORMED),
    ("unfinished choice", 200, {**CHAT, "choices": [{"message": {}, "finish_reason": None}]}, K.MALFORMED),
    ("error body", 200, openai_error("Rate limit reached", "rate_limit_exceeded"), K.RATE_LIMITED),
    ("router's error", 200, {"error": {"message": "No credits", "code": 402}}, K.QUOTA_EXHAUSTED),
    ("unknown error body", 200, openai_error("Something odd"), K.MALFORMED),
    ("garbage", 200, b"<html>login</html>", K.MALFORMED),
    ("truncated JSON", 200, b'{"id": "chatcmpl-1", "choices": [{"ind', K.MALFORMED),
]

ANTHROPIC_ROWS: list[tuple[str, int, Any, ErrorKind]] = [
    (
        "prompt too long",
        400,
        anthropic_error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        K.CONTEXT_TOO_LONG,
    ),
    (
        "content filter",
        400,
        anthropic_error("invalid_request_error", "Output blocked by content filtering policy"),
        K.CONTENT_POLICY,
    ),
    (
        "credit balance",
        400,
        anthropic_error("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        K.QUOTA_EXHAUSTED,
    ),
    ("plain 400", 400, anthropic_error("invalid_request_error", "messages: at least one"), K.INVALID_REQUEST),
    ("schema", 400, anthropic_error("invalid_request_error", "Schema is too complex."), K.INVALID_REQUEST),
    *(
        (text[:40], 400, anthropic_error("invalid_request_error", text), K.UNSUPPORTED_BY_MODEL)
        for text in (
            "temperature: Extra inputs are not permitted",
            "`temperature` is deprecated for this model.",
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
            "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
            '"thinking.type.disabled" is not supported for this model.',
            "adaptive thinking is not supported on this model",
            'To turn thinking off on this model, send "thinking": {"type": "between_tools"} instead of',
            "This model does not support the effort parameter.",
            'tool_choice: type "tool" and "any" are not supported for this model.',
            "This model does not support assistant message prefill.",
            "messages.1.content.0: Invalid `signature` in block. The block is bound to a different conversation.",
        )
    ),
    ("bad key", 401, anthropic_error("authentication_error", "invalid x-api-key"), K.UNAUTHORIZED),
    ("billing", 402, anthropic_error("billing_error", "Payment required"), K.QUOTA_EXHAUSTED),
    ("forbidden", 403, anthropic_error("permission_error", "Not allowed"), K.UNAUTHORIZED),
    ("model", 404, anthropic_error("not_found_error", "model: claude-9"), K.MODEL_NOT_FOUND),
    ("request timeout", 408, anthropic_error("timeout_error", "Request timeout"), K.CONFLICT),
    ("conflict", 409, anthropic_error("conflict_error", "Conflict"), K.CONFLICT),
    ("too large", 413, anthropic_error("request_too_large", "Request exceeds the maximum size"), K.CONTEXT_TOO_LONG),
    ("unprocessable", 422, anthropic_error("invalid_request_error", "Unprocessable"), K.INVALID_REQUEST),
    ("rate limit", 429, anthropic_error("rate_limit_error", "This request would exceed"), K.RATE_LIMITED),
    (
        "a workspace's spend limit",
        429,
        anthropic_error("rate_limit_error", "This workspace has reached its monthly spend limit."),
        K.QUOTA_EXHAUSTED,
    ),
    (
        "ramp limit",
        429,
        anthropic_error("rate_limit_error", "Usage grows too fast", "ramp_limit_exceeded"),
        K.RATE_LIMITED,
    ),
    (
        "EnforcedSpendLimitReachedError",
        429,
        anthropic_error("rate_limit_error", "Monthly threshold crossed", "enforced_spend_limit_reached"),
        K.QUOTA_EXHAUSTED,
    ),
    ("api error", 500, anthropic_error("api_error", "Internal server error"), K.AMBIGUOUS),
    ("bad gateway", 502, b"<html>Bad gateway</html>", K.AMBIGUOUS),
    ("unavailable", 503, b"", K.OVERLOADED),
    ("gateway timeout", 504, anthropic_error("timeout_error", "Timed out"), K.AMBIGUOUS),
    ("overloaded", 529, anthropic_error("overloaded_error", "Overloaded"), K.OVERLOADED),
    ("empty object", 200, {}, K.MALFORMED),
    ("no stop reason", 200, {**MESSAGE, "stop_reason": None}, K.MALFORMED),
    ("error body", 200, anthropic_error("overloaded_error", "Overloaded"), K.OVERLOADED),
    ("garbage", 200, b"not json", K.MALFORMED),
    ("truncated JSON", 200, b'{"id": "msg_1", "content": [{"ty', K.MALFORMED),
]
