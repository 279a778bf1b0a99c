"""Where the embedded store of a user or a project lives."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def default_directory(config_file: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the embedded store of this user or project lives: HOMA_HOME, else `.homa` beside the nearest homa.toml,
    else the user's state directory.

    Args:
        config_file: the homa.toml in force, if there is one.
        environ: the environment to read HOMA_HOME and XDG_STATE_HOME from.
    """
    if environ.get("HOMA_HOME"):
        return Path(environ["HOMA_HOME"]).expanduser().absolute()
    if config_file is not None:
        return config_file.absolute().parent / ".homa"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "homa"
    state = environ.get("XDG_STATE_HOME", "")
    # The XDG specification has relative paths ignored.
    return (Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state") / "homa"
