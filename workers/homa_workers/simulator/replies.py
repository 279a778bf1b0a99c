"""What the simulated model says: a function of the request and the settings, and of nothing else.

A reply's words are a stretch of one fixed text, begun where the hash of model and prompt says and cut at four bytes a
token, so that making a reply costs a slice. Hidden thinking comes first, and counts towards the output cap.
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt
from random import Random
from typing import Any
from zlib import crc32

from homa_shared.calls.reply import Usage
from homa_workers.simulator.accents import spoken
from homa_workers.simulator.config import SimulatorConfig
from homa_workers.simulator.markers import Orders
from homa_workers.simulator.prompt_cache import CacheUse
from homa_workers.simulator.schema import fitting
from homa_workers.simulator.wire import (
    TOKEN_BYTES,
    Answer,
    Finish,
    Prompt,
    ToolCall,
    byte_length,
    compact_json,
    invalid,
    tokens_of_bytes,
)

_VOCABULARY = (
    "the a this that of in on with from report letter invoice order contract client price amount total date page table "
    "shows states names covers lists adds moves keeps needs early late small large open final next first second plain"
).split()
_WORDS = " ".join(Random(20_26).choices(_VOCABULARY, k=12_000))
#: Of a call that has nothing to do with a prompt cache.
NO_CACHE = CacheUse()
_REFUSAL = "I can't help with that."


def compose(prompt: Prompt, orders: Orders, config: SimulatorConfig, cache: CacheUse = NO_CACHE) -> Answer:
    """The reply to a prompt.

    Args:
        prompt: the call.
        orders: what the prompt asks of the simulator itself.
        config: length and mode.
        cache: what it reads from the prompt cache, and writes to it.

    Raises:
        Failure: of kind INVALID, where a schema cannot be followed.
    """
    seed = crc32(prompt.text.encode(), crc32(prompt.model.encode()))
    if prompt.inputs:
        width = prompt.dimensions or _width(prompt.model, config)
        vectors = tuple(embedding(text, width) for text in prompt.inputs)
        return Answer(text="", finish=Finish.STOP, usage=Usage(input_tokens=prompt.prompt_tokens), vectors=vectors)
    if orders.refuse:
        return _answer(prompt, config, cache, _REFUSAL, (), Finish.REFUSAL)
    tools = _tool_calls(prompt, orders, seed)
    if tools:
        return _answer(prompt, config, cache, "", tools, Finish.TOOL_CALLS)
    thought = config.reasoning_tokens if orders.reasoning_tokens is None else orders.reasoning_tokens
    thought = thought if prompt.max_tokens is None else min(thought, prompt.max_tokens)
    room = None if prompt.max_tokens is None else prompt.max_tokens - thought
    text, finish = _capped(spoken(orders.accent, _text(prompt, orders, config, seed)), room)
    return _answer(prompt, config, cache, text, (), finish, thought)


@lru_cache(maxsize=4096)
def embedding(text: str, width: int) -> tuple[float, ...]:
    """A vector of length 1: equal for equal texts, as good as orthogonal for others."""
    random = Random(crc32(text.encode()))
    raw = [random.random() - 0.5 for _ in range(width)]
    norm = sqrt(sum(value * value for value in raw)) or 1.0
    return tuple(value / norm for value in raw)


def _answer(
    prompt: Prompt,
    config: SimulatorConfig,
    cache: CacheUse,
    text: str,
    tools: tuple[ToolCall, ...],
    finish: Finish,
    thought: int | None = None,
) -> Answer:
    thought = config.reasoning_tokens if thought is None else thought
    said = byte_length(text) + sum(byte_length(tool.name) + byte_length(tool.arguments) for tool in tools)
    usage = Usage(
        input_tokens=prompt.prompt_tokens,
        output_tokens=(tokens_of_bytes(said) + thought) * prompt.choices,
        cached_tokens=cache.read,
        cache_write_tokens=cache.written,
        reasoning_tokens=thought * prompt.choices,
    )
    return Answer(text=text, finish=finish, usage=usage, tool_calls=tools)


def _text(prompt: Prompt, orders: Orders, config: SimulatorConfig, seed: int) -> str:
    if orders.say is not None:
        return orders.say
    if prompt.schema is not None:
        return _fitting_json(prompt.schema, seed)
    if config.reply == "echo":
        return prompt.last_user
    n_tokens = orders.output_tokens
    if n_tokens is None:
        swing = (seed >> 8) % 1001 / 500 - 1
        n_tokens = max(1, round(config.output_tokens * (1 + config.output_spread * swing)))
    return _words(seed, n_tokens)


def _words(seed: int, n_tokens: int) -> str:
    start, n_bytes = seed % len(_WORDS), n_tokens * TOKEN_BYTES
    text = _WORDS[start : start + n_bytes]
    while len(text) < n_bytes:
        text += _WORDS[: n_bytes - len(text)]
    return text


def _capped(text: str, max_tokens: int | None) -> tuple[str, Finish]:
    if max_tokens is None or tokens_of_bytes(byte_length(text)) <= max_tokens:
        return text, Finish.STOP
    return text.encode()[: max_tokens * TOKEN_BYTES].decode(errors="ignore"), Finish.LENGTH


def _tool_calls(prompt: Prompt, orders: Orders, seed: int) -> tuple[ToolCall, ...]:
    if prompt.after_tool:
        return ()
    calls = orders.tools
    if not calls and prompt.forced_tool and prompt.tools:
        name = prompt.forced_tool if prompt.forced_tool in prompt.tools else next(iter(prompt.tools))
        calls = (ToolCall(name=name, arguments=""),)
    return tuple(
        call if call.arguments else ToolCall(name=call.name, arguments=_arguments(prompt, call.name, seed))
        for call in calls
    )


def _arguments(prompt: Prompt, tool: str, seed: int) -> str:
    return _fitting_json(prompt.tools.get(tool) or {"type": "object"}, seed)


def _fitting_json(schema: Any, seed: int) -> str:
    try:
        return compact_json(fitting(schema, seed))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise invalid(f"Invalid schema: {error!r}") from error


def _width(model: str, config: SimulatorConfig) -> int:
    if "text-embedding-3-large" in model:
        return 3072
    return 1536 if "text-embedding" in model else config.embedding_dimensions
