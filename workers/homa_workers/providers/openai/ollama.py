"""Ollama's dialect of Chat Completions.

Its server reads few parameters and ignores all others without a word: github.com/ollama/ollama, openai/openai.go.
"""

from __future__ import annotations

from homa_workers.providers.openai.dialects import Body, Dialect


def _said(body: Body) -> Body:
    """A request whose choice among tools is not read: where none may be called, none is offered."""
    choice = body.get("tool_choice")
    if choice == "none":
        body.pop("tools", None)
    if choice in ("auto", "none"):
        del body["tool_choice"]
    return body


OLLAMA = Dialect(
    refused=frozenset({"n"}),
    # The newer name is ignored, and the answer would have no end.
    output_cap="max_tokens",
    embedding_names={"user": None},
    to_wire=_said,
)
