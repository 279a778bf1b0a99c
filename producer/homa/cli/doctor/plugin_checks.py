"""Plugins of installed packages: which there are, and which of them are broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from homa.cli.doctor.check import Check
from homa.cli.plugin_survey import Found, survey
from homa_shared.store.safety_checks import Level

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings


def plugins(settings: Settings) -> Iterator[Check]:
    """One for each plugin that is installed here."""
    for found in survey(settings.plugins):
        yield _check(found, settings)


def _check(found: Found, settings: Settings) -> Check:
    name, package = f"plugin {found.name}", f"{found.group} of {found.package} {found.version}".rstrip()
    if found.state == "broken":
        # Nothing is lost: what wants it is refused, or goes on without it.
        fate = "it is skipped" if settings.plugins == "skip" else "what loads it does not start"
        return Check(Level.WARNING, name, f"{package}: {fate}", found.problem)
    if found.state == "off":
        return Check(Level.OK, name, f'{package}: not loaded, since plugins = "none"')
    if found.state == "elsewhere":
        return Check(Level.OK, name, f"{package}: only workers load it")
    return Check(Level.OK, name, f"{package}: {found.adds}")
