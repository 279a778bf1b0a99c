"""Named patterns of what should not be read by everybody, in the syntax that RE2 and Python's `re` share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

#: They rather hide too much.
PRESETS: Mapping[str, str] = {
    "email": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    # 13 to 19 digits (ISO/IEC 7812), with blanks or hyphens between them.
    "card": r"\b\d(?:[ -]?\d){12,18}\b",
    # ISO 13616: country, two check digits, up to 30 characters, in groups or not.
    "iban": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b",
    # E.164 with its +, or with a leading 0, and separators.
    "phone": r"(?:\+\d|\b0)(?:[ ()/.-]{0,2}\d){6,14}\b",
    "ip": r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{1,4}\b",
}
#: Longest text that `excerpt` looks at, characters: `re` may take its square in steps.
_MOST_CHARS = 4_000
#: So many characters more are looked at than are shown, so that what is cut in two at the end is found all the same.
_MARGIN = 512


def excerpt(text: str, chars: int) -> str:
    """The beginning of a text, with nothing in it that a preset finds; at most a few thousand characters of it."""
    looked_at = min(_MOST_CHARS, chars + _MARGIN)
    whole = text[:looked_at]
    for name, pattern in _compiled().items():
        whole = pattern.sub(f"[{name}]", whole)
    if len(text) > looked_at:
        # What was found has become shorter: the end, where something may be cut in two, stands further in front.
        whole = whole[:-_MARGIN]
    return whole if len(text) <= chars and len(whole) <= chars else f"{whole[:chars]}…"


@cache
def _compiled() -> Mapping[str, re.Pattern[str]]:
    return {name: re.compile(pattern) for name, pattern in PRESETS.items()}
