"""A provider that bills as hard as its documents allow, by the body that it is sent.

It shares nothing with the calculator of bounds: what that forgets shows here as a bill above the bound. A token has a
byte; every name and every value of the body is read; an answer fills its cap, once for each choice, all of it thought.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

#: Nano-dollars a token, and for one use of a tool that the provider runs.
INPUT, OUTPUT, FEE = 1_000, 4_000, 10_000_000
#: Tokens of whatever is not in the body: a stored file or conversation, a page that is fetched, a film.
ELSEWHERE = 120_000
#: Tokens of a picture, and of a provider's own instructions for tools.
PICTURE, INSTRUCTIONS = 3_000, 804
#: Tokens of an answer that nothing caps.
UNCAPPED = 128_000

_CAP = re.compile(r"^max_?(?:completion_|output_|new_|gen_)?(?:tokens?|len)(?:_to_sample)?$|^max(?:Output)?Tokens$")
_TIMES = frozenset(
    {"n", "candidate_count", "candidateCount", "best_of", "num_generations", "num_return_sequences", "samples"}
)
_STORED = frozenset(
    {
        "cached_content", "container", "conversation", "data_sources", "file_id", "mcp_servers", "plugins",
        "previous_response_id", "prompt_id", "s3Location", "vector_store_ids", "web_search_options", "connectors",
        "stored_thing_id", "page_url",
    }
)  # fmt: skip
_SCHEMAS = frozenset(
    "parameters input_schema inputSchema schema parameters_json_schema response_json_schema json".split()
)
_RUN_BY_CALLER = frozenset({"function", "custom"})


def bill(body: Mapping[str, Any]) -> int:
    """Nano-dollars that a call may come to on the bill."""
    read, written = tokens(body)
    tools = body.get("tools") or (body.get("toolConfig") or {}).get("tools") or ()
    fees = sum(FEE + ELSEWHERE * INPUT for tool in tools if _is_hosted(tool))
    return read * INPUT + written * OUTPUT + fees


def tokens(body: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens that a call may be billed for, of input and of output."""
    cap, times, predicted = 0, 1, 0
    read = INSTRUCTIONS
    for path, value in _leaves(body):
        name = path[-1]
        read += len(name.encode()) + _tokens(path, value)
        if _CAP.match(name) and isinstance(value, int) and not _is_schema(path):
            cap = max(cap, value)
        if name in _TIMES and isinstance(value, int) and not _is_schema(path):
            times *= max(1, value)
        if "prediction" in path:
            predicted += len(str(value).encode())
        if not _is_schema(path) and _STORED & set(path):
            read += ELSEWHERE
    return read, ((cap or UNCAPPED) + predicted) * times


def embeddings_bill(texts: list[str], params: Mapping[str, Any]) -> int:
    """Nano-dollars of a call that embeds texts, each behind whatever is said to all."""
    said = sum(len(name) + len(str(value).encode()) for name, value in params.items() if name != "dimensions")
    return sum(len(text.encode()) + 3 + (said if "instruction" in params else 0) for text in texts) * INPUT


def _leaves(value: Any, path: tuple[str, ...] = ("",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path, value


def _tokens(path: tuple[str, ...], value: Any) -> int:
    if isinstance(value, bytes) or (isinstance(value, str) and value.startswith("data:")):
        return PICTURE
    if path[-1] == "data" and {"source", "inline_data", "input_audio"} & set(path) and " " not in str(value):
        return PICTURE
    if path[-1] in ("url", "image_url", "file_uri") and str(value).startswith("http"):
        return PICTURE if re.search(r"\.(?:png|jpe?g|webp|gif)$", str(value)) else ELSEWHERE
    return 0 if value is None else len(str(value).encode())


def _is_schema(path: tuple[str, ...]) -> bool:
    """Whether a name stands in a JSON schema, where it is only a name."""
    return bool(_SCHEMAS & set(path[:-1]))


def _is_hosted(tool: Mapping[str, Any]) -> bool:
    if tool.get("type") in _RUN_BY_CALLER:
        return False
    return not ({"input_schema", "function_declarations", "toolSpec"} & tool.keys())
