"""How a provider counts tokens against its limits.

A module of its own, since the light client needs it at once, and the profiles of kinds only with its first job.
"""

from __future__ import annotations

from enum import StrEnum


class ReservePolicy(StrEnum):
    """How a provider counts tokens against its limits."""

    MAX_OF_TOTAL = "max_of_total"  # openai: max(max_tokens, estimate), corrected to actual use
    PROMPT_AND_MAX = "prompt_and_max"  # azure: prompt + max_tokens at receipt, never refunded
    SEPARATE = "separate"  # anthropic: input without cache reads, and output, each by itself
    INPUT_ONLY = "input_only"  # gemini: output does not count
    BURNDOWN = "burndown"  # bedrock: input + max_tokens, corrected to input + cache write + output × factor
    REQUESTS = "requests"  # cohere: counts calls; a token limit of one's own sees plain totals
    CONCURRENCY = "concurrency"  # ollama: nothing but slots; likewise
