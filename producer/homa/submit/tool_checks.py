"""Checks of the options that define tools, and of the schema of an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from homa.submit.option_checks import wrong
from homa_shared.model.errors import InvalidRequest

#: Names of functions that some provider takes.
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class RunTools(NamedTuple):
    """Tools that the worker runs itself."""

    names: tuple[str, ...]
    #: Of those that were not given by name alone.
    definitions: list[dict[str, Any]]


def check_tools(name: str, tools: object) -> list[dict[str, Any]] | None:
    """Definitions of tools for the caller to run; None for an empty list, which providers refuse."""
    return _definitions(name, tools) or None


def check_run_tools(name: str, tools: object) -> RunTools:
    """Tools for the worker to run."""
    if isinstance(tools, str) or not isinstance(tools, Sequence):
        raise wrong(name, tools, "a list of tools, or of names of tools that the workers have")
    defined = _definitions(name, [tool for tool in tools if not isinstance(tool, str)])
    names = [tool for tool in tools if isinstance(tool, str)] + [tool["function"]["name"] for tool in defined]
    return RunTools(tuple(names), defined)


def check_answer_schema(name: str, schema: object) -> dict[str, Any]:
    """A pydantic model or JSON schema, as the `response_format` that asks for it."""
    from homa.submit.response_format import check_format, response_format

    asked = response_format(schema)
    check_format(asked, name)
    return asked


def check_response_format(name: str, wanted: object) -> object:
    """A `response_format` in OpenAI's shape."""
    from homa.submit.response_format import check_format

    if not isinstance(wanted, Mapping) or not isinstance(wanted.get("type"), str):
        raise wrong(name, wanted, 'an object with a type, such as {"type": "json_object"}')
    check_format(wanted, name)
    return wanted


def _definitions(name: str, tools: object) -> list[dict[str, Any]]:
    if isinstance(tools, str) or not isinstance(tools, Sequence):
        raise wrong(name, tools, "a list of typed functions, or of objects in OpenAI's shape")
    _check_tools([tool for tool in tools if isinstance(tool, Mapping)], name)
    if all(isinstance(tool, Mapping) for tool in tools):
        return [dict(tool) for tool in tools]
    from homa_shared.calls.tools import definitions  # pydantic, which few requests need

    return definitions(tools)


def _check_tools(tools: Sequence[Mapping[str, Any]], name: str) -> None:
    """Definitions of tools: functions in OpenAI's shape; those of other types are a provider's own, and go through.

    Raises:
        InvalidRequest: a type is not a text, a function has no proper name, or its parameters are not a JSON schema.
    """
    for i, tool in enumerate(tools):
        if not isinstance(tool.get("type"), str | None):
            raise InvalidRequest(f"{name}[{i}].type is {tool['type']!r:.40}: expected the name of a type")
        if tool.get("type") == "function" or "function" in tool:
            _check_function(tool, f"{name}[{i}]")


def _check_function(tool: Mapping[str, Any], place: str) -> None:
    if tool.get("type") != "function":
        raise InvalidRequest(f"{place}.type is {tool.get('type')!r:.40}: expected function")
    # OpenAI's Responses API has a function's fields beside its type.
    function, here = (tool["function"], f"{place}.function") if "function" in tool else (tool, place)
    if not isinstance(function, Mapping):
        raise InvalidRequest(f"{here} is {function!r:.80}: expected an object with name and parameters")
    called = function.get("name")
    if not isinstance(called, str) or not _NAME.fullmatch(called):
        raise InvalidRequest(f"{here}.name is {called!r:.80}: expected 1 to 128 letters, digits, _ - . and :")
    if function.get("parameters") is not None:
        from homa.submit.response_format import check_schema

        check_schema(function["parameters"], f"{here}.parameters")
