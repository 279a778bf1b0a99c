"""Stored templates of a batch's lines: the one that its options name, and those that lines name themselves.

A batch reads each name once, so that all of its lines are made by the same version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.submit.template_values import check_alone
from homa_shared.calls.prompt_templates import Template
from homa_shared.model.errors import InvalidRequest


class TemplateNotRead(Exception):
    """A line names a template that has not been read yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class LineTemplates:
    """The templates of one batch.

    Args:
        shared: that its options name.
    """

    def __init__(self, shared: Template | None) -> None:
        self.shared = shared
        self._known: dict[str, Template] = {}

    def know(self, name: str, template: Template) -> None:
        """A template was read that lines name so."""
        self._known[name] = template

    def of(self, line: Mapping[str, Any]) -> Template | None:
        """The template that a line gives values to; None for a line with a text of its own.

        Raises:
            InvalidRequest: it names none that could be, says a text beside it, or gives values to none.
            TemplateNotRead: the one that it names is to be read first.
        """
        name = line.get("template")
        if name is None:
            if self.shared is None and line.get("values") is not None:
                raise InvalidRequest("values without a template: expected template=… in the line or beside all lines")
            return self.shared
        if not isinstance(name, str) or name not in self._known:
            check_alone(line)
            raise TemplateNotRead(str(name))
        return self._known[name]
