"""What leads to a fake fleet and away from production: settings, variables, a directory of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from homa_shared.kinds.registry import known_kinds
from homa_shared.settings.model import Settings, load_settings


def fake_settings(url: str, namespace: str, home: str, given: Mapping[str, Any]) -> Settings:
    kinds = {f"HOMA_PROVIDERS__{kind.upper()}__KIND": kind for kind in known_kinds()}
    env = {"HOMA_REDIS_URL": url, "HOMA_NAMESPACE": namespace, "HOMA_HOME": home, **kinds}
    if config := os.environ.get("HOMA_CONFIG"):
        env["HOMA_CONFIG"] = config
    settings = load_settings(env=env, cwd=Path.cwd(), overrides=given)
    if "blobs" in given or (settings.blobs is None and not os.environ.get("HOMA_BLOBS")):
        return settings
    # The project's own may be production's.
    return load_settings(env=env, cwd=Path.cwd(), overrides={**given, "blobs": str(Path(home, "blobs"))})


def variables_of(settings: Settings) -> dict[str, str]:
    """What leads processes to a fake fleet, beside what the project's homa.toml says."""
    blobs = {} if settings.blobs is None else {"HOMA_BLOBS": settings.blobs}
    home = str(settings.home)
    return {"HOMA_REDIS_URL": str(settings.redis_url), "HOMA_NAMESPACE": settings.namespace, "HOMA_HOME": home, **blobs}


@contextmanager
def own_directory() -> Iterator[str]:
    """A directory that is gone afterwards, unless it is a forked child that leaves: it is its parent's."""
    made, by = tempfile.mkdtemp(prefix="homa-fake-"), os.getpid()
    try:
        yield made
    finally:
        if os.getpid() == by:
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
