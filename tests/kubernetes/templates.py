"""The part of Helm's template language that the chart keeps to, rendered as Helm does: values, if, range, pipelines.

Anything else raises `TemplateError`, so that a template which this does not render as Helm would is never judged.
Source: https://pkg.go.dev/text/template and https://helm.sh/docs/chart_template_guide/.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_ACTION = re.compile(r"\{\{(-\s)?\s*(/\*.*?\*/|[^{}]*?)\s*(\s-)?\}\}", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s|]+|\|')
_RANGE = re.compile(r"range (?:(\$\w+), )?(\$\w+) := (.+)")


class TemplateError(Exception):
    """A template that is wrong, or beyond what is read here."""


@dataclass(frozen=True)
class Chart:
    """A chart in a directory."""

    directory: Path

    def render(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Objects of all templates.

        Args:
            values: stand over those of values.yaml, mapping by mapping.
        """
        return [found for text in self.texts(values).values() for found in yaml.safe_load_all(text) if found]

    def texts(self, values: Mapping[str, Any]) -> dict[str, str]:
        """File names of templates, and what they come to."""
        about = yaml.safe_load((self.directory / "Chart.yaml").read_text())
        root = {
            "Values": merged(yaml.safe_load((self.directory / "values.yaml").read_text()), values),
            "Chart": {"AppVersion": about["appVersion"], "Version": about["version"], "Name": about["name"]},
        }
        found = sorted((self.directory / "templates").glob("*.yaml"))
        return {path.name: _Template(path.read_text(), root, self.directory).text() for path in found}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values over others, as Helm merges them: mappings by their names, where null takes a name away."""
    found = dict(below)
    for name, value in above.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(found.get(name), Mapping):
            found[name] = merged(found[name], value)
        else:
            found[name] = value
    return found


class _Template:
    def __init__(self, source: str, root: Mapping[str, Any], directory: Path) -> None:
        self._parts = list(_parts(source))
        self._root, self._directory = root, directory

    def text(self) -> str:
        text, end, _ = self._block(0, {"$": self._root})
        if end != len(self._parts):
            raise TemplateError("an end that ends nothing")
        return text

    def _block(self, at: int, names: Mapping[str, Any], *, shown: bool = True) -> tuple[str, int, str]:
        """What stands from a part on to the `end` or `else` of its block: text, place of that, which of them."""
        said: list[str] = []
        while at < len(self._parts):
            is_action, part = self._parts[at]
            if not is_action:
                said.append(part)
            elif part in ("end", "else"):
                return "".join(said), at, part
            elif part.startswith(("if ", "range ")):
                text, at = self._branching(at, part, names, shown=shown)
                said.append(text)
            elif not part.startswith("/*") and shown:
                said.append(_shown(self._value(part, names)))
            at += 1
        return "".join(said), at, ""

    def _branching(self, at: int, part: str, names: Mapping[str, Any], *, shown: bool) -> tuple[str, int]:
        if part.startswith("if "):
            holds = bool(self._value(part[3:], names)) if shown else False
            text, end, word = self._block(at + 1, names, shown=shown and holds)
            other = ""
            if word == "else":
                other, end, word = self._block(end + 1, names, shown=shown and not holds)
            chosen = text if holds else other
        else:
            chosen, end, word = self._range(at, part, names, shown=shown)
        if word != "end":
            raise TemplateError(f"{part!r} has no end")
        return chosen, end

    def _range(self, at: int, part: str, names: Mapping[str, Any], *, shown: bool) -> tuple[str, int, str]:
        match = _RANGE.fullmatch(part)
        if match is None:
            raise TemplateError(f"{part!r}: expected range $name, $value := VALUES or range $value := VALUES")
        key, each, what = match.groups()
        _, end, word = self._block(at + 1, names, shown=False)
        found = self._value(what, names) if shown else ()
        # Go goes through a mapping in the order of its names.
        rows = sorted(found.items()) if isinstance(found, Mapping) else list(enumerate(found or ()))
        texts = [self._block(at + 1, {**names, each: row, **({key: name} if key else {})})[0] for name, row in rows]
        return "".join(texts), end, word

    def _value(self, pipeline: str, names: Mapping[str, Any]) -> Any:
        found: Any = None
        for place, words in enumerate(_commands(pipeline)):
            arguments = [self._operand(word, names) for word in words[1:]]
            if words[0] == "$.Files.Get":
                found = (self._directory / str(arguments[0])).read_text()
            elif words[0] in _FUNCTIONS:
                found = _FUNCTIONS[words[0]](*arguments, *((found,) if place else ()))
            elif place or arguments:
                raise TemplateError(f"{words[0]!r} in {pipeline!r} is no function that is read here")
            else:
                found = self._operand(words[0], names)
        return found

    def _operand(self, word: str, names: Mapping[str, Any]) -> Any:
        if word.startswith('"'):
            return word[1:-1].encode().decode("unicode_escape")
        if word.isdigit():
            return int(word)
        name, *path = word.split(".")
        if name not in names and name + "." not in names:
            raise TemplateError(f"{word!r} is neither a value nor a variable")
        found = names[name]
        for step in path:
            if not isinstance(found, Mapping) or step not in found:
                raise TemplateError(f"{word!r}: there is no {step!r}")
            found = found[step]
        return found


def _parts(source: str) -> Iterator[tuple[bool, str]]:
    """Text and actions in turn, with the blanks gone that `{{-` and `-}}` take away."""
    at, trims = 0, False
    for found in _ACTION.finditer(source):
        text = source[at : found.start()]
        text = text.lstrip() if trims else text
        yield False, text.rstrip() if found[1] else text
        yield True, found[2]
        at, trims = found.end(), bool(found[3])
    rest = source[at:]
    if "{{" in rest:
        raise TemplateError(f"an action that is not read here: {rest[rest.index('{{') :][:60]!r}")
    yield False, rest.lstrip() if trims else rest


def _commands(pipeline: str) -> list[list[str]]:
    commands: list[list[str]] = [[]]
    for word in _WORD.findall(pipeline):
        if word == "|":
            commands.append([])
        else:
            commands[-1].append(word)
    if not all(commands):
        raise TemplateError(f"{pipeline!r} has an empty command")
    return commands


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping | list):
        raise TemplateError("a mapping or list is shown as it is: expected toYaml")
    return "" if value is None else str(value)


def _indent(count: int, text: str) -> str:
    return "\n".join(" " * count + line for line in text.split("\n"))


_FUNCTIONS = {
    "not": lambda value: not value,
    "default": lambda other, value: value or other,
    "toYaml": lambda value: yaml.safe_dump(value, sort_keys=True).rstrip("\n"),
    "indent": _indent,
    "nindent": lambda count, text: "\n" + _indent(count, text),
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "trunc": lambda count, text: text[:count],
}
