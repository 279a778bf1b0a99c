"""Tools: typed Python functions that a model may ask for.

    @tool(idempotent=True)
    async def weather(city: str, days: int = 1) -> str:
        \"\"\"The weather to come.

        Args:
            city: name of a city.
        \"\"\"

Its definition (name, description, JSON schema of its parameters) is read from signature and docstring. A client sends
it with a request; a worker that has imported the function runs the calls that the model makes of it.

A finished call is never repeated. One that was begun when its worker was lost runs again only where its tool is
declared idempotent; else the model is told that nobody knows how it ended.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, Generic, ParamSpec, TypeVar, get_type_hints, overload

from pydantic import Field, PydanticUserError, TypeAdapter, ValidationError

from homa_shared.model.errors import InvalidRequest

#: Seconds that one call of a tool may take where nothing is said.
DEFAULT_TIMEOUT_S = 60.0
#: Names that every provider takes.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: A parameter in Google's docstring style: `name: text` or `name (type): text`.
_DESCRIBED = re.compile(r"^(\w+)(?: \([^)]*\))?:\s*(.*)$")
_SECTIONS = ("Args:", "Arguments:", "Parameters:", "Returns:", "Raises:", "Yields:", "Example:", "Examples:")

P = ParamSpec("P")
R = TypeVar("R")

_registered: dict[str, Tool[..., Any]] = {}


class BadArguments(ValueError):
    """A model called a tool with arguments that do not fit its parameters; the message is for the model."""


@dataclass(frozen=True, slots=True, eq=False)
class Tool(Generic[P, R]):
    """A function that a model may ask for. Calling it calls the function, with the function's signature."""

    name: str
    function: Callable[P, R]
    description: str
    #: JSON schema of the arguments.
    parameters: Mapping[str, Any]
    #: Whether a call without a recorded end may be run again.
    idempotent: bool
    #: Seconds after which one call is given up, and the model told so.
    timeout_s: float
    _adapter: TypeAdapter[Any] = field(repr=False)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        """By name, as its function would be pickled: the other process imports the module that defines it."""
        function: Any = self.function
        return _found, (function.__module__, function.__qualname__, self.name, self.idempotent, self.timeout_s)

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @property
    def definition(self) -> dict[str, Any]:
        """The tool in OpenAI's shape, as `tools=` takes it."""
        described = {"description": self.description} if self.description else {}
        return {
            "type": "function",
            "function": {"name": self.name, **described, "parameters": dict(self.parameters)},
        }

    def arguments(self, text: str) -> dict[str, Any]:
        """A call's arguments as the function takes them, defaults filled in.

        Args:
            text: JSON, as the model wrote it.

        Raises:
            BadArguments: they do not fit.
        """
        try:
            given: dict[str, Any] = self._adapter.validate_json(text or "{}")
        except ValidationError as error:
            wrong = "; ".join(f"{_place(item['loc'])}: {item['msg']}" for item in error.errors(include_url=False))
            raise BadArguments(f"arguments of {self.name} are {text:.200}: {wrong}") from None
        return given


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    *, name: str | None = None, idempotent: bool = False, timeout_s: float = DEFAULT_TIMEOUT_S
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    idempotent: bool = False,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Tool[..., Any] | Callable[[Callable[..., Any]], Tool[..., Any]]:
    """Makes a function a tool, and registers it for workers of this process.

    Args:
        name: what the model calls it; the function's own name where nothing is said.
        idempotent: whether running a call twice does no more than running it once.
        timeout_s: seconds for one call.

    Raises:
        InvalidRequest: a parameter has no type or one that JSON cannot express, or another tool has the name.
    """

    def register(function: Callable[..., Any]) -> Tool[..., Any]:
        made = make_tool(function, name=name, idempotent=idempotent, timeout_s=timeout_s)
        add(made)
        return made

    return register if function is None else register(function)


