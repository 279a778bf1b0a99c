"""OpenAI's models, at OpenAI and as deployments of Azure that bear their names."""

from __future__ import annotations

from collections.abc import Mapping

from homa_shared.kinds.families import makers
from homa_shared.kinds.parameter_rules import (
    Family,
    Params,
    Rule,
    When,
    always,
    asks_for_several,
    dropped,
    limited,
    refused,
    thinks,
    thinks_if_asked,
    translated,
)

_REASONING = "developers.openai.com/api/docs/guides/reasoning, …/latest-model and the page of each model"
_CHAT = "developers.openai.com/api/reference/resources/chat"
_HEAD = r"^(?:ft:)?(?:openai[/.]|(?:us|eu|global)\.openai\.)?"
#: A dated snapshot, or the name of a fine-tuned model.
_TAIL = r"(?:-\d{4}-\d{2}-\d{2})?(?::.*)?$"

#: developers.openai.com/api/reference/resources/chat
_RANGES = (
    limited("temperature", 0, 2),
    limited("top_p", 0, 1),
    limited("frequency_penalty", -2, 2),
    limited("presence_penalty", -2, 2),
    limited("stop", 0, 4),
    limited("top_logprobs", 0, 20),
)
_SAMPLING = ("temperature", "top_p")
_TUNING = ("frequency_penalty", "presence_penalty", "logprobs", "top_logprobs")
#: Refused by every model that reasons, at any effort.
_NEVER = ("logit_bias", "prediction", "stop")
_FOREIGN = makers.ANTHROPIC | makers.GOOGLE | makers.AMAZON | makers.MISTRAL | makers.LOCAL


def _has_tools(params: Params) -> bool:
    return bool(params.get("tools"))


def _has_no_tools(params: Params) -> bool:
    return not params.get("tools")


def _is_unusually_verbose(params: Params) -> bool:
    return params.get("verbosity") != "medium"


def _tools_and_asked_effort(params: Params) -> bool:
    return _has_tools(params) and thinks_if_asked(params)


def _tools_or_most_effort(params: Params) -> bool:
    return _has_tools(params) or params.get("reasoning_effort") == "max"


def _tools_and_effort_or_most(params: Params) -> bool:
    return (_has_tools(params) and thinks(params)) or params.get("reasoning_effort") == "max"


def _flex(params: Params) -> bool:
    return params.get("service_tier") == "flex"


def _faster(params: Params) -> bool:
    return params.get("service_tier") in ("priority", "fast")


def _says_how_verbose(params: Params) -> bool:
    text = params.get("text")
    return isinstance(text, Mapping) and text.keys() == {"verbosity"} and text["verbosity"] != "medium"


def _few_tokens(params: Params) -> bool:
    cap = params.get("max_completion_tokens") or params.get("max_tokens")
    return isinstance(cap, int) and cap < _LEAST_CAP_OF_RESPONSES


#: platform.openai.com/docs/api-reference/responses/create
_LEAST_CAP_OF_RESPONSES = 16
#: platform.openai.com/docs/pricing: the models of each tier.
_NO_FLEX = refused("service_tier", "has no flex tier", _flex)
_NO_PRIORITY = refused("service_tier", "has no priority tier", _faster)
_NO_TOOLS = dropped("parallel_tool_calls", "tool_choice", when=_has_no_tools, while_="without tools")
_NO_BREAKPOINTS = dropped("prompt_cache_options")
_ONE_VERBOSITY = (
    *dropped("verbosity", when=_is_unusually_verbose, while_="with this value"),
    *dropped("text", when=_says_how_verbose, while_="with this verbosity"),
)
_KEPT_FOR_A_DAY = translated("prompt_cache_retention", {"in_memory": None, "in-memory": None})
#: Of models that write text only: saying so is refused, and so is a search of the web.
_TEXT_ONLY = (refused("audio", "answers in text only"), *dropped("modalities", "web_search_options"))
_SEARCHES = (
    *dropped("reasoning_effort", "reasoning"),
    *_ONE_VERBOSITY,
    *_NO_BREAKPOINTS,
    *_NO_TOOLS,
    _NO_FLEX,
)


