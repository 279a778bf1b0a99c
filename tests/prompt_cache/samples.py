"""Texts of a size, and prompts that begin with them."""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]

#: Longer than the least prefix that any model but the pickiest keeps: some 2 400 tokens.
INSTRUCTIONS = "".join(f"Rule {n}: read the letter with care, and say who wrote it.\n" for n in range(150))
#: Long enough for models that keep nothing below 4096 tokens, too.
MANUAL = INSTRUCTIONS * 3


def system(content: object) -> Message:
    return {"role": "system", "content": content}


def user(content: object) -> Message:
    return {"role": "user", "content": content}


def assistant(content: object, **more: Any) -> Message:
    return {"role": "assistant", "content": content, **more}
