"""Which units a run asks about, and what is told of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Any

from homa.files.spelling import Spelling
from homa_shared.model.errors import InvalidRequest

DOCUMENT, PAGE, SECTION, CHUNK = "document", "page", "section", "chunk"
KINDS = (DOCUMENT, PAGE, SECTION, CHUNK)
#: Tokens of a chunk where nobody says, and more than any may have.
CHUNK_TOKENS, MOST_TOKENS = 4000, 1_000_000
#: What is told of a unit: its columns, which prompts may name, and `homa.unit` of its line.
COLUMNS = ("unit", "file", "page", "start", "end", "heading")
#: Put before the name of a column that the row has itself.
APART = "unit_"


@dataclass(frozen=True, slots=True)
class Units:
    """What each answer is about.

    Args:
        kind: one of KINDS.
        tokens: most of a chunk, what it repeats included.
        overlap: most tokens of the chunk before that a chunk begins with.
        spelled: how whoever asks for them names them.

    Raises:
        InvalidRequest: one of them is wrong.
    """

    kind: str = DOCUMENT
    tokens: int = CHUNK_TOKENS
    overlap: int = 0
    spelled: InitVar[Spelling] = Spelling.FLAGS

    def __post_init__(self, spelled: Spelling) -> None:
        if self.kind not in KINDS:
            raise InvalidRequest(f"{spelled.is_wrong('unit', self.kind)}: expected {', '.join(KINDS)}")
        if not 1 <= self.tokens <= MOST_TOKENS:
            raise InvalidRequest(f"{spelled.is_wrong('chunk_tokens', self.tokens)}: expected 1 to {MOST_TOKENS:,}")
        if not 0 <= self.overlap <= self.tokens // 2:
            raise InvalidRequest(
                f"{spelled.is_wrong('overlap', self.overlap)}: expected 0 to {self.tokens // 2}, half of "
                f"{spelled('chunk_tokens', self.tokens)}; with more, most of what is paid for would be repeated"
            )

    @property
    def whole(self) -> bool:
        """Whether documents stay as they are."""
        return self.kind == DOCUMENT

    @property
    def asked(self) -> list[object]:
        """What it adds to the digest of an order; nothing for whole documents."""
        if self.whole:
            return []
        return [self.kind, self.tokens, self.overlap] if self.kind == CHUNK else [self.kind]


def with_columns(fields: Mapping[str, Any], unit: Mapping[str, Any]) -> dict[str, Any]:
    """A row's columns with those of its unit; one that the row has itself is called `unit_…`."""
    return {**fields, **{name if name not in fields else f"{APART}{name}": unit[name] for name in COLUMNS}}


def unit_in(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The unit that columns tell of, as `with_columns` has put it there; empty where they tell of none."""
    found = {name: fields.get(f"{APART}{name}", fields.get(name)) for name in COLUMNS}
    return found if all(name in fields for name in COLUMNS) else {}
