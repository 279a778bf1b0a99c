"""An answer of a run with its citations: quotes are taken out of it, found in its row's texts, and told beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa.files.citing.quotes import FoundQuote, find_quotes
from homa.files.citing.schema import CitedSchema, SaidQuote
from homa.files.citing.sources import Sources


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote that an answer rests on."""

    #: JSON pointer of the field that it supports; empty: the whole answer.
    field: str
    found: FoundQuote
    #: The name under which the prompt's template has the text.
    source: str | None = None
    file: str | None = None
    line: int | None = None
    #: Nobody can tell whether it exists: the row was shown in images, too, or its text is gone.
    unchecked: bool = False

    def document(self) -> dict[str, Any]:
        """As a results file has it."""
        found = self.found
        return {
            "field": self.field,
            "quote": found.quote,
            "verified": None if self.unchecked else found.verified,
            "match": None if found.match is None else str(found.match),
            "file": self.file,
            "line": self.line,
            "source": self.source,
            "page": found.page,
            "start": found.start,
            "end": found.end,
            "text": found.text,
        }


def listed(citations: Iterable[Mapping[str, Any]]) -> str:
    """Citations as a list for people, below an answer; empty where there are none."""
    lines = [f"- {_place(each)}: “{' '.join(each['quote'].split())}”\n" for each in citations]
    return "".join(["\n---\n\n", *lines]) if lines else ""


def _place(citation: Mapping[str, Any]) -> str:
    field = f"{citation['field']} " if citation["field"] else ""
    if not citation["verified"]:
        return field + ("(not checked)" if citation["verified"] is None else "(not in the text)")
    page = f", page {citation['page']}" if citation["page"] else ""
    line = f":{citation['line']}" if citation["line"] else ""
    return f"{field}({citation['file']}{line}{page}, characters {citation['start']} to {citation['end']})"


@dataclass(frozen=True, slots=True)
class CitedAnswer:
    """A reply without its quotes, and these."""

    #: A `chat.completion` object.
    body: dict[str, Any]
    citations: tuple[Citation, ...]

    @property
    def unverified(self) -> int:
        """Quotes that the row's texts do not have."""
        return sum(not (each.found.verified or each.unchecked) for each in self.citations)

    @property
    def unchecked(self) -> int:
        return sum(each.unchecked for each in self.citations)


def cited_answer(schema: CitedSchema, body: Mapping[str, Any], sources: Sources | None) -> CitedAnswer:
    """A reply taken apart, and its quotes found.

    Args:
        schema: that it was asked by.
        body: a `chat.completion` object; an answer that does not fit the schema stays as it is.
        sources: of its row; None where they are gone.
    """
    said: list[SaidQuote] = []
    choices = [_without_quotes(schema, choice, said) for choice in body.get("choices") or ()]
    return CitedAnswer({**body, "choices": choices}, tuple(_citations(list(dict.fromkeys(said)), sources)))


def _without_quotes(schema: CitedSchema, choice: dict[str, Any], said: list[SaidQuote]) -> dict[str, Any]:
    message = choice.get("message") or {}
    if not isinstance(message.get("content"), str):
        return choice
    try:
        content, quotes = schema.apart(message["content"])
    except ValueError:
        return choice
    said += quotes
    return {**choice, "message": {**message, "content": content}}


def _citations(said: Sequence[SaidQuote], sources: Sources | None) -> list[Citation]:
    if sources is None:
        return [Citation(each.field, FoundQuote(each.quote), unchecked=True) for each in said]
    found: dict[str, tuple[str, FoundQuote]] = {}
    for name, text in sources.texts.items():
        left = dict.fromkeys(each.quote for each in said if each.quote not in found)
        for each in find_quotes(text, left, pages=sources.pages_of(name)) if left else ():
            if each.verified:
                found[each.quote] = name, each
    return [_citation(each, found.get(each.quote), sources) for each in said]


def _citation(said: SaidQuote, found: tuple[str, FoundQuote] | None, sources: Sources) -> Citation:
    if found is None:
        return Citation(
            said.field, FoundQuote(said.quote), file=sources.file, line=sources.line, unchecked=sources.shown
        )
    source, quote = found
    return Citation(said.field, sources.in_document(source, quote), source, sources.file, sources.line)
