"""What only a worker's own code can tell: whether adapters and middleware load here, in a process of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import orjson

from homa.cli.doctor.check import Check
from homa.supervision.processes import module_command
from homa_shared.kinds.registry import profile_of
from homa_shared.kinds.sdk_versions import remedy, too_new
from homa_shared.model.errors import ConfigError
from homa_shared.store.safety_checks import Level

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings

#: Imports of SDKs on a busy machine, s.
_PATIENCE_S = 60


def sdks(settings: Settings) -> Iterator[Check]:
    """SDKs of a later major version than this release was made for."""
    for kind in sorted({provider.kind for provider in settings.providers.values()}):
        try:
            profile = profile_of(kind)
        except ConfigError:
            continue
        found = too_new(profile)
        if found is not None:
            yield Check(Level.WARNING, f"SDK of {kind}", found, remedy(profile))


def loading(settings: Settings) -> Iterator[Check]:
    """Whether the adapter of each provider, and each middleware, can be made; nothing where no worker is installed."""
    if not settings.providers or find_spec("homa_workers") is None:
        return
    try:
        done = subprocess.run(
            module_command("homa_workers.process.loading"),
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
            env=os.environ,
        )
    except subprocess.TimeoutExpired:
        yield Check(Level.WARNING, "adapters", f"not loaded within {_PATIENCE_S} s", "try again on a quieter machine")
        return
    lines = done.stdout.splitlines()
    for name, trouble in map(orjson.loads, lines):
        # A worker that cannot start loses nothing: what it would serve waits.
        yield Check(Level.WARNING, name, "cannot be loaded", trouble) if trouble else Check(Level.OK, name, "loads")
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        yield Check(Level.WARNING, "adapters", "cannot be loaded", last or f"exit status {done.returncode}")
