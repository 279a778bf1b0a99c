"""Sorts of plugins that `homa new` begins: where their entry points go, and what their modules say."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from homa.cli.new import commands, middleware, providers, readers, tools


class Sort(NamedTuple):
    """One sort of plugin."""

    group: str
    #: What of the module the entry point names, `$name` for the plugin's own.
    value: str
    #: Sources of module and test, with `$name` (an identifier), `$given` (as it was given) and `$module`.
    source: str
    test: str
    #: What its package needs.
    needs: str
    #: Names that Homa has itself.
    taken: Callable[[], tuple[str, ...]] = tuple


def _commands() -> tuple[str, ...]:
    from homa.cli import SUMMARIES

    return tuple(SUMMARIES)


def _kinds() -> tuple[str, ...]:
    from homa_shared.kinds.registry import builtin_kinds

    return builtin_kinds()


def _readers() -> tuple[str, ...]:
    from homa.files.readers.registry import names

    return tuple(names("none"))


SORTS = {
    "tool": Sort("homa.tools", "$name", tools.SOURCE, tools.TEST, "homa-queue"),
    "middleware": Sort("homa.middleware", "$name", middleware.SOURCE, middleware.TEST, "homa-queue[workers]"),
    "provider": Sort("homa.providers", "PROFILE", providers.SOURCE, providers.TEST, "homa-queue[workers]", _kinds),
    "reader": Sort("homa.readers", "READER", readers.SOURCE, readers.TEST, "homa-queue", _readers),
    "command": Sort("homa.commands", "command", commands.SOURCE, commands.TEST, "homa-queue", _commands),
}