def _plain(pattern: str, *rules: Rule) -> Family:
    """A family that does not reason."""
    return Family(_HEAD + pattern, (*_TEXT_ONLY, *_SEARCHES, *rules, *_RANGES), foreign=_FOREIGN, source=_CHAT)


def _efforts(**values: str) -> Rule:
    return translated("reasoning_effort", values)


def _reasons(pattern: str, *rules: Rule, when: When = always, by_responses: When | None = None) -> Family:
    """A family that takes no sampling while it reasons, and some parameters never."""
    while_ = "" if when is always else "while it reasons"
    lacks = () if by_responses is None else _by_responses_alone(by_responses)
    return Family(
        _HEAD + pattern,
        (
            *rules,
            *_TEXT_ONLY,
            *dropped(*_SAMPLING, *_TUNING, when=when, while_=while_),
            *dropped(*_NEVER),
            *_NO_TOOLS,
            *lacks,
            *_RANGES,
        ),
        foreign=_FOREIGN,
        by_responses=by_responses,
        source=_REASONING,
    )


def _by_responses_alone(by_responses: When) -> tuple[Rule, ...]:
    """What the Responses API lacks, where no other one will do."""
    return (
        refused(
            "n", "gives one answer a call to this", lambda params: asks_for_several(params) and by_responses(params)
        ),
        *(
            refused(
                name,
                f"answers this by at least {_LEAST_CAP_OF_RESPONSES} tokens ({name})",
                lambda params: _few_tokens(params) and by_responses(params),
            )
            for name in ("max_tokens", "max_completion_tokens")
        ),
        refused("functions", "takes no functions: give them as tools", by_responses),
        *dropped("function_call", when=by_responses),
    )


def _by_responses_only(pattern: str, *rules: Rule) -> Family:
    return _reasons(pattern, *rules, *_NO_BREAKPOINTS, _NO_FLEX, by_responses=always)


_LOW_TO_HIGH = {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}
_O_SERIES = (_efforts(**_LOW_TO_HIGH), *dropped("parallel_tool_calls"), *_ONE_VERBOSITY, *_NO_BREAKPOINTS)

#: Those that only the Responses API has.
_RESPONSES_ONLY = (
    _by_responses_only(
        r"gpt-5-pro" + _TAIL,
        _efforts(none="high", minimal="high", low="high", medium="high", xhigh="high", max="high"),
        _NO_PRIORITY,
    ),
    _by_responses_only(
        r"gpt-5\.\d-pro" + _TAIL, _efforts(none="medium", minimal="medium", low="medium", max="xhigh"), _NO_PRIORITY
    ),
    _by_responses_only(r"(?:o[13]-pro|.{0,80}deep-research)" + _TAIL, *_O_SERIES, _NO_PRIORITY),
    _by_responses_only(r"(?:codex-mini-latest|gpt-5(?:\.1)?-codex(?:-mini)?)" + _TAIL, _efforts(**_LOW_TO_HIGH)),
    _by_responses_only(
        r"gpt-(?:\d+(?:\.\d+)?-(?:codex|cyber|rosalind)|daybreak|rosalind|.{0,80}-law$)",
        _efforts(none="low", minimal="low", max="xhigh"),
    ),
)

