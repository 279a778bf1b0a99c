"""`python -m homa_shared.calls.schema_process`: checks one answer in a process that may be ended when it takes long.

Reads `{"schema": …, "text": …}`; writes `{"wrong": what does not fit, or null}` or `{"invalid": what ails the schema}`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import orjson

from homa_shared.calls.json_schema import AnswerSchema
from homa_shared.model.errors import InvalidReply, InvalidRequest

#: Most memory, in bytes of address space: a check that takes more is wrong about something.
MOST_MEMORY = 4 * 1024**3


def main() -> None:
    """Checks what stands on standard input."""
    _limit_memory()
    asked = orjson.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(orjson.dumps(_checked(asked["schema"], asked["text"])))


def _checked(schema: Mapping[str, Any], text: str) -> dict[str, str | None]:
    try:
        AnswerSchema(schema).check(text, bounded=False)
    except InvalidReply as error:
        return {"wrong": str(error)}
    except InvalidRequest as error:
        return {"invalid": str(error)}
    return {"wrong": None}


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    main()
