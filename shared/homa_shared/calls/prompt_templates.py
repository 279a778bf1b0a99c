"""Prompt templates with a name, versions and typed variables.

`{{name}}` is replaced literally, once; nothing else is special: what a value puts in is never scanned again. A version
never changes, so that `summary@3` says the same prompt for ever; `summary` says the newest one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, NamedTuple, TypeAlias, get_args

import orjson

from homa_shared.model.errors import InvalidRequest

#: A name holds no braces and stands on one line; blanks around it do not count.
PLACEHOLDER = re.compile(r"\{\{([^{}\r\n]*[^{}\s][^{}\r\n]*)\}\}")
#: The tag that jobs of a template bear: `name@version`.
TAG = "template"
#: Moments of a schedule's tick, which stay in its request until it fires.
MOMENTS = frozenset({"tick", "since", "until"})

Kind = Literal["text", "integer", "number", "boolean", "json"]
KINDS: tuple[str, ...] = get_args(Kind)
#: What a variable may be: a kind of value, or one of some texts.
VariableType: TypeAlias = Kind | Sequence[str]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: Longest prompt, bytes.
_MOST_BYTES = 200_000
_WORDS = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "json": "a value that JSON has",
}


class TemplateRef(NamedTuple):
    """A template as somebody names it."""

    name: str
    #: None: the newest.
    version: int | None = None

    @classmethod
    def parse(cls, said: object) -> TemplateRef:
        """`name` or `name@version`; raises InvalidRequest for anything else."""
        name, at, version = said.partition("@") if isinstance(said, str) else ("", "", "")
        if not _NAME.fullmatch(name) or (at and not re.fullmatch(r"[1-9][0-9]{0,8}", version)):
            raise InvalidRequest(
                f"template is {said!r:.80}: expected its name (letters, digits, '-' and '_'), or name@version"
            )
        return cls(name, int(version) if at else None)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"


class AsTexts(dict[str, str]):
    """Values as a command line has them, to be read by the types of their variables."""


class Filled(NamedTuple):
    """A template's texts with values in them."""

    prompt: str
    #: None: it has no system text.
    system: str | None


