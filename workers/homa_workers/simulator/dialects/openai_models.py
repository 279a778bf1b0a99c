"""What OpenAI's models refuse, in its words: a table of the simulator's own, so that it judges independently.

Source: developers.openai.com/api/docs/guides/reasoning, …/latest-model, …/prompt-caching and the page of each model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from homa_workers.simulator.wire import Failure, FailureKind, invalid

_LOW_TO_HIGH = ("low", "medium", "high")
_TO_XHIGH = (*_LOW_TO_HIGH, "xhigh")


@dataclass(frozen=True, slots=True)
class _Model:
    """What a model takes; with no efforts, it does not reason."""

    efforts: tuple[str, ...] = ()
    #: Where the request says none.
    default: str = "medium"
    #: Efforts at which chat completions take tools; "" stands for none said.
    tools_at: tuple[str, ...] = ("", "none", "minimal", *_TO_XHIGH)
    on_chat: bool = True
    parallel: bool = True
    #: Whether the Responses API takes `max`, which chat completions do not.
    most: bool = False
    #: Whether it takes breakpoints of its prompt cache, and only keeps prompts for a day.
    breakpoints: bool = False
    a_day: bool = False
    verbosity: bool = True
    flex: bool = False
    priority: bool = True
    predicts: bool = False
    searches: bool = False
    schemas: bool = True


_PLAIN = _Model(default="none", verbosity=False, predicts=True)
_NEW = _Model(("none", *_TO_XHIGH), most=True, breakpoints=True, a_day=True, flex=True)
_MODELS: tuple[tuple[str, _Model], ...] = (
    (r"gpt-4o(?:-mini)?-search", _Model(default="none", verbosity=False, searches=True)),
    (r"gpt-.{0,80}(?:audio|realtime|transcribe|tts)", _Model(default="none", verbosity=False)),
    (r"gpt-4o|gpt-4\.[15]|chatgpt-4o", _PLAIN),
    (r"gpt-4|gpt-3\.?5", _Model(default="none", verbosity=False, priority=False, schemas=False)),
    (r"gpt-5-chat", _Model(default="none", verbosity=False)),
    (r"gpt-5-pro", _Model(("high",), "high", on_chat=False, priority=False)),
    (r"gpt-5\.\d-pro", _Model(_TO_XHIGH[1:], on_chat=False, priority=False)),
    (r"o[13]-pro|.{0,80}deep-research", _Model(_LOW_TO_HIGH, on_chat=False, priority=False, verbosity=False)),
    (r"gpt-5(?:\.1)?-codex(?!-max)", _Model(_LOW_TO_HIGH, on_chat=False)),
    (r"gpt-\d(?:\.\d)?-(?:codex|cyber)", _Model(_TO_XHIGH, on_chat=False)),
    (r"gpt-5\.\d-chat|(?:gpt-)?chat-latest", _Model(("medium",))),
    (r"o3-mini", _Model(_LOW_TO_HIGH, parallel=False, verbosity=False, priority=False)),
    (r"o1\b", _Model(_LOW_TO_HIGH, parallel=False, verbosity=False)),
    (r"o[34]\b", _Model(_LOW_TO_HIGH, parallel=False, verbosity=False, flex=True)),
    (r"gpt-5-nano", _Model(("minimal", *_LOW_TO_HIGH), flex=True, priority=False)),
    (r"gpt-5(?!-chat|[.\d])", _Model(("minimal", *_LOW_TO_HIGH), flex=True)),
    (r"gpt-5\.1", _Model(("none", *_LOW_TO_HIGH), "none", flex=True)),
    (r"gpt-5\.4-nano", _Model(("none", *_TO_XHIGH), "none", ("", "none"), flex=True, priority=False)),
    (r"gpt-5\.[24]", _Model(("none", *_TO_XHIGH), "none", ("", "none"), flex=True)),
    (r"gpt-5\.5", _Model(("none", *_TO_XHIGH), tools_at=("", "none"), a_day=True, flex=True)),
    (r"gpt-5\.6|gpt-6-(?:sol|luna)", replace(_NEW, tools_at=("none",))),
    (r"gpt-6\.1-terra", replace(_NEW, tools_at=())),
    (r"gpt-6(?:-astra|\.1)", replace(_NEW, efforts=_TO_XHIGH, tools_at=())),
    (r"gpt-[6-9]", replace(_NEW, efforts=_TO_XHIGH, tools_at=(), flex=False)),
)
_PREFIX = re.compile(r"^(?:ft:)?(?:openai[/.]|(?:us|eu|global)\.openai\.)?")
#: Refused while a model reasons, and by each that reasons at every effort.
_WHILE_REASONING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs")
_NEVER = ("logit_bias", "prediction", "stop")
_TIERS = ("auto", "default", "fast", "flex", "priority", "scale")
_RANGES = {"temperature": (0, 2), "top_p": (0, 1), "frequency_penalty": (-2, 2), "presence_penalty": (-2, 2)}
_MOST_STOPS, _MOST_LOGPROBS, _MOST_TOOLS = 4, 20, 128


#: Of before 5 March 2026: developers.openai.com/api/docs/guides/data-residency.
_OF_ONE_PRICE = ("gpt-3", "gpt-4", "chatgpt-", "o1", "o3", "o4", "codex-mini", "text-embedding-", "gpt-5-")
_OF_ONE_PRICE_BY_NAME = frozenset({"gpt-5", "gpt-5.1", "gpt-5.2", "gpt-5.3"})


def dearer_in_a_region(name: str) -> bool:
    """Whether a model was released when calls at servers of a region had begun to cost a tenth more."""
    plain = _PREFIX.sub("", name)
    return not plain.startswith(_OF_ONE_PRICE) and "-".join(plain.split("-")[:2]) not in _OF_ONE_PRICE_BY_NAME


@lru_cache(maxsize=1024)
def _model(name: str) -> _Model | None:
    return next((model for pattern, model in _MODELS if re.match(pattern, name)), None)


def refuse_what_models_lack(body: Mapping[str, Any], *, by_responses: bool) -> None:
    """Raises Failure where a model would answer 400; names that are not OpenAI's refuse nothing."""
    name = _PREFIX.sub("", str(body.get("model")))
    model = _model(name)
    if model is None:
        return
    effort = (body.get("reasoning") or {}).get("effort") if by_responses else body.get("reasoning_effort")
    if not by_responses:
        _chat(name, model, effort, body)
    _effort(name, model, effort, by_responses=by_responses)
    _caching_and_tier(model, body)
    if by_responses:
        _verbosity(model, (body.get("text") or {}).get("verbosity"), "text.verbosity")
        if "message.output_text.logprobs" in (body.get("include") or ()) and _reasons(model, effort):
            raise invalid("logprobs are not supported with reasoning models.", "include", "unsupported_parameter")
    for parameter in _WHILE_REASONING if _reasons(model, effort) else ():
        if body.get(parameter) is not None and not (parameter == "temperature" and body[parameter] == 1):
            raise _unsupported(parameter, body, by_responses=by_responses)
    for parameter in _NEVER if model.efforts else ():
        if body.get(parameter) is not None:
            raise _unsupported(parameter, body, by_responses=by_responses)


