"""`homa.count`: how many tokens a text has, offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homa.submit.option_checks import check_model
from homa_shared.calls.message_checks import check_messages
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

    Raises:
        InvalidRequest: the content is neither text nor messages, or the model is not a name.
    """
    if not isinstance(content, str):
        content = check_messages(content)
    check_model("model", model)
    return count_tokens(content, model.partition(":")[2] or model, factor=factor)
