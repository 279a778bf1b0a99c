"""Every plugin that is installed here: its package, what it adds, what is wrong with it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import click

from homa.cli import plugged
from homa.client.extensions import EXTENSIONS
from homa.files.readers.document import READERS
from homa_shared.calls.plugged_tools import TOOLS
from homa_shared.calls.tools import Tool
from homa_shared.kinds.profile import KindProfile
from homa_shared.kinds.registry import KINDS
from homa_shared.plugins import Group, Plugin, PluginError, Policy, plugins_of


def _anything(name: str, found: object) -> None:
    """Those who use a group that this process does not know the types of check it themselves."""


_MIDDLEWARE = Group("homa.middleware", "middleware", _anything)
#: off: the settings turn plugins off. elsewhere: only workers load it, and none is installed here.
State = Literal["loads", "broken", "off", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Found:
    """One plugin."""

    group: str
    name: str
    package: str
    version: str
    #: One line for people; empty where it was not loaded.
    adds: str
    state: State
    #: Why it is broken.
    problem: str = ""


def survey(policy: Policy) -> list[Found]:
    """Looks at each plugin of each group, which imports it unless the policy is `none`."""
    groups = (KINDS, READERS, TOOLS, _MIDDLEWARE, plugged(), EXTENSIONS)
    return [_look(plugin, policy) for group in groups for plugin in plugins_of(group)]


def _look(plugin: Plugin, policy: Policy) -> Found:
    if policy == "none":
        return _found(plugin, "", "off")
    if plugin.group is _MIDDLEWARE and find_spec("homa_workers.middleware") is None:
        return _found(plugin, "", "elsewhere")
    try:
        return _found(plugin, _told(plugin.load()), "loads")
    except PluginError as error:
        return _found(plugin, "", "broken", str(error))


def _found(plugin: Plugin, adds: str, state: State, problem: str = "") -> Found:
    dist = plugin.point.dist
    name, version = (dist.name, dist.version) if dist else ("", "")
    return Found(plugin.group.name, plugin.name, name, version, adds, state, problem)


def _told(found: object) -> str:
    """What an object says of itself, in a line."""
    if isinstance(found, KindProfile):
        return f"calls {found.connection.endpoint}" if found.connection.endpoint else "a kind of provider"
    if isinstance(found, Tool):
        return _first_line(found.description) or found.name
    if isinstance(found, click.Command):
        return found.get_short_help_str(100)
    # What @around declares is known by its function.
    own = getattr(found, "function", found)
    return _first_line(inspect.getdoc(own) or "") or str(getattr(own, "__qualname__", type(found).__name__))


def _first_line(text: str) -> str:
    return text.partition("\n")[0].strip()