def refuse_what_is_out_of_range(body: Mapping[str, Any]) -> None:
    """Raises Failure for a number or a list that the API takes from no model."""
    for name, (least, most) in _RANGES.items():
        value = body.get(name)
        if isinstance(value, int | float) and not least <= value <= most:
            side = "below minimum" if value < least else "above maximum"
            said = f"Invalid '{name}': decimal {side} value. Expected a value {'>=' if value < least else '<='} "
            code = "decimal_below_min_value" if value < least else "decimal_above_max_value"
            raise invalid(f"{said}{least if value < least else most}, but got {value} instead.", name, code)
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > _MOST_STOPS:
        said = f"Invalid 'stop': array too long. Expected an array with maximum length {_MOST_STOPS}"
        raise invalid(f"{said}, but got an array with length {len(stop)} instead.", "stop", "array_above_max_length")


def _reasons(model: _Model, effort: str | None) -> bool:
    return bool(model.efforts) and (effort or model.default) != "none"


def _chat(name: str, model: _Model, effort: str | None, body: Mapping[str, Any]) -> None:
    if not model.on_chat:
        said = "This model is only supported in v1/responses and not in v1/chat/completions."
        raise Failure(FailureKind.NOT_FOUND, said, param="model")
    _cap(model, body)
    if body.get("tools") and (effort or "") not in model.tools_at:
        raise invalid(
            f"Function tools with reasoning_effort are not supported for {name} in /v1/chat/completions. "
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            "reasoning_effort",
        )
    _choice_of_tools(model, body)
    _verbosity(model, body.get("verbosity"), "verbosity")
    _counts(model, body)
    _form(model, body)
    for parameter, known in (("web_search_options", model.searches), ("prediction", model.predicts)):
        if body.get(parameter) is not None and not known:
            raise _unsupported(parameter, body, by_responses=False)
    if body.get("audio") is not None and "audio" not in name:
        raise _unsupported("audio", body, by_responses=False)


