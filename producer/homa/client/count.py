"""`homa.count`: how many tokens a text has, offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homa_shared.calls.tokens import Count
from homa_shared.calls.tokens import count as count_tokens


def count(content: str | Sequence[Mapping[str, Any]], *, model: str, factor: float = 1.0) -> Count:
    """Tokens of a text or of messages.

    Args:
        content: the text, or messages in OpenAI's shape.
        model: `provider:model`, or the model's own name.
        factor: what an estimate is scaled by, as replies have taught (`homa count` reads it from the store).

    Returns:
        The number, and whether it is exact: OpenAI's encodings are public, those of others are estimated.
    """
    return count_tokens(content, model.partition(":")[2] or model, factor=factor)
