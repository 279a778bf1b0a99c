"""Schemas that a model or server does not follow strictly, whatever strict_schema.py knows: asked for loosely."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import orjson

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion
from homa_workers.providers.second_request import Another, once_more

#: How OpenAI begins to say that it cannot follow a schema, in either API.
_REFUSED = "Invalid schema for response_format"
#: Most schemas that are remembered; the lines of a batch share one.
_KEPT = 256


class RefusedSchemas:
    """What one account has refused to follow strictly; an answer is checked in any case."""

    def __init__(self) -> None:
        self._refused: set[bytes] = set()

    def strictly_or_not(
        self, call: Call, work: Callable[[Call], Coroutine[Any, Any, Completion]]
    ) -> Coroutine[Any, Any, Completion]:
        """A call, and once more without strictness where its schema is refused.

        Most calls have no schema: they are handed on as they are, since thousands of them wait at once.
        """
        return self._strictly(call, work) if _is_strict(call.params.get("response_format")) else work(call)

    async def _strictly(self, call: Call, work: Callable[[Call], Coroutine[Any, Any, Completion]]) -> Completion:
        schema = orjson.dumps(call.params["response_format"])
        if schema in self._refused:
            return await work(_loosely(call))

        def another(refusal: ProviderError) -> Another[Completion] | None:
            if refusal.kind is not ErrorKind.INVALID_REQUEST or _REFUSED not in refusal.message:
                return None
            if len(self._refused) >= _KEPT:
                self._refused.clear()
            self._refused.add(schema)
            return "without strict in its schema", lambda: work(_loosely(call))

        return await once_more(lambda: work(call), another)


def _is_strict(wanted: object) -> bool:
    match wanted:
        case {"type": "json_schema", "json_schema": {"strict": True}}:
            return True
    return False


def _loosely(call: Call) -> Call:
    wanted: Mapping[str, Any] = call.params["response_format"]
    loose = {**wanted, "json_schema": {**wanted["json_schema"], "strict": False}}
    return replace(call, params={**call.params, "response_format": loose})
