"""What OpenAI's models refuse, in its words: a table of the simulator's own, so that it judges independently.

Source: developers.openai.com/api/docs/guides/reasoning, …/latest-model and the page of each model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homa_workers.simulator.wire import Failure, FailureKind, invalid

_LOW_TO_HIGH = ("low", "medium", "high")
_TO_XHIGH = (*_LOW_TO_HIGH, "xhigh")


@dataclass(frozen=True, slots=True)
class _Model:
    """What a model that reasons takes."""

    efforts: tuple[str, ...]
    #: Where the request says none.
    default: str = "medium"
    #: Efforts at which chat completions take tools; "" stands for none said.
    tools_at: tuple[str, ...] = ("", "none", "minimal", *_TO_XHIGH)
    on_chat: bool = True
    parallel: bool = True
    #: Whether the Responses API takes `max`, which chat completions do not.
    most: bool = False


_MODELS: tuple[tuple[str, _Model], ...] = (
    (r"gpt-5-pro", _Model(("high",), "high", on_chat=False)),
    (r"gpt-5\.\d-pro", _Model(_TO_XHIGH[1:], on_chat=False)),
    (r"o[13]-pro|.*deep-research", _Model(_LOW_TO_HIGH, on_chat=False)),
    (r"gpt-5(?:\.1)?-codex(?!-max)", _Model(_LOW_TO_HIGH, on_chat=False)),
    (r"gpt-\d(?:\.\d)?-(?:codex|cyber)", _Model(_TO_XHIGH, on_chat=False)),
    (r"gpt-5\.\d-chat|(?:gpt-)?chat-latest", _Model(("medium",))),
    (r"o[134]\b", _Model(_LOW_TO_HIGH, parallel=False)),
    (r"gpt-5(?!-chat|[.\d])", _Model(("minimal", *_LOW_TO_HIGH))),
    (r"gpt-5\.1", _Model(("none", *_LOW_TO_HIGH), "none")),
    (r"gpt-5\.[24]", _Model(("none", *_TO_XHIGH), "none", tools_at=("", "none"))),
    (r"gpt-5\.5", _Model(("none", *_TO_XHIGH), tools_at=("", "none"))),
    (r"gpt-5\.6|gpt-6-(?:sol|luna)", _Model(("none", *_TO_XHIGH), tools_at=("none",), most=True)),
    (r"gpt-6\.1-terra", _Model(("none", *_TO_XHIGH), tools_at=(), most=True)),
    (r"gpt-[6-9]", _Model(_TO_XHIGH, tools_at=(), most=True)),
)
#: Refused while a model reasons, and at every effort.
_WHILE_REASONING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs")
_NEVER = ("logit_bias", "prediction", "stop")
_RANGES = {"temperature": (0, 2), "top_p": (0, 1), "frequency_penalty": (-2, 2), "presence_penalty": (-2, 2)}
_MOST_STOPS = 4
_PLAIN = re.compile(r"gpt-4|gpt-3\.?5|gpt-5-chat")


def refuse_what_models_lack(body: Mapping[str, Any], *, by_responses: bool) -> None:
    """Raises Failure where a model would answer 400; names that are not OpenAI's refuse nothing."""
    name = str(body.get("model")).removeprefix("openai/")
    model = next((model for pattern, model in _MODELS if re.match(pattern, name)), None)
    effort = (body.get("reasoning") or {}).get("effort") if by_responses else body.get("reasoning_effort")
    if model is None:
        if effort is not None and _PLAIN.match(name):
            raise invalid("Unrecognized request argument supplied: reasoning_effort")
        return
    if not by_responses:
        _chat(name, model, effort, body)
    _effort(name, model, effort, by_responses=by_responses)
    reasons = (effort or model.default) != "none"
    for parameter in _WHILE_REASONING if reasons else ():
        if body.get(parameter) is not None and not (parameter == "temperature" and body[parameter] == 1):
            raise _unsupported(parameter, body, by_responses=by_responses)
    for parameter in _NEVER:
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


def _chat(name: str, model: _Model, effort: str | None, body: Mapping[str, Any]) -> None:
    if not model.on_chat:
        said = "This model is only supported in v1/responses and not in v1/chat/completions."
        raise Failure(FailureKind.NOT_FOUND, said, param="model")
    if body.get("tools") and (effort or "") not in model.tools_at:
        raise invalid(
            f"Function tools with reasoning_effort are not supported for {name} in /v1/chat/completions. "
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            "reasoning_effort",
        )
    if body.get("parallel_tool_calls") is not None and not model.parallel:
        raise _unsupported("parallel_tool_calls", body, by_responses=False)
    if body.get("parallel_tool_calls") is not None and not body.get("tools"):
        raise invalid("Invalid value for 'parallel_tool_calls': only allowed when 'tools' are specified.")


def _effort(name: str, model: _Model, effort: str | None, *, by_responses: bool) -> None:
    efforts = (*model.efforts, "max") if by_responses and model.most else model.efforts
    if effort is None or effort in efforts:
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
