"""Gemini's calls of texts alone, in the SDK's words but without its types, which cost more than all the rest of a call.

The SDK checks the settings of each call; what it would then make of a plain one is written down here, field by field,
in its order. Tests compare the two.
"""

from __future__ import annotations

from typing import Any

from google.genai import types

from homa_shared.calls.reply import Call
from homa_workers.providers.gemini.request import config, contents

#: Settings that go on the wire as they are, in the SDK's order.
_SETTINGS = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "candidate_count": "candidateCount",
    "max_output_tokens": "maxOutputTokens",
    "stop_sequences": "stopSequences",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
    "response_mime_type": "responseMimeType",
    "response_json_schema": "responseJsonSchema",
}
_PLAIN = frozenset({*_SETTINGS, "system_instruction", "thinking_config"})


def plain_body(call: Call) -> dict[str, Any] | None:
    """The body of a call of texts and settings alone; None for any other, which is the SDK's to write.

    Raises:
        ProviderError: it cannot be asked.
        ValidationError: a setting has a value that it cannot have.
    """
    if not all(type(message.get("content")) is str and len(message) == 2 for message in call.messages):
        return None
    given = config(call)
    if not given.keys() <= _PLAIN:
        return None
    checked = types.GenerateContentConfig(**given)
    turns = contents(call.messages, call.model)
    if not turns:
        return None
    body: dict[str, Any] = {"contents": [{"parts": turn["parts"], "role": turn["role"]} for turn in turns]}
    if instruction := given.get("system_instruction"):
        body["systemInstruction"] = instruction
    values = ((own, getattr(checked, name)) for name, own in _SETTINGS.items() if name in given)
    settings = body["generationConfig"] = {own: value for own, value in values if value is not None}
    if checked.thinking_config is not None:
        settings["thinkingConfig"] = checked.thinking_config.model_dump(mode="json", exclude_none=True)
    return body
