"""What a server of OpenAI's protocol answered: is it a reply at all, and how many tokens did it take?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homa_shared.calls.failures import ErrorKind
from homa_shared.calls.reply import Usage
from homa_workers.providers.error_rules import Rule, classify, failure_of
from homa_workers.providers.malformed import is_vector
from homa_workers.providers.openai.errors import OPENAI_RULES

#: Headers of the limits: requests, then tokens.
QUOTA_HEADERS = (
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
)


def checked(
    body: object, content: bytes, headers: Mapping[str, str], rules: Sequence[Rule] = OPENAI_RULES
) -> dict[str, Any]:
    """The body, if it is a chat completion.

    Servers and proxies answer 200 with an empty object, an error, half a reply or a page of HTML; the SDK passes all of
    them on. Raises ProviderError: MALFORMED, or the kind of the error that the body tells. Where it reports usage all
    the same, the attempt is charged at that.
    """
    if isinstance(body, dict) and _finished(body.get("choices")):
        return body
    error = classify(failure_of(200, content, headers), rules)
    if error.kind is ErrorKind.MALFORMED:
        error.message = f"expected a chat completion with finished choices, got: {error.message}"
    if isinstance(body, dict) and is_metered(body.get("usage")):
        error.usage = usage_of(body["usage"])
    raise error


def _finished(choices: object) -> bool:
    return isinstance(choices, list) and bool(choices) and all(_is_whole(choice) for choice in choices)


def is_metered(usage: object) -> bool:
    """Whether a reply says what it took: some servers send a usage of nulls, which is not one of nothing."""
    return isinstance(usage, dict) and usage.get("prompt_tokens") is not None


def _is_whole(choice: object) -> bool:
    return isinstance(choice, dict) and bool(choice.get("finish_reason")) and isinstance(choice.get("message"), dict)


def usage_of(usage: object) -> Usage:
    """Tokens as OpenAI reports them: cached ones inside the prompt's, reasoning inside the completion's."""
    if not isinstance(usage, dict):
        return Usage()
    prompt, completion = _part(usage, "prompt_tokens_details"), _part(usage, "completion_tokens_details")
    return Usage(
        input_tokens=usage.get("prompt_tokens") or 0,
        output_tokens=usage.get("completion_tokens") or 0,
        cached_tokens=prompt.get("cached_tokens") or 0,
        cache_write_tokens=prompt.get("cache_write_tokens") or 0,
        reasoning_tokens=completion.get("reasoning_tokens") or 0,
    )


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = usage.get(name)
    return found if isinstance(found, dict) else {}


def embeddings_of(body: object, count: int) -> list[list[float]] | None:
    """Vectors in the order of their inputs; None where the body does not hold `count` of them."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or len(data) != count:
        return None
    if not all(isinstance(item, dict) and is_vector(item.get("embedding")) for item in data):
        return None
    return [item["embedding"] for item in sorted(data, key=lambda item: item.get("index", 0))]
