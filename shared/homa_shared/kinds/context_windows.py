"""Context windows of models that the price list has without one, as their makers document them.

What the price list or the settings say stands above this. A window holds prompt and reply; of Gemini it is the limit of
the input, which is documented apart from that of the output.

Sources, compared on 2026-11-30: ai.google.dev/gemini-api/docs/models (2.5 Pro, 3 Pro, 3.1 Pro: input token limit);
docs.cohere.com/docs/command-a-reasoning (Command A and Command A Reasoning);
aws.amazon.com/bedrock/cohere-command-embed (Command R, R+).
"""

from __future__ import annotations

import re

#: A name is looked for wherever the model is served, since its family keeps it behind a gateway's prefixes.
_WINDOWS = (
    (re.compile(r"(?:^|[/.])gemini-(?:2\.5|3|3\.1)-pro(?!-(?:tts|image|preview-tts))"), 1_048_576),
    (re.compile(r"(?:^|[/.])command-a(?:$|-03-2025|-reasoning)"), 256_000),
    (re.compile(r"(?:^|[/.])command-r(?:$|-plus|-\d|-v1)"), 128_000),
)


def documented_window(model: str) -> int | None:
    """Tokens of a model's context by its name; None where it stands in no row."""
    return next((tokens for pattern, tokens in _WINDOWS if pattern.search(model)), None)