def _cap(model: _Model, body: Mapping[str, Any]) -> None:
    if body.get("max_tokens") is None:
        return
    if body.get("max_completion_tokens") is not None:
        said = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise invalid(said, "max_tokens", "invalid_parameter_combination")
    if model.efforts:
        said = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise invalid(said, "max_tokens", "unsupported_parameter")


def _choice_of_tools(model: _Model, body: Mapping[str, Any]) -> None:
    for parameter in ("parallel_tool_calls", "tool_choice"):
        if body.get(parameter) is not None and not body.get("tools"):
            said = f"Invalid value for '{parameter}': '{parameter}' is only allowed when 'tools' are specified."
            raise invalid(said, parameter)
    if body.get("parallel_tool_calls") is not None and not model.parallel:
        raise _unsupported("parallel_tool_calls", body, by_responses=False)


def _counts(model: _Model, body: Mapping[str, Any]) -> None:
    most = 5 if model.breakpoints else _MOST_LOGPROBS
    for parameter, given, limit in (
        ("top_logprobs", body.get("top_logprobs") or 0, most),
        ("tools", len(body.get("tools") or ()), _MOST_TOOLS),
    ):
        if given > limit:
            said = f"Invalid '{parameter}': maximum {limit}, got {given}."
            raise invalid(said, parameter, "integer_above_max_value")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise invalid("'top_logprobs' is only allowed when 'logprobs' is true.", "top_logprobs")


def _form(model: _Model, body: Mapping[str, Any]) -> None:
    form = body.get("response_format") or {}
    if form.get("type") == "json_object" and "json" not in str(body.get("messages")).lower():
        said = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise invalid(said, "messages")
    if form.get("type") == "json_schema":
        if not model.schemas:
            said = "'response_format' of type 'json_schema' is not supported with this model."
            raise invalid(f"Invalid parameter: {said}", "response_format")
        if not (form.get("json_schema") or {}).get("name"):
            raise invalid("Missing required parameter: 'response_format.json_schema.name'.", "response_format")


def _verbosity(model: _Model, verbosity: str | None, parameter: str) -> None:
    known = _LOW_TO_HIGH if model.verbosity else ("medium",)
    if verbosity is not None and verbosity not in known:
        said = f"'{parameter}' does not support {verbosity!r} with this model. Supported values are: "
        raise invalid(f"Unsupported value: {said}{', '.join(map(repr, known))}.", parameter, "unsupported_value")


def _caching_and_tier(model: _Model, body: Mapping[str, Any]) -> None:
    if body.get("prompt_cache_options") is not None and not model.breakpoints:
        raise _unsupported("prompt_cache_options", body, by_responses=False)
    if model.a_day and body.get("prompt_cache_retention") in ("in_memory", "in-memory"):
        raise invalid("This model is compatible only with 24h extended prompt caching", "prompt_cache_retention", None)
    tier = body.get("service_tier") or "auto"
    if tier not in (*_TIERS, "ultrafast"):
        raise invalid(f"Invalid value: {tier!r}. Supported values are: 'auto', …", "service_tier", "invalid_value")
    if (tier == "flex" and not model.flex) or (tier in ("priority", "fast") and not model.priority):
        said = "The requested service tier is not allowed for this model."
        raise invalid(f"Invalid service_tier argument: {said}", "service_tier")


def _effort(name: str, model: _Model, effort: str | None, *, by_responses: bool) -> None:
    if effort is None:
        return
    if not model.efforts and not by_responses:
        raise invalid("Unrecognized request argument supplied: reasoning_effort")
    efforts = (*model.efforts, "max") if by_responses and model.most else model.efforts
    if effort in efforts:
        return
    known, where = ", ".join(map(repr, efforts)), f"the {name!r} model" if by_responses else "this model"
    parameter = "reasoning.effort" if by_responses else "reasoning_effort"
    raise invalid(
        f"Unsupported value: {parameter.rpartition('.')[2]!r} does not support {effort!r} with {where}. "
        f"Supported values are: {known}.",
        parameter,
        "unsupported_value",
    )


def _unsupported(parameter: str, body: Mapping[str, Any], *, by_responses: bool) -> Failure:
    if parameter == "temperature" and not by_responses:
        value = body[parameter]
        said = f"'temperature' does not support {value} with this model. Only the default (1) value is supported."
        return invalid(f"Unsupported value: {said}", parameter, "unsupported_value")
    code = None if by_responses else "unsupported_parameter"
    return invalid(f"Unsupported parameter: '{parameter}' is not supported with this model.", parameter, code)
