"""`homa plugins`: what installed packages add, and whether it loads."""

from __future__ import annotations

import click

from homa.cli.documents.settings import PluginDocument, PluginsDocument
from homa.cli.output import json_option, print_json, print_table
from homa.cli.plugin_survey import Found, survey


@click.command("plugins")
@json_option(PluginsDocument)
def command(as_json: bool) -> None:
    """What installed packages add to Homa, and whether it loads here.

    Each plugin is imported for it, unless the settings turn plugins off.
    """
    from homa_shared.settings.model import load_settings

    policy = load_settings().plugins
    found = survey(policy)
    if as_json:
        print_json(PluginsDocument(policy=policy, plugins=[_document(one) for one in found]))
        return
    print_table(
        ("GROUP", "NAME", "PACKAGE", "VERSION", "ADDS", "STATE"),
        ((one.group, one.name, one.package, one.version, one.adds, one.problem or one.state) for one in found),
        wraps={"ADDS", "STATE"},
        empty="no installed package brings a plugin",
    )


def _document(one: Found) -> PluginDocument:
    return {
        "group": one.group,
        "name": one.name,
        "package": one.package,
        "version": one.version,
        "adds": one.adds,
        "state": one.state,
        "problem": one.problem,
    }
