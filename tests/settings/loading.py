"""Settings of a directory and of variables, as tests load them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from homa_shared.model.errors import ConfigError
from homa_shared.settings.model import Settings, load_settings, origins


def write(place: Path, text: str) -> Path:
    file = place / "homa.toml"
    file.write_text(dedent(text), encoding="utf-8")
    return file


def load(place: Path, /, overrides: dict[str, Any] | None = None, **env: str) -> Settings:
    return load_settings(env={"XDG_STATE_HOME": str(place), **env}, cwd=place, overrides=overrides)


def complaint(place: Path, /, **env: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(place, **env)  # type: ignore[arg-type]
    return str(caught.value).splitlines()


def origin_of(settings: Settings, name: str) -> tuple[str, str]:
    row = next(row for row in origins(settings) if row.name == name)
    return row.value, row.origin
