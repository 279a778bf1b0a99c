"""The calls that a test's jobs made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FakeCall:
    """One call to a provider, as it would have been sent."""

    #: `provider:model`.
    target: str
    messages: Sequence[Mapping[str, Any]]
    #: Parameters by OpenAI's names.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: Texts to embed.
    inputs: Sequence[str] = ()
    #: The job that made it; empty where a function of the test is asked for an answer.
    job_id: str = ""

    @property
    def provider(self) -> str:
        return self.target.partition(":")[0]

    @property
    def model(self) -> str:
        return self.target.partition(":")[2]

    @property
    def prompt(self) -> str:
        """The text of the last message that is the user's."""
        return prompt_of(self.messages) if self.messages else "\n".join(self.inputs)


def prompt_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the last message that is the user's; of the last one, where none is."""
    if not messages:
        return ""
    asked = [message for message in messages if message.get("role") == "user"] or messages[-1:]
    content = asked[-1].get("content")
    if isinstance(content, str) or content is None:
        return content or ""
    return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


def matches(pattern: str | re.Pattern[str], text: str) -> bool:
    """Whether a text is of a pattern: `*` stands for anything, nothing else is special; or a regular expression."""
    if isinstance(pattern, re.Pattern):
        return pattern.search(text) is not None
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
