"""Packages as an installer leaves them, in a folder of their own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Site:
    """A folder of installed packages that this process, and those that it starts, look through."""

    folder: Path

    def install(self, name: str, points: Mapping[str, Mapping[str, str]], version: str = "1.2", **modules: str) -> None:
        """A package.

        Args:
            points: group -> name -> "module:attribute".
            modules: name -> source.
        """
        _write_facts(self.folder, name, version, points)
        for module, source in modules.items():
            (self.folder / f"{module}.py").write_text(source)


def install_project(folder: Path) -> None:
    """What `pip install --editable` leaves of a folder's project: its name and its entry points, where Python looks."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    _write_facts(folder, project["name"], project["version"], project["entry-points"])


def _write_facts(folder: Path, name: str, version: str, points: Mapping[str, Mapping[str, str]]) -> None:
    facts = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in of.items()) for group, of in points.items()
    ]
    (facts / "entry_points.txt").write_text("\n".join(lines))
