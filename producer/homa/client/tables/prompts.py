"""A row and the template as a prompt. The template is that of `homa run`: `{{column}}`, replaced literally, once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from homa.client.tables.known_tables import Source, TableSource, is_missing
from homa.client.tables.sources import TEXT, ReadSource
from homa.files import DEFAULT_PROMPT, MissingField, PromptTemplate
from homa.files.rows import as_text
from homa_shared.model.errors import InvalidRequest

#: Rows of an iterable that are looked at before anything is sent.
_AHEAD = 20

#: A row's prompt, or why it has none.
Prompt = str | InvalidRequest


class Prompts:
    """The prompts of a table's rows.

    Args:
        template: None for the row's text itself.

    Raises:
        InvalidRequest: it is no text.
    """

    def __init__(self, template: str | None, source: Source) -> None:
        if template is not None and not isinstance(template, str):
            raise InvalidRequest(f"prompt is {template!r:.80}: expected a template, such as 'Classify: {{{{text}}}}'")
        self._template = PromptTemplate.parse(DEFAULT_PROMPT if template is None else template)
        self._source = source
        columns = source.columns
        #: A single column may be called text in the template, whatever its name.
        self._only = columns[0] if isinstance(source, TableSource) and len(columns) == 1 else None

    def __iter__(self) -> Iterator[Prompt]:
        """The prompts of all rows, in their order.

        Raises:
            InvalidRequest: the template names a column that there is not, or none.
        """
        rows = iter(self._source)
        head = list(islice(rows, _AHEAD))
        self._check(head)
        yield from map(self._of, head)
        yield from map(self._of, rows)

    async def __aiter__(self) -> AsyncIterator[Prompt]:
        """As `__iter__`, for rows that come asynchronously."""
        if not isinstance(self._source, ReadSource):
            for prompt in self:
                yield prompt
            return
        head: list[Mapping[str, Any]] = []
        checked = False
        async for row in self._source:
            if checked:
                yield self._of(row)
                continue
            head.append(row)
            if len(head) == _AHEAD:
                self._check(head)
                checked = True
                for each in head:
                    yield self._of(each)
        if not checked:
            self._check(head)
            for each in head:
                yield self._of(each)

    def of(self, indices: Iterable[int]) -> Iterator[tuple[int, Prompt]]:
        """The prompts of some rows that were read, each with its row's index."""
        for index in indices:
            yield index, self._of(self._source.row(index))

    def _check(self, head: Sequence[Mapping[str, Any]]) -> None:
        if not head:
            return
        columns = list(dict.fromkeys(name for row in head for name in row))
        self._template.check([*columns, TEXT] if self._only else columns)
        if len(head) > 1:
            self._template.check_varies(columns, "prompt")

    def _of(self, row: Mapping[str, Any]) -> Prompt:
        parts = self._template.parts
        try:
            return "".join([self._cell(part, row) if at % 2 else part for at, part in enumerate(parts)])
        except InvalidRequest as error:
            return error

    def _cell(self, name: str, row: Mapping[str, Any]) -> str:
        if name in row:
            value = row[name]
        elif name == TEXT and self._only is not None:
            value = row[self._only]
        else:
            raise MissingField(f"has no column {name!r}, which the prompt uses; its columns: {', '.join(row)}")
        return value if type(value) is str else cell_text(value)


def cell_text(value: Any) -> str:
    """A cell as text: what is missing is nothing, times are ISO 8601, numbers and nested values JSON."""
    if is_missing(value):
        return ""
    if isinstance(value, str | bool | int | float | Mapping | list | tuple):
        return as_text(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if hasattr(value, "tolist"):  # a scalar or an array of numpy
        return as_text(value.tolist())
    return str(value)
