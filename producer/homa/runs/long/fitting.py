"""Which rows are longer than the window, and what becomes of them: refused before anything is paid, or cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from homa.files import PromptTemplate, Row
from homa.files.spelling import Spelling
from homa.files.units.boundaries import character_start
from homa.files.units.unit import CHUNK, PAGE, SECTION, Units
from homa.runs.document_options import DocumentOptions
from homa.runs.long.division import Division
from homa.runs.long.flows import check_step_options
from homa.runs.long.room import Room
from homa.runs.long.ways import ERROR, TRUNCATE, WAYS
from homa.submit.template import Template
from homa_shared.calls.prompt_templates import Template as StoredTemplate
from homa_shared.calls.tokens import TOKENS_PER_IMAGE
from homa_shared.model.errors import InvalidRequest

#: Characters before the end of a text that is cut in which a blank is looked for.
_BLANK_WITHIN = 200


@dataclass
class Fitting:
    """Holds rows against the window.

    Args:
        way: one of WAYS.
        room: what fits.
        template: how a row becomes its prompt.
        calls: what the calls of the run have in common.
        division: how documents are asked about in parts; None where they are not.
        spelled: how whoever asks names options.
        stored: the stored template that rows give values to.
    """

    way: str
    room: Room
    template: PromptTemplate
    calls: Template
    division: Division | None = None
    spelled: Spelling = Spelling.FLAGS
    stored: StoredTemplate | None = None
    #: Told of each row that is too long, whatever becomes of it.
    on_long: Callable[[Row, str], None] | None = None

    @classmethod
    def of(
        cls,
        documents: DocumentOptions,
        room: Room,
        template: PromptTemplate,
        calls: Template,
        given: Mapping[str, Any],
        spelled: Spelling,
        stored: StoredTemplate | None,
    ) -> Fitting:
        """How the rows of a run are held against the window.

        Args:
            given: options of the run's jobs.

        Raises:
            InvalidRequest: nobody knows the window, and the way needs it; or the options do not go with the way.
        """
        way = documents.way
        if way != ERROR and room.window is None:
            raise InvalidRequest(
                f"{spelled('long', way)}: nobody knows the context window of {room.target}: expected "
                f"{spelled('window')} TOKENS, or context_window in a [models.<alias>] of homa.toml"
            )
        made = cls(way, room, template, calls, spelled=spelled, stored=stored)
        if documents.divided:
            check_step_options(way, given, spelled, stored)
            made.division = made.division_by(way, documents.parts)
        return made

    def division_by(self, way: str, most: Units | None) -> Division:
        """How documents would be divided one way.

        Args:
            most: of their parts; None: as many tokens as fit.

        Raises:
            InvalidRequest: two answers would not fit the call that brings them together.
        """
        own_cap, spelled, stored = self.calls.has_own_cap, self.spelled, self.stored
        return Division.of(way, self.room, self.template, most, own_cap=own_cap, spelled=spelled, stored=stored)

    def is_long(self, row: Row, prompt: str) -> bool:
        """Whether a row does not fit the window; of those that are refused only where that is sure."""
        if len(prompt) + len(row.images) * TOKENS_PER_IMAGE <= self.room.safe_characters:
            return False  # without a count
        exceeds = self.room.exceeds_surely if self.way == ERROR else self.room.exceeds
        if not exceeds(prompt, len(row.images)):
            return False
        if self.on_long is not None:
            self.on_long(row, prompt)
        return True

    def divides(self, row: Row) -> list[object] | None:
        """How a row that is too long is asked about in parts; None where it is cut.

        Raises:
            InvalidRequest: it cannot be divided.
        """
        if self.division is None:
            return None
        self.division.check(row)
        return self.division.asked

    def fitted(self, row: Row, prompt: str) -> Row:
        """A row that is too long, cut at its end.

        Raises:
            InvalidRequest: it is to be refused, or cannot be cut.
        """
        if self.way == ERROR:
            raise InvalidRequest(self._refused(prompt, len(row.images)))
        return self.truncated(row)

    def truncated(self, row: Row) -> Row:
        """A row whose text is cut at its end, so that its prompt fits the first target.

        Raises:
            InvalidRequest: the prompt is too long without the text, or does not hold it.
        """
        text = row.text or ""
        end = self._end(row, text)
        note = f"cut at its end: {end:,} of {len(text):,} characters are shown (--long {TRUNCATE})"
        return replace(_with_text(row, text[:end].rstrip()), notes=(*row.notes, note))

    def _end(self, row: Row, text: str) -> int:
        times = self.template.parts[1::2].count("text")
        rest = self.template.render(_with_text(row, ""))
        left = self.room.left(rest, len(row.images)) // times if times else 0
        if not left:
            raise InvalidRequest(
                f"has {self.room.told(rest, len(row.images))} beside its text, and the context window of "
                f"{self.room.target} is {self.room.window:,} with {self.room.cap:,} of them for the answer: expected "
                f"{self._pages if row.images else 'a shorter prompt'}, a lower {self.spelled('max_tokens')}, or a "
                "model with a larger window"
            )
        end = min(self.room.measure.longest(text, 0, left), len(text))
        blank = max(text.rfind(each, max(0, end - _BLANK_WITHIN), end) for each in " \n\t")
        return blank if blank > 0 and end < len(text) else character_start(text, end)

    def _refused(self, prompt: str, images: int) -> str:
        return (
            f"has {self.room.told(prompt, images)}, and the context window of {self.room.target} is "
            f"{self.room.widest:,}: expected {self._pages if images else self._other_ways}, or a model with a larger "
            "window"
        )

    @property
    def _other_ways(self) -> str:
        ways = self.spelled("long", *(way for way in WAYS if way != ERROR))
        return f"{ways} for one answer all the same, {self.spelled('unit', PAGE, SECTION, CHUNK)} for an answer a part"

    @property
    def _pages(self) -> str:
        """What helps where images take the room: they are neither cut nor divided."""
        return f"{self.spelled('unit', PAGE)} for an answer a page, {self.spelled('pages', 'text')}"


def _with_text(row: Row, text: str) -> Row:
    fields = {**row.fields, "text": text} if "text" in row.fields else row.fields
    return replace(row, text=text, fields=fields)
