"""Writes the package of a new plugin."""

from __future__ import annotations

import ast
import re
import sys
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from homa_shared.model.errors import InvalidRequest

if TYPE_CHECKING:
    from homa.cli.new.sorts import Sort

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
#: Longest name: a tool's, with what stands around it.
_MOST = 48

_PROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "homa-$given"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["$needs"]

[project.entry-points."$group"]
$entry = "$module:$value"

[dependency-groups]
test = ["homa-queue[local]", "pytest>=9"]

[tool.hatch.build.targets.wheel]
only-include = ["$module.py"]
"""


def write(sort: Sort, name: str, directory: Path | None) -> list[Path]:
    """Writes module, test and project file; returns their paths.

    Args:
        name: of the plugin; its module is `homa_<name>`, its package `homa-<name>`.
        directory: where; None: `homa-<name>` here.

    Raises:
        InvalidRequest: the name is none, or taken; or a file of these exists.
    """
    identifier = _checked(sort, name)
    module, folder = f"homa_{identifier}", directory or Path(f"homa-{name}")
    words = {"name": identifier, "given": name, "module": module, "group": sort.group, "needs": sort.needs}
    words |= {"upper": identifier.upper(), "value": Template(sort.value).substitute(name=identifier)}
    # A command has dashes where it is given with some; the others' names are identifiers.
    words["entry"] = name if sort.group == "homa.commands" else identifier
    texts = {"pyproject.toml": _PROJECT, f"{module}.py": sort.source, f"test_{module}.py": sort.test}
    paths = [folder / file for file in texts]
    if existing := next((path for path in paths if path.exists()), None):
        raise InvalidRequest(f"{existing} exists: expected another --directory, or another name")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, texts.values(), strict=True):
        with path.open("x", encoding="utf-8") as file:
            file.write(Template(text).substitute(words))
    return paths


def _checked(sort: Sort, name: str) -> str:
    """The name as an identifier."""
    if not _NAME.fullmatch(name) or len(name) > _MOST:
        raise InvalidRequest(f"name is {name!r:.80}: expected small letters, digits and '-', a letter first")
    identifier = name.replace("-", "_")
    if iskeyword(identifier) or identifier in _names_used(sort):
        raise InvalidRequest(f"name is {name!r}: expected one that Python, or the module's own text, does not use")
    if name in sort.taken():
        raise InvalidRequest(f"name is {name!r}, which is one of Homa's own: expected another")
    module = f"homa_{identifier}"
    if module in sys.modules or find_spec(module) is not None:
        raise InvalidRequest(f"a module {module} is installed here: expected another name")
    return identifier


def _names_used(sort: Sort) -> set[str]:
    """Names in the code of module and test, which a function of the plugin's name would hide or be hidden by."""
    if sort.value != "$name":
        return set()
    words = dict.fromkeys(("name", "given", "module", "upper"), "_")
    trees = [ast.parse(Template(text).substitute(words)) for text in (sort.source, sort.test)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    found = {node.id for node in nodes if isinstance(node, ast.Name)}
    found |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return found | {node.name for node in nodes if isinstance(node, ast.alias)}
