"""Gemini, at Google's Gemini API and at Vertex AI."""

from __future__ import annotations

from dataclasses import replace

from homa_shared.kinds.families import makers
from homa_shared.kinds.parameter_rules import (
    Family,
    Params,
    Rule,
    asks_for_several,
    dropped,
    limited,
    refused,
    translated,
)

_THINKING = "ai.google.dev/gemini-api/docs/thinking and …/latest-model, and the guide of each model"
_HEAD = r"(?:^|/)"

_FOREIGN = (
    makers.OPENAI
    | (makers.ANTHROPIC - {"top_k"})
    | makers.AMAZON
    | makers.MISTRAL
    | makers.LOCAL
    | {"parallel_tool_calls"}
)
_SAMPLING = dropped("temperature", "top_p", "top_k")
#: Refused from 2.5 on.
_TUNING = dropped("frequency_penalty", "presence_penalty", "logprobs", "top_logprobs")
_ONE_ANSWER = refused("n", "gives one answer a call", asks_for_several)

#: ai.google.dev/api/generate-content, GenerationConfig
_RANGES = (limited("temperature", 0, 2), limited("top_p", 0, 1), limited("stop", 0, 5))

_MOST = {"xhigh": "high", "max": "high"}
_FROM_MINIMAL = translated("reasoning_effort", {"none": "minimal", **_MOST})
_FROM_LOW = translated("reasoning_effort", {"none": "low", "minimal": "low", **_MOST})
_TO_XHIGH = translated("reasoning_effort", {"none": "low", "minimal": "low", "max": "xhigh"})
_TWO = translated("reasoning_effort", {"none": "low", "minimal": "low", "medium": "high", **_MOST})


def _wants_form(params: Params) -> bool:
    form = params.get("response_format")
    return isinstance(form, dict) and form.get("type") in ("json_schema", "json_object")


_FORM_OR_TOOLS = refused("tools", "takes no tools where its answer has a schema", _wants_form)


def _family(pattern: str, *rules: Rule, prefill: bool = True) -> Family:
    rules = (*makers.LEGACY, *rules, *_RANGES)
    return Family(_HEAD + pattern, rules, foreign=_FOREIGN, prefill=prefill, source=_THINKING)


#: A model that no row names, and those for other things than text.
OTHERS = Family("", (*makers.LEGACY, *_RANGES), foreign=_FOREIGN, source=_THINKING)


#: A newer one is taken for one of the last row.
GENERATE = (
    # Other models than for text have rules of their own.
    replace(OTHERS, pattern=_HEAD + r"gemini-.{0,80}(?:image|tts|live|audio|robotics|computer-use|embedding)"),
    _family(r"gemini-2\.0-", *dropped("reasoning_effort"), _FORM_OR_TOOLS),
    # It cannot be kept from thinking.
    _family(r"gemini-2\.5-pro", translated("reasoning_effort", {"none": "minimal", **_MOST}), *_TUNING, _FORM_OR_TOOLS),
    _family(r"gemini-2\.5-flash", translated("reasoning_effort", _MOST), *_TUNING, _FORM_OR_TOOLS),
    _family(r"gemini-3-pro", _TWO, *_TUNING, _ONE_ANSWER),
    _family(r"gemini-(?:3\.1-pro|pro-latest$)", _FROM_LOW, *_TUNING, _ONE_ANSWER),
    _family(
        r"gemini-(?:3\.5-flash-lite|3\.6-flash|flash-lite-latest$)",
        _FROM_MINIMAL,
        *_SAMPLING,
        *_TUNING,
        _ONE_ANSWER,
        prefill=False,
    ),
    # Served by 3.6 since October 2026, whose rules hold.
    _family(r"gemini-3\.5-flash", _FROM_MINIMAL, *_SAMPLING, *_TUNING, _ONE_ANSWER, prefill=False),
    _family(r"gemini-3(?:\.1)?-flash", _FROM_MINIMAL, *_TUNING, _ONE_ANSWER),
    _family(r"gemini-4-(?:hydrogen|neon)", _TO_XHIGH, *_SAMPLING, *_TUNING, _ONE_ANSWER, prefill=False),
    _family(
        r"gemini-(?:3\.[78]-flash|flash-latest$|3\.9|[4-9])",
        _FROM_LOW,
        *_SAMPLING,
        *_TUNING,
        _ONE_ANSWER,
        prefill=False,
    ),
)
