"""How an answer ended, for people, where it did not end as the model meant it to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.calls.reply import Completion
from homa_shared.kinds.output_caps import cap_of

#: An answer of less than this part of its cap was cut by something else: the end of the context window.
_NEAR_CAP = 0.9


def end_of(completion: Completion, params: Mapping[str, Any]) -> str:
    """What is to be said of an answer's end; empty where there is nothing.

    Args:
        params: those of its call.
    """
    if completion.is_cut:
        said = "; it says nothing: thinking took all of it" if completion.is_empty else ""
        return f"the answer was cut {_where(completion, cap_of(params))}{said}"
    choices = completion.body.get("choices")
    if choices and completion.finish_reason is None:
        return "the provider did not say why the answer ended"
    return ""


def _where(completion: Completion, cap: int) -> str:
    written = completion.usage.output_tokens
    if not cap or (completion.metered and written < cap * _NEAR_CAP):
        return f"after {written} tokens, where its context window ended"
    return f"at its output cap of {cap} tokens"
