"""Commands that installed packages add to `homa`.

Built-in commands never look here, and `homa --help` imports no plugin: it says which package brings a command.
"""

from __future__ import annotations

from collections.abc import Callable

import click

from homa_shared.plugins import Group, Plugin, plugin_of, plugins_of


def _fault(name: str, found: object) -> str | None:
    return None if isinstance(found, click.Command) else f"is {found!r:.80}; expected a click command or group"


def commands(builtin: Callable[[], tuple[str, ...]]) -> Group:
    """The group whose entry points are click commands, added to `homa` under their names.

    Args:
        builtin: names of Homa's own, which no plugin takes.
    """
    return Group("homa.commands", "command", _fault, builtin)


def listed(group: Group) -> list[Plugin]:
    """Those that `homa --help` names: none under the name of a built-in one."""
    return [plugin for plugin in plugins_of(group) if plugin.name not in group.taken()]


def loaded(group: Group, name: str) -> click.Command | None:
    """The command of a name; None where no package brings it.

    Raises:
        ConfigError: it cannot be loaded, or plugins are turned off.
    """
    plugin = plugin_of(group, name)
    if plugin is None:
        return None
    from homa_shared.settings.model import load_settings  # the settings are asked only where there is one

    found = plugin.load_for(load_settings().plugins)
    assert isinstance(found, click.Command), found  # the group saw to it
    return found