CHAT = (
    *_RESPONSES_ONLY,
    # Named for chat: one that does not reason, and those that always do so at one effort.
    _plain(r"chatgpt-4o-latest" + _TAIL),
    _plain(r"gpt-5-chat(?:-latest)?" + _TAIL, *dropped("prediction")),
    _reasons(
        r"(?:gpt-5\.\d-chat(?:-latest)?|(?:gpt-)?chat-latest)" + _TAIL,
        _efforts(none="medium", minimal="medium", low="medium", high="medium", xhigh="medium", max="medium"),
        *_NO_BREAKPOINTS,
        _NO_FLEX,
    ),
    _reasons(r"o1" + _TAIL, *_O_SERIES, _NO_FLEX),
    _reasons(r"o3-mini" + _TAIL, *_O_SERIES, _NO_FLEX, _NO_PRIORITY),
    _reasons(r"(?:o3|o4-mini)" + _TAIL, *_O_SERIES),
    _reasons(r"gpt-5-nano" + _TAIL, _efforts(none="minimal", xhigh="high", max="high"), *_NO_BREAKPOINTS, _NO_PRIORITY),
    _reasons(r"gpt-5(?:-mini)?" + _TAIL, _efforts(none="minimal", xhigh="high", max="high"), *_NO_BREAKPOINTS),
    # These do not reason unless they are asked to.
    _reasons(
        r"gpt-5\.1(?:-mini)?" + _TAIL,
        _efforts(minimal="none", xhigh="high", max="high"),
        *_NO_BREAKPOINTS,
        when=thinks_if_asked,
    ),
    *(
        _reasons(
            pattern + _TAIL,
            _efforts(minimal="none", max="xhigh"),
            *_NO_BREAKPOINTS,
            *priority,
            when=thinks_if_asked,
            by_responses=_tools_and_asked_effort,
        )
        for pattern, priority in ((r"gpt-5\.4-nano", (_NO_PRIORITY,)), (r"gpt-5\.(?:2|4(?:-mini)?)", ()))
    ),
    # These do, unless they are asked not to.
    _reasons(
        r"gpt-5\.5" + _TAIL,
        _efforts(minimal="none", max="xhigh"),
        *_NO_BREAKPOINTS,
        _KEPT_FOR_A_DAY,
        when=thinks,
        by_responses=_tools_and_asked_effort,
    ),
    _reasons(
        r"(?:gpt-5\.6(?:-sol|-terra|-luna)?|gpt-6-(?:sol|luna))" + _TAIL,
        _efforts(minimal="none"),
        _KEPT_FOR_A_DAY,
        when=thinks,
        by_responses=_tools_and_effort_or_most,
    ),
    _reasons(
        r"gpt-6\.1-terra" + _TAIL,
        _efforts(minimal="none"),
        _KEPT_FOR_A_DAY,
        when=thinks,
        by_responses=_tools_or_most_effort,
    ),
    # These always reason; a newer one is taken for such a one of the latest.
    *(
        _reasons(
            pattern,
            _efforts(none="low", minimal="low"),
            _KEPT_FOR_A_DAY,
            *flex,
            by_responses=_tools_or_most_effort,
        )
        for pattern, flex in (
            (r"gpt-6(?:-astra|\.1-sol)" + _TAIL, ()),
            (r"gpt-(?:5\.[7-9]|(?:[6-9]|[12]\d)(?:[.-]|$))", (_NO_FLEX,)),
        )
    ),
    Family(
        _HEAD + r"gpt-4o(?:-mini)?-search-preview",
        (*_SEARCHES, *dropped(*_SAMPLING, *_TUNING, "prediction"), refused("audio", "answers in text only"), *_RANGES),
        foreign=_FOREIGN,
        source=_CHAT,
    ),
    _plain(r"(?!.{0,80}(?:audio|realtime|transcribe|tts))gpt-4(?:o|\.[15])"),
    _plain(
        r"(?!.{0,80}(?:audio|realtime|transcribe|tts))gpt-(?:4|3\.?5)(?:[.-]|$)", *dropped("prediction"), _NO_PRIORITY
    ),
)

#: A deployment of Azure's that does not bear its model's name.
OTHERS = Family("", _RANGES, foreign=_FOREIGN, source=_CHAT)
