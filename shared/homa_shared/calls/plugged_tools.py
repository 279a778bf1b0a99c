"""Tools that installed packages bring: every worker has them, without `--actors`."""

from __future__ import annotations

from collections.abc import Callable

from homa_shared.calls.tools import Tool, add
from homa_shared.model.errors import InvalidRequest
from homa_shared.plugins import Group, Plugin, PluginError, Policy, load_all, plugins_of


def _fault(name: str, found: object) -> str | None:
    if not isinstance(found, Tool):
        return f"is {found!r:.80}; expected a function with @tool of homa"
    return None if found.name == name else f"is the tool {found.name!r}; expected one of the entry point's name"


#: A package's entry point of this group is a tool of that name.
TOOLS = Group("homa.tools", "tool", _fault)


def load_tools(policy: Policy, warn: Callable[[str], None]) -> None:
    """Registers the tools of installed packages for workers of this process.

    Args:
        warn: is told of each broken one that is skipped.

    Raises:
        PluginError: one is broken, or another tool has its name, and the policy is `fatal`.
    """
    found = load_all(TOOLS, policy, warn)
    for plugin in plugins_of(TOOLS) if found else ():
        made = found.get(plugin.name)
        if isinstance(made, Tool):
            _add(plugin, made, policy, warn)


def _add(plugin: Plugin, made: Tool[..., object], policy: Policy, warn: Callable[[str], None]) -> None:
    try:
        add(made)
    except InvalidRequest as error:
        broken = PluginError(f"{plugin}: {error}")
        if policy == "fatal":
            raise broken from error
        warn(f"{broken}. It is skipped")