def make_tool(
    function: Callable[P, R],
    *,
    name: str | None = None,
    idempotent: bool = False,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Tool[P, R]:
    """A tool that no worker knows of; raises as `tool`."""
    called = name or str(getattr(function, "__name__", ""))
    if not _NAME.fullmatch(called):
        raise InvalidRequest(f"tool name {called!r}: expected 1 to 64 letters, digits, _ and -")
    if not timeout_s > 0:
        raise InvalidRequest(f"timeout_s of tool {called!r} is {timeout_s!r}: expected seconds, more than zero")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidRequest(f"tool {called!r} yields: expected a function that returns its result as a whole")
    summary, described = _docstring(inspect.getdoc(function) or "")
    collector: Any = _collector(function, called, described)
    try:
        adapter = TypeAdapter[Any](collector)
        parameters = adapter.json_schema()
    except PydanticUserError as error:
        reason = error.message.partition(". ")[0]
        raise InvalidRequest(f"tool {called!r} has a parameter that JSON cannot express: {reason}") from error
    return Tool(called, function, summary, MappingProxyType(parameters), idempotent, timeout_s, adapter)


def _found(module: str, place: str, name: str, idempotent: bool, timeout_s: float) -> Tool[..., Any]:
    """A pickled tool: what its module has there, or, where that is the plain function, a tool made of it."""
    found: Any = import_module(module)
    for part in place.split("."):
        found = getattr(found, part)
    if isinstance(found, Tool):
        return found
    return make_tool(found, name=name, idempotent=idempotent, timeout_s=timeout_s)


def add(made: Tool[..., Any]) -> None:
    """Registers a tool for workers of this process.

    Raises:
        InvalidRequest: another one has its name.
    """
    known = _registered.get(made.name)
    if known is not None and _origin(known.function) != _origin(made.function):
        raise InvalidRequest(
            f"tool {made.name!r} is {_origin(made.function)}, but {_origin(known.function)} has that name already: "
            "give one of them another by @tool(name=…)"
        )
    _registered[made.name] = made


def registered() -> Mapping[str, Tool[..., Any]]:
    """The tools of all modules imported so far, by name."""
    return MappingProxyType(_registered)


def definitions(tools: Sequence[object]) -> list[dict[str, Any]]:
    """Definitions in OpenAI's shape of what `tools=` takes: tools, typed functions, or definitions as they are.

    Raises:
        InvalidRequest: one is none of these, or a function that cannot be a tool.
    """
    return [_definition(given) for given in tools]


def _definition(given: object) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, Tool):
        return given.definition
    if callable(given):
        return make_tool(given).definition
    raise InvalidRequest(f"tools has {given!r:.80}: expected a typed function, or an object in OpenAI's shape")


def _collector(function: Callable[..., Any], name: str, described: Mapping[str, str]) -> Callable[..., dict[str, Any]]:
    """A function of the same parameters that returns its arguments: what pydantic reads types and defaults from."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError) as error:
        raise InvalidRequest(f"tool {name!r} has a type that cannot be resolved: {error}") from error
    except TypeError as error:
        raise InvalidRequest(f"tool {name!r} is {function!r:.80}: expected a typed function ({error})") from error
    parameters = [_parameter(p, name, hints, described) for p in inspect.signature(function).parameters.values()]

    def collect(**given: Any) -> dict[str, Any]:
        return given

    collect.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    collect.__annotations__ = {p.name: p.annotation for p in parameters}
    return collect


def _parameter(
    parameter: inspect.Parameter, name: str, hints: Mapping[str, Any], described: Mapping[str, str]
) -> inspect.Parameter:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise InvalidRequest(f"tool {name!r} takes {parameter}: expected parameters that can be given by name")
    if parameter.name not in hints:
        raise InvalidRequest(
            f"tool {name!r} has no type for its parameter {parameter.name!r}: "
            f"expected one, such as {parameter.name}: str"
        )
    hint = hints[parameter.name]
    text = described.get(parameter.name)
    annotation = Annotated[hint, Field(description=text)] if text else hint
    return parameter.replace(annotation=annotation, kind=parameter.KEYWORD_ONLY)


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of the function (all before its sections), and of each parameter."""
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if line.strip() in _SECTIONS), len(lines))
    described: dict[str, str] = {}
    of: str | None = None
    inside = False
    for line in lines[first:]:
        if line.strip() in _SECTIONS:
            inside, of = line.strip() in _SECTIONS[:3], None
        elif inside and line.strip():
            found = _DESCRIBED.match(line.strip()) if len(line) - len(line.lstrip()) <= 4 else None
            if found:
                of = found[1]
                described[of] = found[2]
            elif of:
                described[of] = f"{described[of]} {line.strip()}".strip()
    return "\n".join(lines[:first]).strip(), described


def _origin(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')}"


def _place(location: Sequence[int | str]) -> str:
    return ".".join(map(str, location)) or "arguments"
