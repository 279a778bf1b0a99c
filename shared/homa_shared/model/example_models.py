"""Models that messages, documents, the demo, benchmarks and tests name: the one place to change once one is superseded.

Each is one that somebody would choose today and still find in half a year. To change one, give it the new name, put the
old one into `was`, and run `make example-models`, which writes the new one wherever the old one stands.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """A model that examples name."""

    #: Account in the examples; it has the kind's name.
    provider: str
    model: str
    #: Names that it had before, which are not written any more.
    was: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """As jobs name it: `provider:model`."""
        return f"{self.provider}:{self.model}"


OPENAI = Example("openai", "gpt-6-luna", was=("gpt-5-mini",))
#: A second one of the same family, where a text needs two.
OPENAI_LARGE = Example("openai", "gpt-6-sol", was=("gpt-5", "gpt-5-nano"))
OPENAI_EMBEDDINGS = Example("openai", "text-embedding-3-small")
ANTHROPIC = Example("anthropic", "claude-haiku-5-5", was=("claude-haiku-4-5",))
ANTHROPIC_MIDDLE = Example("anthropic", "claude-sonnet-5-5", was=("claude-sonnet-4-5",))
ANTHROPIC_LARGE = Example("anthropic", "claude-opus-5-5")
GEMINI = Example("gemini", "gemini-3.5-flash-lite", was=("gemini-2.5-flash",))
GEMINI_LARGE = Example("gemini", "gemini-3.8-flash", was=("gemini-2.5-pro",))
BEDROCK = Example("bedrock", "us.amazon.nova-2-lite-v1:0", was=("us.amazon.nova-lite-v1:0",))
COHERE = Example("cohere", "command-a-03-2025", was=("command-r",))
#: An alias of its own, which moves with its newest small model.
MISTRAL = Example("mistral", "mistral-small-latest")
OLLAMA = Example("ollama", "llama3.3")

#: All of them.
EXAMPLES = (
    *(OPENAI, OPENAI_LARGE, OPENAI_EMBEDDINGS, ANTHROPIC, ANTHROPIC_MIDDLE, ANTHROPIC_LARGE, GEMINI, GEMINI_LARGE),
    *(BEDROCK, COHERE, MISTRAL, OLLAMA),
)
