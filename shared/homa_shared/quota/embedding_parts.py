"""How many texts one embeddings call may take."""

from __future__ import annotations

from collections.abc import Sequence

from homa_shared.quota.plan import TargetPlan

#: Most texts of one call, by kind: OpenAI's and Azure's API reference, Gemini's batchEmbedContents, Cohere's embed.
MOST_TEXTS = {"openai": 2048, "azure": 2048, "gemini": 100, "cohere": 96, "bedrock": 96, "ollama": 512}
_MOST_TEXTS_ELSEWHERE = 96
#: Most tokens of one call (OpenAI's API reference; others state none).
MOST_TOKENS = 300_000
#: A token has about this many bytes or more, in prose of any script.
_BYTES_PER_TOKEN = 3


def first_part(texts: Sequence[str], plan: TargetPlan, start: int = 0) -> int:
    """Where the call ends that begins with text `start`: as many texts as the provider and its limits admit.

    At least one: a text that is too long by itself is the provider's, or the limiter's, to refuse.
    """
    most_texts = MOST_TEXTS.get(plan.kind, _MOST_TEXTS_ELSEWHERE)
    if plan.kind == "bedrock" and "cohere." not in plan.target.model:
        most_texts = 1  # Titan takes one text a call
    limits = [limit for limit in (plan.limits.tpm, plan.limits.input_tpm) if limit is not None]
    room = min(MOST_TOKENS, *limits) if limits else MOST_TOKENS
    end = start
    while end < min(len(texts), start + most_texts):
        room -= len(texts[end].encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 1
        if room < 0 and end > start:
            break
        end += 1
    return end
