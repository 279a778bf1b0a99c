"""Schemas and tools of a request, looked at before anything is sent.

A provider would refuse what is wrong with them, and workers do; here it costs nobody a call, and names its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from homa_shared.model.errors import InvalidRequest

#: Names of functions that some provider takes.
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def check_schema(schema: object, name: str) -> None:
    """A JSON schema.

    Args:
        name: what the application calls it.

    Raises:
        InvalidRequest: it is no valid JSON schema (draft 2020-12), or refers to what it does not hold.
    """
    if not isinstance(schema, Mapping):
        raise InvalidRequest(f"{name} is {schema!r:.80}: expected a JSON schema, an object")
    from homa_shared.calls.json_schema import (
        answer_schema,  # a tenth of a second, which requests without a schema do not need
    )

    try:
        answer_schema(schema)
    except TypeError as error:
        raise InvalidRequest(f"{name} is no JSON: {error}; expected text, numbers, lists and objects only") from error
    except InvalidRequest as error:
        raise InvalidRequest(f"{name}: {error}") from error


def check_format(wanted: object, name: str) -> None:
    """A `response_format` in OpenAI's shape; forms that it does not know go through.

    Raises:
        InvalidRequest: it asks for a JSON schema that is none.
    """
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return
    described = wanted.get("json_schema")
    if not isinstance(described, Mapping):
        raise InvalidRequest(f"{name}.json_schema is {described!r:.80}: expected an object with name and schema")
    check_schema(described.get("schema"), f"{name}.json_schema.schema" if name != "schema" else name)


def check_tools(tools: Sequence[Mapping[str, Any]], name: str) -> None:
    """Definitions of tools: functions in OpenAI's shape; those of other types are a provider's own, and go through.

    Raises:
        InvalidRequest: a function has no proper name, or parameters that are no JSON schema.
    """
    for i, tool in enumerate(tools):
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
        check_schema(function["parameters"], f"{here}.parameters")