@dataclass(frozen=True, slots=True)
class Template:
    """What a version of a template says."""

    name: str
    prompt: str
    system: str | None = None
    variables: Mapping[str, VariableType] = field(default_factory=dict)
    #: 0 before it is stored.
    version: int = 0
    #: ms since 1970.
    created_ms: int = 0

    @classmethod
    def checked(cls, name: object, prompt: object, system: object, variables: object) -> Template:
        """A template that is to be stored; variables that no type is said of are text.

        Raises:
            InvalidRequest: the first thing that is wrong with it.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidRequest(f"name is {name!r:.80}: expected 1 to 64 letters, digits, '-' and '_'")
        prompt = _checked_text(f"prompt of template {name}", prompt)
        system = None if system is None else _checked_text(f"system of template {name}", system)
        used = list(dict.fromkeys(_names(prompt) + _names(system or "")))
        if wrong := next((each for each in used if not _VARIABLE.fullmatch(_moment(each) or each)), None):
            raise InvalidRequest(f"template {name} uses {{{{{wrong}}}}}: expected a name of letters, digits and '_'")
        given = _checked_variables(name, variables, {each for each in used if _moment(each) is None})
        plain = [each for each in used if _moment(each) is None or each in given]
        return cls(name, prompt, system, {each: given.get(each, "text") for each in plain})

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def digest(self) -> str:
        """What tells one version from another: what it says."""
        return hashlib.sha256(self.to_json()).hexdigest()[:32]

    def to_json(self) -> bytes:
        """What is stored of it; its version and its time stand beside."""
        said = {"prompt": self.prompt, "system": self.system, "variables": dict(self.variables)}
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def stored(cls, name: str, version: int, row: bytes) -> Template:
        """What `to_json` wrote, with its time in front."""
        created, _, said = row.partition(b" ")
        found = orjson.loads(said)
        return cls(name, found["prompt"], found["system"], found["variables"], version, int(created))

    def fill(self, values: object, *, scheduled: bool = False) -> Filled:
        """Its texts with values in them.

        Args:
            values: of all its variables, by name.
            scheduled: leave `{{tick}}`, `{{since}}` and `{{until}}` for the schedule.

        Raises:
            InvalidRequest: a value is missing, of another type, or of a name that is no variable of it.
        """
        given = {} if values is None else values
        if isinstance(given, AsTexts):
            given = {name: self.parsed(name, text) for name, text in given.items()}
        if not isinstance(given, Mapping):
            raise InvalidRequest(f"values is {values!r:.80}: expected names and values of template {self.ref}")
        if unknown := next((name for name in given if name not in self.names), None):
            known = ", ".join(self.names) or "none"
            raise InvalidRequest(f"values has {unknown!r:.80}, which is no variable of template {self.ref}: {known}")
        texts = {name: self._text(name, given, scheduled=scheduled) for name in self.names}
        return Filled(_filled(self.prompt, texts), None if self.system is None else _filled(self.system, texts))

    def parsed(self, name: str, text: str) -> object:
        """The value of a variable that is written as text, as on a command line or in a table of texts.

        Raises:
            InvalidRequest: it is no value of the variable's type.
        """
        kind = self.variables.get(name, "text")
        try:
            match kind:
                case "integer":
                    return int(text)
                case "number":
                    return float(text)
                case "boolean":
                    return {"true": True, "false": False}[text.strip().lower()]
                case "json":
                    return orjson.loads(text)
        except (ValueError, KeyError):
            raise self._wrong(name, text) from None
        return text

    @property
    def names(self) -> tuple[str, ...]:
        """What `values` may name: its variables, and the moments that it uses."""
        used = (_names(self.prompt), _names(self.system or ""))
        return tuple(dict.fromkeys([*self.variables, *(each for names in used for each in names)]))

    @property
    def system_varies(self) -> bool:
        """Whether its system text has variables."""
        return bool(_names(self.system or ""))

    def _text(self, name: str, given: Mapping[str, object], *, scheduled: bool) -> str:
        value = given.get(name)
        if value is None:
            if scheduled and _moment(name) is not None:
                return f"{{{{{name}}}}}"
            raise InvalidRequest(f"values lacks {name!r}, a variable of template {self.ref}: {self._expected(name)}")
        kind = self.variables.get(name, "text")
        if not _fits(kind, value):
            raise self._wrong(name, value)
        if isinstance(value, str):
            return value
        try:
            return orjson.dumps(value).decode()
        except TypeError:
            raise self._wrong(name, value) from None

    def _wrong(self, name: str, value: object) -> InvalidRequest:
        return InvalidRequest(f"values[{name!r}] of template {self.ref} is {value!r:.80}: {self._expected(name)}")

    def _expected(self, name: str) -> str:
        kind = self.variables.get(name, "text")
        return f"expected {_WORDS[kind] if isinstance(kind, str) else 'one of ' + ', '.join(map(repr, kind))}"


def _checked_text(what: str, said: object) -> str:
    if not isinstance(said, str) or not said.strip():
        raise InvalidRequest(f"{what} is {said!r:.80}: expected text")
    try:
        size = len(said.encode())
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{what} is no valid Unicode: {error.reason}") from error
    if size > _MOST_BYTES:
        raise InvalidRequest(f"{what} has {size:,} bytes: expected at most {_MOST_BYTES:,}")
    return said


def _checked_variables(name: str, given: object, used: set[str]) -> dict[str, VariableType]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"variables of template {name} is {given!r:.80}: expected names and types")
    found: dict[str, VariableType] = {}
    for variable, kind in given.items():
        if variable not in used:
            raise InvalidRequest(
                f"variables of template {name} has {variable!r:.80}, which its text does not use: "
                f"expected some of {', '.join(sorted(used)) or 'none'}"
            )
        if isinstance(kind, list | tuple) and kind and all(isinstance(word, str) for word in kind):
            found[variable] = list(kind)
        elif kind in KINDS:
            found[variable] = kind
        else:
            raise InvalidRequest(
                f"variable {variable!r} of template {name} is {kind!r:.80}: expected one of {', '.join(KINDS)}, "
                "or a list of the texts that it may be"
            )
    return found


def _fits(kind: VariableType, value: object) -> bool:
    match kind:
        case "text":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        case "boolean":
            return isinstance(value, bool)
        case "json":
            return True
    return value in kind


def _names(text: str) -> list[str]:
    return [name.strip() for name in PLACEHOLDER.findall(text)]


def _moment(name: str) -> str | None:
    """Which moment of a schedule a name stands for, as `tick:%Y` does; None for a variable."""
    found = name.partition(":")[0]
    return found if found in MOMENTS else None


def _filled(text: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: values[match[1].strip()], text)


def of_tags(tags: Mapping[str, str] | str) -> str:
    """The template and version by a job's tags; empty for a job of none.

    Args:
        tags: as a mapping, or a line each as records have them.
    """
    if not isinstance(tags, str):
        return _ref_or_nothing(tags.get(TAG, ""))
    line = next((line for line in tags.split("\n") if line.startswith(f"{TAG}=")), "")
    return _ref_or_nothing(line.partition("=")[2])


def _ref_or_nothing(value: str) -> str:
    """An application may have had a tag of that name before there were templates."""
    name, _, version = value.partition("@")
    return value if _NAME.fullmatch(name) and version.isdecimal() else ""
