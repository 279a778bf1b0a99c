"""What every dialect does alike when it reads a body: adding up what is said, and checking fields.

Failures are of kind INVALID: what the provider answers with 400.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homa_workers.simulator.wire import (
    MEDIA_TOKENS,
    Operation,
    Prompt,
    byte_length,
    compact_json,
    invalid,
    tokens_of_bytes,
)

#: Most numbers of one vector: more than any model has, and no more than a machine holds many of.
_WIDEST = 65_536
#: The schema of a reply that may be any JSON object.
ANY_OBJECT: Mapping[str, Any] = {"type": "object", "properties": {"answer": {"type": "string"}}}


class Conversation:
    """Messages, read one after another."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._media = 0
        #: The last message in the user's own words.
        self.last_user = ""
        #: Whether the last message brings a tool's result.
        self.after_tool = False

    def add(self, text: str, media: int = 0, *, by_user: bool = False, tool_result: bool = False) -> None:
        """Take a message in.

        Args:
            media: how many images, documents and other media it holds.
            by_user: whether its role is the user's, which some APIs give to results of tools, too.
        """
        self._texts.append(text)
        self._media += media
        self.after_tool = tool_result
        if by_user and not tool_result:
            self.last_user = text

    @property
    def text(self) -> str:
        """All that was said."""
        return "\n".join(self._texts)

    def tokens(self, text: str, tools: object) -> int:
        """Tokens of the prompt.

        Args:
            text: all that was said.
            tools: definitions as the request holds them, which count by their JSON.
        """
        n_bytes = byte_length(text) + (byte_length(compact_json(tools)) if tools else 0)
        return tokens_of_bytes(n_bytes) + self._media * MEDIA_TOKENS


def embedding_prompt(
    model: str,
    inputs: Sequence[str],
    dimensions: int | None,
    *,
    shape: str = "",
    base64: bool = False,
    marker: str = "",
) -> Prompt:
    """A call for the vectors of texts. Raises Failure where they would be wider than any model's."""
    expect_count({"dimensions": dimensions}, "dimensions", most=_WIDEST)
    return Prompt(
        operation=Operation.EMBED,
        model=model,
        text="\n".join(inputs),
        # Orders may stand in any of them.
        last_user="\n".join(text for text in inputs if "[[" in text) or inputs[-1],
        prompt_tokens=sum(tokens_of_bytes(byte_length(text)) for text in inputs),
        inputs=tuple(inputs),
        dimensions=dimensions,
        shape=shape,
        base64=base64,
        marker=marker,
    )


def json_marker(fields: object) -> str:
    """What the caller wrote onto a request as an object, for the bill."""
    return compact_json(fields) if fields else ""


def expect_list(body: Mapping[str, Any], name: str) -> list[Any]:
    """A field that must be a list with something in it. Raises Failure."""
    value = body.get(name)
    if not isinstance(value, list) or not value:
        raise invalid(f"{name!r} is {value!r:.60}; expected a list with at least one item")
    return value


def expect_text(body: Mapping[str, Any], name: str) -> str:
    """A field that must be a text with something in it. Raises Failure."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"{name!r} is {value!r:.60}; expected a text")
    return value


def expect_count(body: Mapping[str, Any], name: str, *, required: bool = False, most: int | None = None) -> int | None:
    """A field that must be a whole number above zero, or None where it may be missing. Raises Failure."""
    value = body.get(name)
    if value is None and not required:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise invalid(f"{name!r} is {value!r:.60}; expected a whole number of at least 1")
    if most is not None and value > most:
        raise invalid(f"{name!r} is {value!r:.60}; expected at most {most}")
    return value
