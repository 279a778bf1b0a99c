"""What Gemini's models refuse, in Google's words: a table of the simulator's own, so that it judges independently.

Source: ai.google.dev/api/generate-content and …/embeddings for the fields, ai.google.dev/gemini-api/docs/thinking,
…/thought-signatures and …/latest-model, and the guide of each model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
#: Least and most tokens to think within, beside 0 and -1, and whether 0 turns thinking off.
_BUDGETS = (
    (r"gemini-2\.5-pro", 128, 32768, False),
    (r"gemini-2\.5-flash-lite", 512, 24576, True),
    (r"gemini-2\.5-flash", 1, 24576, True),
)
_FIELDS = frozenset(
    "contents systemInstruction generationConfig tools toolConfig safetySettings cachedContent serviceTier store "
    "model".split()
)
_GENERATION = frozenset(
    "stopSequences responseMimeType responseSchema responseJsonSchema responseModalities candidateCount "
    "maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs "
    "enableEnhancedCivicAnswers speechConfig thinkingConfig imageConfig mediaResolution".split()
)
_EMBEDDING = frozenset({"model", "content", "taskType", "title", "outputDimensionality"})
_TIERS = ("flex", "standard", "priority")
_MOST_STOPS, _MOST_ANSWERS = 5, 8
Version = tuple[int, int]


def refuse_what_models_lack(model: str, body: Mapping[str, Any]) -> None:
    """Raises Failure where a model would answer 400; other names of models refuse unknown fields alone."""
    config = body.get("generationConfig") or {}
    _unknown(body, _FIELDS, "")
    _unknown(config, _GENERATION, " at 'generation_config'")
    if body.get("serviceTier", "standard") not in _TIERS:
        raise invalid(f"Invalid value at 'service_tier': {body['serviceTier']!r}")
    found = _TEXT.match(model.removeprefix("models/"))
    if found is None:
        return
    version = (int(found[1]), int(found[2] or 0))
    _tuning(version, config)
    _form(version, body, config)
    _thinking(model.removeprefix("models/"), version, config.get("thinkingConfig") or {})
    _signatures(version, body.get("contents") or [])
    last = (body.get("contents") or [{}])[-1]
    if (version >= (3, 6) or "3.5-flash-lite" in model) and isinstance(last, Mapping) and last.get("role") == "model":
        raise invalid("Please ensure that the last content has the role 'user'.")


def refuse_unknown_of_embedding(request: Mapping[str, Any]) -> None:
    """Raises Failure for a field of an embedding's request that is unknown."""
    _unknown(request, _EMBEDDING, " at 'requests[0]'")


def _unknown(fields: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for name in fields.keys() - known:
        raise invalid(f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')


def _tuning(version: Version, config: Mapping[str, Any]) -> None:
    if version >= (2, 5) and (config.get("presencePenalty") or config.get("frequencyPenalty")):
        raise invalid("Penalty is not enabled for this model")
    if version >= (2, 5) and config.get("responseLogprobs"):
        raise invalid("Logprobs is not enabled for this model")
    answers = config.get("candidateCount") or 1
    if answers > (1 if version >= (3, 0) else _MOST_ANSWERS):
        raise invalid("Multiple candidates is not enabled for this model")
    if len(config.get("stopSequences") or ()) > _MOST_STOPS:
        raise invalid(f"The number of stop sequences must not exceed {_MOST_STOPS}.")


def _form(version: Version, body: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    declared = any(tool.get("functionDeclarations") for tool in body.get("tools") or ())
    if version < (3, 0) and declared and config.get("responseMimeType") == "application/json":
        raise invalid("Function calling with a response mime type: 'application/json' is unsupported")


def _thinking(model: str, version: Version, thinking: Mapping[str, Any]) -> None:
    budget, level = thinking.get("thinkingBudget"), str(thinking.get("thinkingLevel") or "").lower()
    if version < (2, 5) and thinking:
        raise invalid("Thinking is not enabled for this model.")
    if budget is not None and level:
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if budget is not None:
        _budget(model, version, budget)
    levels = next((levels for pattern, levels in _LEVELS if re.match(pattern, model)), ())
    if level and not levels:
        raise invalid("Thinking level is not supported for this model.")
    if level and level not in levels:
        raise invalid(f"Thinking level {level.upper()} is not supported for this model. Please retry with other level.")


def _budget(model: str, version: Version, budget: int) -> None:
    if version >= (4, 0):
        raise invalid("Thinking budget is not supported for this model.")
    row = next((row for row in _BUDGETS if re.match(row[0], model)), None)
    if row is None or budget == -1:
        return
    _, least, most, off = row
    if budget == 0 and not off:
        raise invalid("Budget 0 is invalid. This model only works in thinking mode.")
    if budget and not least <= budget <= most:
        raise invalid(f"The thinking budget {budget} is invalid. Please choose a value between {least} and {most}.")


def _signatures(version: Version, contents: list[Any]) -> None:
    """From Gemini 3 on the first call of each step of the current turn must bear a signature, be it a stand-in."""
    if version < (3, 0):
        return
    for number, parts in _steps_of_current_turn(contents):
        calls = [part for part in parts if "functionCall" in part]
        if calls and not (calls[0].get("thoughtSignature") or calls[0].get("thought_signature")):
            name = calls[0]["functionCall"].get("name")
            raise invalid(f"Function call `{name}` in the `{number}.` content block is missing a `thought_signature`.")


def _steps_of_current_turn(contents: list[Any]) -> Iterator[tuple[int, list[Mapping[str, Any]]]]:
    """Places and parts of the model's contents behind the last that the user said himself."""
    start = 0
    for number, content in enumerate(contents):
        parts = content.get("parts") or () if isinstance(content, Mapping) else ()
        if content.get("role") == "user" and any("text" in part or "inlineData" in part for part in parts):
            start = number
    for number, content in enumerate(contents[start:], start):
        if content.get("role") == "model":
            yield number, list(content.get("parts") or ())
