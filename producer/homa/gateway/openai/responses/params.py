"""Parameters of a response under the names of Chat Completions, so that any provider understands them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.gateway.request_checks import optional_object
from homa_shared.model.errors import InvalidRequest

#: What the gateway itself does, or tells back.
_OWN = frozenset({"input", "instructions", "stream", "stream_options", "background", "store", "metadata"})
#: What it does not keep, and what to do instead.
_REFUSED = {
    "previous_response_id": "conversations are not kept here: give the whole input",
    "conversation": "conversations are not kept here: give the whole input",
    "background_options": "x-homa-lane says how soon a job is served",
    "prompt": "prompts are not kept here: give instructions and input",
}


def chat_params(body: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a chat request, the model among them; those without a counterpart stay as they are.

    Raises:
        InvalidRequest: one is wrong or asks for what is not kept here; it is named.
    """
    for name, instead in _REFUSED.items():
        if body.get(name) is not None:
            raise InvalidRequest(f"{name} cannot be given: {instead}")
    params = {name: value for name, value in body.items() if name not in _OWN and value is not None}
    params.update(_reasoning(params))
    params.update(_text(params))
    return params


def _reasoning(params: dict[str, Any]) -> dict[str, Any]:
    reasoning = dict(optional_object(params, "reasoning"))
    params.pop("reasoning", None)
    effort = reasoning.pop("effort", None)
    return ({"reasoning_effort": effort} if effort else {}) | ({"reasoning": reasoning} if reasoning else {})


def _text(params: dict[str, Any]) -> dict[str, Any]:
    text = dict(optional_object(params, "text"))
    params.pop("text", None)
    form, verbosity = text.pop("format", None), text.pop("verbosity", None)
    found: dict[str, Any] = {"verbosity": verbosity} if verbosity else {}
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        schema = {name: value for name, value in form.items() if name != "type" and value is not None}
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif isinstance(form, Mapping) and form.get("type") == "json_object":
        found["response_format"] = {"type": "json_object"}
    elif form is not None and not (isinstance(form, Mapping) and form.get("type") == "text"):
        raise InvalidRequest(
            f"text.format is {form!r:.80}: expected an object of type text, json_object or json_schema"
        )
    return found | ({"text": text} if text else {})
