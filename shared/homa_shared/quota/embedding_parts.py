"""How many texts one embeddings call may take."""

from __future__ import annotations

from collections.abc import Sequence

from homa_shared.kinds.registry import profile_of
from homa_shared.quota.plan import TargetPlan

#: A token has about this many bytes or more, in prose of any script.
_BYTES_PER_TOKEN = 3


def first_part(texts: Sequence[str], plan: TargetPlan, start: int = 0) -> int:
    """Where the call ends that begins with text `start`: as many texts as the provider and its limits admit.

    At least one: a text that is too long by itself is the provider's, or the limiter's, to refuse.
    """
    most = profile_of(plan.kind).embedding_limits(plan.target.model)
    limits = [limit for limit in (plan.limits.tpm, plan.limits.input_tpm) if limit is not None]
    room = min(most.tokens, *limits) if limits else most.tokens
    end = start
    while end < min(len(texts), start + (plan.embedding_texts or most.texts)):
        room -= len(texts[end].encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 1
        if room < 0 and end > start:
            break
        end += 1
    return end
