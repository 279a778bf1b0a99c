"""What a row has for the variables of a stored template."""

from __future__ import annotations

from homa.files import PromptTemplate, Row
from homa.files.rows import as_text
from homa_shared.calls.prompt_templates import Template


def values_of(stored: Template, template: PromptTemplate, row: Row) -> dict[str, object]:
    """Values by name; a cell of text is read by its variable's type.

    Args:
        template: of the stored one's prompt; it knows the fields of rows.

    Raises:
        InvalidRequest: a cell is no value of its variable's type.
        MissingField: the row lacks one.
    """
    found: dict[str, object] = {}
    for name in stored.names:
        value = template.value(name, row)
        if stored.variables.get(name, "text") == "text":
            value = as_text(value)
        found[name] = stored.parsed(name, value) if isinstance(value, str) else value
    return found


def rendered(stored: Template | None, template: PromptTemplate, row: Row) -> str:
    """The prompt of a row: by the stored template, where there is one. Raises as `values_of`."""
    return template.render(row) if stored is None else stored.fill(values_of(stored, template, row)).prompt
