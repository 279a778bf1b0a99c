"""Another project's distribution is called `homa` too, with an import package and a command of that name.

This project's distribution is `homa-queue`. Where both are installed they write into the same folder, the later one
over the earlier, and uninstalling either takes files of both. What says so must not stand in the package `homa`, which
may be the other's: so the console scripts start here, and load the command line by name.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

#: Exit status of wrong usage or set-up, as the command line has it.
_UNUSABLE = 2
REMEDY = "pip uninstall homa homa-queue, then pip install 'homa-queue[local]' (or the parts that you use)"


def console() -> None:
    """What the scripts `homa` and `homa-queue` run: the command line, or why it is not there."""
    try:
        command = import_module("homa.cli").main
    except (ImportError, AttributeError):
        fault = fault_of_package()
        if fault is None:
            raise
        print(f"homa: {fault}", file=sys.stderr)  # noqa: T201 (click may be missing, too)
        raise SystemExit(_UNUSABLE) from None
    command(prog_name="homa")


def fault_of_package() -> str | None:
    """Why the package `homa` that Python finds is not this project's, with the remedy; None where it is."""
    spec = find_spec("homa")
    if spec is None:
        return f"the package homa is not installed here, though other parts of homa-queue are: {REMEDY}"
    places = list(spec.submodule_search_locations or ())
    if any((Path(place) / "client" / "sync.py").exists() for place in places):
        return None
    return f"the package homa in {places[0] if places else spec.origin} is another project's: {REMEDY}"


def beside(package: str) -> str | None:
    """The other project's distribution beside a package, as `homa 1.2`; None where it is not installed there.

    Reads one folder, since every `import homa` asks.

    Args:
        package: path of the package's folder.
    """
    for entry in Path(package).parent.glob("homa-*.dist-info"):
        name, _, version = entry.name.removesuffix(".dist-info").partition("-")
        return f"{name} {version}"
    return None
