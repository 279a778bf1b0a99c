"""Whether a file is one of requests, which is known before anything of it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from homa.files.digests import Digests
from homa.gateway.batches.line_format import BadLine, LineFormat, RequestLine
from homa.gateway.batches.lines import FileLine
from homa.gateway.json_depth import TOO_DEEP, is_too_deep
from homa_shared.model.json_safe import sound_json

#: Errors that are told; a file with more of them is as wrong.
_MOST_ERRORS = 100
#: Ids that are held against one another, at about 100 bytes each.
_MOST_IDS = 1_000_000
#: Lines that are looked at before others have their turn on the event loop.
_AT_ONCE = 100


def read_line(form: LineFormat, data: bytes) -> RequestLine:
    """The request of a line; raises BadLine."""
    try:
        line = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadLine("invalid_json_line", f"the line is not JSON: {error}") from None
    if not isinstance(line, dict):
        raise BadLine("invalid_json_line", f"the line is {type(line).__name__}: expected a JSON object")
    if is_too_deep(data, line):
        raise BadLine("invalid_json_line", f"the line {TOO_DEEP}")
    return form.read(line)


async def check_lines(form: LineFormat, lines: AsyncIterator[FileLine]) -> int | list[dict[str, Any]]:
    """The number of requests of a file, or what is wrong with it, as `errors.data` of a batch tells."""
    errors: list[dict[str, Any]] = []
    ids, count = Digests(), 0
    try:
        async for line in lines:
            try:
                _check(form, line, ids)
            except BadLine as bad:
                errors.append(_told(bad.code, bad.message, line.before + 1, bad.param))
                if len(errors) >= _MOST_ERRORS:
                    return errors
            count += 1
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
    except ValueError as error:
        errors.append(_told("invalid_json_line", str(error), None, None))
    if not count and not errors:
        errors.append(_told("empty_file", "the file is empty: expected a JSON object on each line", None, None))
    return errors or count


def _check(form: LineFormat, line: FileLine, ids: Digests) -> None:
    custom_id = read_line(form, line.data).custom_id
    if len(ids) < _MOST_IDS and not ids.add(custom_id):
        raise BadLine(
            "duplicate_custom_id", f"custom_id is {custom_id!r:.80}, which a line before has too", "custom_id"
        )


def _told(code: str, message: str, line: int | None, param: str | None) -> dict[str, Any]:
    # Words of a file may hold what no JSON text can.
    said: dict[str, Any] = orjson.loads(sound_json({"message": message}))
    return {"code": code, "line": line, "message": said["message"], "param": param}
