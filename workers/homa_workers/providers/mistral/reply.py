"""Mistral's replies, and the chunks of streamed ones, as chat completions.

A model that reasons answers with a list of parts, as some other servers do: openai/imitations.py reads those.
"""

from __future__ import annotations

from typing import Any

#: Why a choice ended, in OpenAI's words. `error` stays: what such a choice holds cannot be used.
_FINISH_REASONS = {"model_length": "length"}

Body = dict[str, Any]


def chat_completion(body: Body) -> Body:
    """A reply or a chunk in OpenAI's shape; whatever has no choices, as it is."""
    own = {**body, "usage": _usage(body["usage"])} if isinstance(body.get("usage"), dict) else body
    if not isinstance(body.get("choices"), list):
        return own
    return {**own, "choices": [_choice(choice) for choice in body["choices"]]}


def _choice(choice: Body) -> Body:
    own = dict(choice)
    if choice.get("finish_reason") in _FINISH_REASONS:
        own["finish_reason"] = _FINISH_REASONS[choice["finish_reason"]]
    return own


def _usage(usage: Body) -> Body:
    """Usage with cached tokens where OpenAI has them; its document has three names for them."""
    details = usage.get("prompt_tokens_details") or usage.get("prompt_token_details")
    cached = usage.get("num_cached_tokens")
    if not details and cached is not None:
        details = {"cached_tokens": cached}
    return {**usage, "prompt_tokens_details": details} if details else usage
