"""What Gemini's models refuse, in Google's words: a table of the simulator's own, so that it judges independently.

Source: ai.google.dev/gemini-api/docs/thinking and …/latest-model, and the guide of each model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from homa_workers.simulator.wire import invalid

_TEXT = re.compile(r"gemini-(?!.*(?:image|tts|live|audio|robotics|computer-use|embedding))(\d)(?:\.(\d))?-")
#: Levels of thinking, by name; the first that fits counts.
_LEVELS = (
    (r"gemini-3-pro", ("low", "high")),
    (r"gemini-3\.1-pro|gemini-3\.[78]-flash", ("low", "medium", "high")),
    (r"gemini-3", ("minimal", "low", "medium", "high")),
    (r"gemini-4-(?:hydrogen|neon)", ("low", "medium", "high", "xhigh")),
    (r"gemini-4", ("low", "medium", "high")),
)


def refuse_what_models_lack(model: str, body: Mapping[str, Any]) -> None:
    """Raises Failure where a model would answer 400; other names of models refuse nothing."""
    found = _TEXT.match(model.removeprefix("models/"))
    if found is None:
        return
    version, config = (int(found[1]), int(found[2] or 0)), body.get("generationConfig") or {}
    _tuning(version, config)
    _thinking(model, version, config.get("thinkingConfig") or {})
    last = (body.get("contents") or [{}])[-1]
    if (version >= (3, 6) or "3.5-flash-lite" in model) and isinstance(last, Mapping) and last.get("role") == "model":
        raise invalid("Please ensure that the last content has the role 'user'.")


def _tuning(version: tuple[int, int], config: Mapping[str, Any]) -> None:
    if version >= (2, 5) and (config.get("presencePenalty") or config.get("frequencyPenalty")):
        raise invalid("Penalty is not enabled for this model")
    if version >= (2, 5) and config.get("responseLogprobs"):
        raise invalid("Logprobs is not enabled for this model")
    if version >= (3, 0) and (config.get("candidateCount") or 1) > 1:
        raise invalid("Multiple candidates is not enabled for this model")


def _thinking(model: str, version: tuple[int, int], thinking: Mapping[str, Any]) -> None:
    budget, level = thinking.get("thinkingBudget"), str(thinking.get("thinkingLevel") or "").lower()
    if version < (2, 5) and thinking:
        raise invalid("Thinking is not enabled for this model.")
    if budget == 0 and "2.5-pro" in model:
        raise invalid("Budget 0 is invalid. This model only works in thinking mode.")
    if budget is not None and version >= (4, 0):
        raise invalid("Thinking budget is not supported for this model.")
    levels = next((levels for pattern, levels in _LEVELS if re.match(pattern, model.removeprefix("models/"))), ())
    if level and level not in levels:
        raise invalid(f"Thinking level {level.upper()} is not supported for this model.")
