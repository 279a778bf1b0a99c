"""How a document above the window is divided, and what is asked about its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from homa.files import PromptTemplate, Row
from homa.files.spelling import Spelling
from homa.files.units.chunks import chunks
from homa.files.units.headings import headings
from homa.files.units.unit import MOST_TOKENS, PAGE, Units
from homa.flows.flow import MOST_STEPS
from homa.runs.long.room import Room
from homa.runs.long.ways import MAP_REDUCE, REFINE
from homa.runs.stored_values import rendered
from homa_shared.calls.flow_items import MOST_BYTES
from homa_shared.calls.prompt_templates import Template as StoredTemplate
from homa_shared.model.errors import InvalidRequest

#: Most answers that one call brings together.
MOST_WIDTH = 20
#: Of a window, where Homa chooses the output cap: several answers have to fit the call that brings them together.
_PART_OF_WINDOW = 8
#: Most parts that are read one after the other: a step of a flow each, behind its inputs.
MOST_READ = MOST_STEPS - 1

_OF_A_PART = (
    "The document below is one part of a longer document. Answer for this part alone: the answers for all parts will "
    "be brought together afterwards.\n\n"
)
_TOGETHER = (
    "A document was too long to be read at once. The same request was answered for each of its parts, or for several "
    "parts together. Bring these answers together to the one answer for the whole document: keep what they say, settle "
    "what they say twice, and do not mention that there were parts.\n\nThe request:\n\n{request}\n\nThe answers, in "
    "the order of the parts:\n\n{{{{items}}}}"
)
FIRST, REQUEST = "homa part 1", "homa request"
_NEXT = (
    "A document is too long to be read at once, and is read part by part.\n\nThe request:\n\n{{{{homa request}}}}\n\n"
    "The answer so far, from the parts before:\n\n{{{{answer}}}}\n\nThe next part:\n\n{{{{homa part {number}}}}}\n\n"
    "Give the whole answer anew, with what this part adds or corrects; where it adds nothing, the answer so far. "
    "Do not mention that there were parts."
)
#: What stands for the document where a request is repeated.
_DOCUMENT = "[the document]"


@dataclass(frozen=True, slots=True)
class Division:
    """How documents are divided.

    Args:
        way: MAP_REDUCE or REFINE.
        room: what fits a call, by the cap of its answers.
        template: of the request.
        most: most tokens of a part, and how many it repeats of the one before; None: as many as fit.
        spelled: how whoever asks names options.
        stored: the stored template that rows give values to.
    """

    way: str
    room: Room
    template: PromptTemplate
    most: Units | None = None
    spelled: Spelling = Spelling.FLAGS
    stored: StoredTemplate | None = None

    @classmethod
    def of(
        cls,
        way: str,
        room: Room,
        template: PromptTemplate,
        most: Units | None,
        *,
        own_cap: bool,
        spelled: Spelling,
        stored: StoredTemplate | None = None,
    ) -> Division:
        """A division.

        Args:
            own_cap: Homa chooses how long answers may be.

        Raises:
            InvalidRequest: two answers would not fit the call that brings them together.
        """
        assert room.window is not None
        cap = min(room.cap, max(1, room.window // _PART_OF_WINDOW)) if own_cap else room.cap
        made = cls(way, replace(room, cap=cap), template, most, spelled, stored)
        if made.width < 2:
            raise InvalidRequest(
                f"{spelled('long', way)}: the context window of {room.target} is {room.window:,} tokens, and answers "
                f"have up to {cap:,}, so that the request, two answers and the next do not fit: expected a lower "
                f"{spelled('max_tokens')}, or a model with a larger window"
            )
        return made

    @property
    def _long(self) -> str:
        return self.spelled("long", self.way)

    @property
    def width(self) -> int:
        """Answers that one call brings together."""
        left = self.room.left(self.together.replace("{{items}}", ""))
        return min(MOST_WIDTH, left // self.room.cap)

    @property
    def together(self) -> str:
        """What is asked of answers."""
        parts = self.template.parts
        said = "".join(
            part if not at % 2 else _DOCUMENT if part == "text" else f"[{part}]" for at, part in enumerate(parts)
        )
        return _TOGETHER.format(request=said)

    @property
    def asked(self) -> list[object]:
        """What stands in the digest of a row that is divided so."""
        return [self.way, self.room.window, self.room.cap, *([] if self.most is None else self.most.asked)]

    def next_prompt(self, number: int) -> str:
        """What is asked about a part behind the first."""
        return _NEXT.format(number=number)

    def item(self, row: Row) -> dict[str, Any]:
        """A document as an input of the flow.

        Raises:
            InvalidRequest: it cannot be divided.
        """
        self.check(row)
        parts = self.parts(row)
        if self.way == MAP_REDUCE:
            return {"id": row.custom_id, "parts": [{"prompt": self.of_part(row, part)} for part in parts]}
        numbered = {f"homa part {number}": part for number, part in enumerate(parts[1:], 2)}
        return {FIRST: self.of_part(row, parts[0]), REQUEST: self._rendered(row, _DOCUMENT), **numbered}

    def check(self, row: Row) -> None:
        """Raises InvalidRequest where a document cannot be divided: what its text has nothing to do with."""
        if row.images:
            raise InvalidRequest(
                f"has images, which {self._long} cannot show: expected {self.spelled('unit', PAGE)}, or "
                f"{self.spelled('pages', 'text')}"
            )
        if "text" not in self.template.names or not (row.text or "").strip():
            raise InvalidRequest(f"is too long beside its text, and {self._long} divides that: name {{{{text}}}}")

    def parts(self, row: Row) -> list[str]:
        """The text of a document in parts.

        Raises:
            InvalidRequest: the request alone leaves no room, or there are too many parts.
        """
        text, tokens, overlap = row.text or "", self._tokens(row), 0 if self.most is None else self.most.overlap
        found = chunks(text, headings(text, row.path), self.room.measure, tokens, min(overlap, tokens // 2))
        parts = [text[span.start : span.end] for span in found]
        if self.way == REFINE and len(parts) > MOST_READ:
            raise InvalidRequest(
                f"has {len(parts)} parts of {tokens:,} tokens: {self._long} reads at most {MOST_READ} one after the "
                f"other; expected {self.spelled('long', MAP_REDUCE)}, or a model with a larger window"
            )
        if self.way == REFINE and len(text.encode("utf-8", "replace")) > MOST_BYTES // 2:
            raise InvalidRequest(
                f"has more than {MOST_BYTES // 2:,} bytes of text, which {self._long} cannot keep: expected "
                f"{self.spelled('long', MAP_REDUCE)}"
            )
        return parts

    def of_part(self, row: Row, part: str) -> str:
        """The prompt for the first part, or of any of those that are brought together."""
        return f"{_OF_A_PART}{self._rendered(row, part)}"

    def _tokens(self, row: Row) -> int:
        """Most of a part."""
        left = self.room.left(self.of_part(row, ""))
        if self.way == REFINE:
            left = self.room.left(self.next_prompt(MOST_READ) + self._rendered(row, _DOCUMENT)) - self.room.cap
        left = min(left // self.template.parts[1::2].count("text"), MOST_TOKENS)
        if left < 1:
            raise InvalidRequest(
                f"leaves no room for its parts: the window of {self.room.target} is {self.room.window:,} tokens; "
                f"expected a shorter prompt, a lower {self.spelled('max_tokens')}, or a model with a larger window"
            )
        return left if self.most is None else min(left, self.most.tokens)

    def _rendered(self, row: Row, text: str) -> str:
        fields: Mapping[str, Any] = {**row.fields, "text": text} if "text" in row.fields else row.fields
        return rendered(self.stored, self.template, replace(row, text=text, fields=fields))
