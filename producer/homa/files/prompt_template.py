"""A prompt template: `{{name}}` is replaced literally, once; nothing else is special.

What a row puts in is data: it is never scanned again, so that a document which holds `{{text}}` cannot change the
prompt around it. There are no escapes, no conditions, no loops.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from homa.files.rows import Row, as_text
from homa_shared.calls.prompt_templates import PLACEHOLDER
from homa_shared.model.errors import InvalidRequest

#: The prompt when none is given: the document itself.
DEFAULT_PROMPT = "{{text}}"
#: `{name}`, `${name}`, `<name>`, `[name]`, `%name%`, `$name`: placeholders elsewhere, plain text here.
_OTHER_SPELLINGS = re.compile(r"[{<\[%$]{1,2}[ \t]?(\w[\w.-]{0,99})[ \t]?[}>\]%]{0,2}")


class MissingField(InvalidRequest):
    """A row has no field of a name that the template uses."""


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A parsed template."""

    source: str
    #: Literal text and names in turn, starting and ending with literal text.
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, source: str) -> PromptTemplate:
        """A template from its text."""
        parts = PLACEHOLDER.split(source)
        return cls(source, tuple(part.strip() if at % 2 else part for at, part in enumerate(parts)))

    @classmethod
    def load(cls, argument: str | None) -> PromptTemplate:
        """A template from a command line's argument: its text, `@file`, or None for the document itself.

        Raises InvalidRequest for a file that is missing, unreadable, empty or not UTF-8.
        """
        if argument is None:
            return cls.parse(DEFAULT_PROMPT)
        return cls.parse(read_argument(argument, "--prompt"))

    @property
    def names(self) -> tuple[str, ...]:
        """Names used, each once, in order of appearance."""
        return tuple(dict.fromkeys(self.parts[1::2]))

    def check(self, columns: Iterable[str]) -> None:
        """Raise InvalidRequest, listing the columns known, for a name that is not among them."""
        known = list(columns)
        for name in self.names:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {{{{{close[0]}}}}}?" if close else ""
                raise InvalidRequest(f"template uses {{{{{name}}}}}: known here are {', '.join(known)}{hint}")

    def check_varies(self, columns: Iterable[str], option: str = "--prompt") -> None:
        """Raise InvalidRequest, with the likely spelling, if every row would get the same prompt.

        `option` is what the caller names the template by.
        """
        if self.names:
            return
        known = list(columns)
        meant = self._near_placeholder(known)
        hint = f"did you mean {{{{{meant[1]}}}}} where it says {meant[0]}?" if meant else "expected {{text}}, for one"
        raise InvalidRequest(
            f"{option} names no field, so that each row would be the same paid question: {hint} "
            f"Fields here: {', '.join(known)}"
        )

    def _near_placeholder(self, known: list[str]) -> tuple[str, str] | None:
        """What looks like a field in another template language's spelling, and the field's name."""
        for found in _OTHER_SPELLINGS.finditer(self.source):
            close = difflib.get_close_matches(found[1].casefold(), [name.casefold() for name in known], 1)
            if close:
                return found[0], next(name for name in known if name.casefold() == close[0])
        return None

    def render(self, row: Row) -> str:
        """The prompt for a row: each name replaced by the row's field, else by its `text` or `path`.

        Strings go in as they are, null as nothing, other JSON values as JSON text. Raises MissingField, naming the
        column, for a row without it: lines of a JSONL file may differ.
        """
        values = {name: as_text(self.value(name, row)) for name in self.names}
        return "".join(values[part] if at % 2 else part for at, part in enumerate(self.parts))

    def value(self, name: str, row: Row) -> object:
        """What a row has for a name; raises MissingField as `render`."""
        if name in row.fields:
            return row.fields[name]
        if name == "text" and row.text is not None:
            return row.text
        if name == "path":
            return row.path
        raise MissingField(f"has no field {name!r}, which the template uses; its fields: {', '.join(row.columns)}")


def read_argument(argument: str, option: str, *, named: str | None = None) -> str:
    """The text of an argument, or for `@file` that of the file.

    Args:
        option: its name, for messages.
        named: how a file was named where an argument is always one; None: by `@`, which other texts may begin with.
    """
    if not argument.startswith("@"):
        return argument
    path, hint = Path(argument[1:]), "" if named is not None else "; a text that starts with @ names a file"
    argument = argument if named is None else named
    try:
        content = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{option} {argument}: the file is not valid UTF-8: save it as UTF-8") from None
    except OSError as error:
        reason = error.strerror or error
        raise InvalidRequest(f"{option} {argument}: {reason}{hint}") from None
    if not content.strip():
        raise InvalidRequest(f"{option} {argument}: the file is empty")
    return content
