"""The store's URL from a file, as secrets are mounted: its password stands in no variable and no command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homa_shared.model.errors import ConfigError
from homa_shared.settings.sources import Gathered

_SETTING, _FILE = "redis_url", "redis_url_file"


def read_store_file(tree: dict[str, Any], gathered: Gathered) -> None:
    """Puts the URL in the file of `redis_url_file` where `redis_url` is not said.

    Args:
        tree: settings as they were written; gets `redis_url`.

    Raises:
        ConfigError: the file cannot be read, or has not one line.
    """
    named = tree.get(_FILE)
    if not isinstance(named, str | Path) or not str(named) or tree.get(_SETTING) is not None:
        return
    path = Path(named).expanduser().absolute()
    where = f"{_FILE} ({gathered.origin((_FILE,))}), the file {path},"
    try:
        lines = path.read_text(encoding="utf-8").strip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{where} cannot be read ({said}): expected the store's URL on one line") from None
    if len(lines) != 1:
        found = "is empty" if not lines else f"has {len(lines)} lines"
        raise ConfigError(f"{where} {found}: expected the store's URL on one line")
    tree[_SETTING] = lines[0].strip()
    gathered.origins[(_SETTING,)] = f"file {path}"
