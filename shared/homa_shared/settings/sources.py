"""Where settings come from, weakest first: conventional variables, homa.toml, HOMA_… variables, arguments.

Each source is laid out flat, a path and a value with its origin, so that the stronger replaces the weaker setting by
setting and every value of the result can say where it came from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource

from homa_shared.model.errors import ConfigError
from homa_shared.model.targets import nearest
from homa_shared.settings import schema
from homa_shared.settings.conventional import conventional
from homa_shared.settings.toml_lines import SettingPath, TomlFile, dotted, read_toml

PREFIX = "HOMA_"
DELIMITER = "__"
FILE_NAME = "homa.toml"
#: Variables with Homa's prefix that are read elsewhere.
OTHER_VARIABLES = frozenset({"HOMA_CONFIG"})
#: Tables whose own names do not tell capitals apart.
_LOWER_CASE = frozenset({"providers", "models", "prices"})
#: Tables below which any key may stand, handed on as it is.
_FREE_FORM = frozenset({"defaults", "options"})


@dataclass(slots=True)
class Gathered:
    """Settings of all sources, the strongest of each, with origins."""

    values: dict[SettingPath, Any] = field(default_factory=dict)
    #: Tables that are written down without content: `[providers.ollama]` alone configures a provider.
    tables: set[SettingPath] = field(default_factory=set)
    origins: dict[SettingPath, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    config_file: Path | None = None

    def put(self, path: SettingPath, value: Any, origin: str) -> None:
        """Take a value from a stronger source than those before."""
        self.origins[path] = origin
        if value == {}:
            self.tables.add(path)
            return
        for length in range(1, len(path)):
            self.values.pop(path[:length], None)
        for below in [known for known in self.values if len(known) > len(path) and known[: len(path)] == path]:
            del self.values[below]
        self.values[path] = value

    def tree(self) -> dict[str, Any]:
        """The values as nested tables."""
        root: dict[str, Any] = {}
        for path in sorted(self.tables, key=len):
            _enter(root, path)
        for path, value in self.values.items():
            _enter(root, path[:-1])[path[-1]] = value
        return root

    def origin(self, path: SettingPath) -> str | None:
        """Origin of a setting, else of something beside it or of the table around it; None where all are defaults."""
        while path:
            inside = (self.origins[known] for known in self.origins if known[: len(path)] == path)
            found = self.origins.get(path) or next(inside, None)
            if found:
                return found
            path = path[:-1]
        return None


def _enter(root: dict[str, Any], path: SettingPath) -> dict[str, Any]:
    table = root
    for name in path:
        table = table.setdefault(name, {})
    return table


def gather(
    settings: type[BaseSettings], env: Mapping[str, str], cwd: Path, overrides: Mapping[str, Any] | None
) -> Gathered:
    """Collect the settings from all sources.

    Raises:
        ConfigError: homa.toml cannot be read.
    """
    gathered = Gathered()
    toml = _toml(env, cwd)
    if toml is not None:
        gathered.config_file = toml.path
        shown = _shown(toml.path, cwd)
        for path, value in _flat(toml.tree):
            gathered.put(_lowered(path), value, f"{shown}:{_line(toml, path)}")
        for path, line in toml.lines.items():
            gathered.origins.setdefault(_lowered(path), f"{shown}:{line}")
    _put_environment(gathered, settings, env)
    for path, value in _flat(dict(overrides or {})):
        if value is not None:
            gathered.put(_lowered(path), value, f"argument {dotted(path)}")
    _put_conventional(gathered, env)
    return gathered


def find_config(env: Mapping[str, str], cwd: Path) -> Path | None:
    """The settings file: HOMA_CONFIG, else the nearest homa.toml upwards of a directory.

    Raises:
        ConfigError: HOMA_CONFIG does not name a file.
    """
    named = env.get("HOMA_CONFIG")
    if named:
        path = Path(named).expanduser()
        path = path if path.is_absolute() else cwd / path
        if not path.is_file():
            raise ConfigError(f"HOMA_CONFIG = {named!r} does not name a file: expected the path of a {FILE_NAME}")
        return path
    return next((place / FILE_NAME for place in (cwd, *cwd.parents) if (place / FILE_NAME).is_file()), None)


def _toml(env: Mapping[str, str], cwd: Path) -> TomlFile | None:
    path = find_config(env, cwd)
    return None if path is None else read_toml(path)


class _Environment(EnvSettingsSource):
    """pydantic-settings' reading of nested variables, over a mapping that is passed in."""

    def __init__(self, settings: type[BaseSettings], variables: Mapping[str, str]) -> None:
        self._variables = variables
        super().__init__(settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return dict(self._variables)

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            # `a,b` for a list; whatever else it is, validation names the variable.
            return value


def _put_environment(gathered: Gathered, settings: type[BaseSettings], env: Mapping[str, str]) -> None:
    variables: dict[str, str] = {}
    names: dict[SettingPath, str] = {}
    for name, value in env.items():
        if not name.upper().startswith(PREFIX) or name.upper() in OTHER_VARIABLES or value == "":
            continue
        written = name[len(PREFIX) :].lower()
        path = tuple(written.split(DELIMITER))
        if schema.at(settings, path) is None:
            gathered.warnings.append(_unknown_variable(settings, name, path))
            continue
        variables[PREFIX.lower() + written] = value
        names[path] = name
    for path, value in _flat(_Environment(settings, variables)()):
        origin = next(names[path[:length]] for length in range(len(path), 0, -1) if path[:length] in names)
        gathered.put(_spelt(path, gathered), _decoded(path, value), origin)


def _put_conventional(gathered: Gathered, env: Mapping[str, str]) -> None:
    providers = gathered.tree().get("providers", {})
    given = {name: table for name, table in providers.items() if isinstance(table, dict)} if providers else {}
    for path, value, variable in conventional(env, given, plugins=gathered.values.get(("plugins",)) != "none"):
        if path not in gathered.values:
            gathered.put(path, value, variable)


def _unknown_variable(settings: type[BaseSettings], name: str, path: SettingPath) -> str:
    for depth in range(len(path)):
        around = schema.at(settings, path[:depth]) if depth else settings
        if schema.at(around, path[depth : depth + 1]) is None:
            meant = nearest(path[depth], schema.names(around))
            break
    else:
        meant = None
    better = PREFIX + DELIMITER.join((*path[:depth], meant, *path[depth + 1 :])).upper() if meant else None
    return f"{name} is not a setting and was ignored" + (f"; did you mean {better}?" if better else "")


def _spelt(path: SettingPath, gathered: Gathered) -> SettingPath:
    """A variable's path with names as the file spells them: variables have neither capitals nor hyphens."""
    spelt: SettingPath = ()
    for name in path:
        depth = len(spelt)
        known = {other[depth] for other in gathered.origins if len(other) > depth and other[:depth] == spelt}
        plain = name.replace("-", "_")
        fitting = [other for other in known if other.lower().replace("-", "_").replace(".", "_") == plain]
        spelt = (*spelt, name if name in known or not fitting else min(fitting))
    return spelt


def _decoded(path: SettingPath, value: Any) -> Any:
    if isinstance(value, str) and len(path) > 3 and path[2] in _FREE_FORM:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _lowered(path: SettingPath) -> SettingPath:
    if path[0] not in _LOWER_CASE or len(path) < 2:
        return path
    lowered = (path[0], path[1].lower(), *path[2:])
    is_group = path[0] == "providers" and len(path) > 3 and path[2] == "models"
    return (*lowered[:3], lowered[3].lower(), *lowered[4:]) if is_group else lowered


def _flat(tree: Mapping[str, Any], above: SettingPath = ()) -> Iterator[tuple[SettingPath, Any]]:
    for key, value in tree.items():
        path = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from _flat(value, path)
        else:
            yield path, dict(value) if isinstance(value, Mapping) else value


def _line(toml: TomlFile, path: SettingPath) -> int:
    return next((toml.lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in toml.lines), 1)


def _shown(file: Path, cwd: Path) -> str:
    return str(file.relative_to(cwd)) if file.is_relative_to(cwd) else str(file)
