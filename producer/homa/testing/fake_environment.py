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
    if settings.encryption_keys is not None:
        blobs["HOMA_ENCRYPTION_KEYS"] = settings.encryption_keys.get_secret_value()
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


#: Variables of the fakes that are open, the latest last, and what stood there before the first of them.
_layers: list[Mapping[str, str]] = []
_outside: dict[str, str | None] = {}


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables stand in the environment meanwhile; fakes need not end in the opposite order of their beginnings."""
    layer = dict(variables)
    for name in layer:
        _outside.setdefault(name, os.environ.get(name))
    _layers.append(layer)
    os.environ.update(layer)
    try:
        yield
    finally:
        _layers[:] = [each for each in _layers if each is not layer]
        for name in layer:
            _restore(name)


def _restore(name: str) -> None:
    """What the latest fake that is open says of a variable, or what stood there before all of them."""
    values = [layer[name] for layer in _layers if name in layer]
    value = values[-1] if values else _outside.pop(name)
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
