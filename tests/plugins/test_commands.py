"""Commands that installed packages add to `homa`."""

from __future__ import annotations

import sys

import pytest

from homa_shared import plugins
from tests.commands_b.stand import Stand
from tests.plugins.packages import Site

HELLO = """
import click

from homa_shared.model.errors import InvalidRequest


@click.command("hello")
@click.argument("name")
def command(name: str) -> None:
    \"\"\"Greets.\"\"\"
    if name == "nobody":
        raise InvalidRequest("nobody is there")
    click.echo(f"Hello {name}")
"""
POINTS = {"homa.commands": {"hello": "acme_hello:command"}}


def test_a_command_of_a_package_runs_as_homas_own_do(site: Site, stand: Stand) -> None:
    site.install("acme-hello", POINTS, acme_hello=HELLO)
    assert stand.said("hello", "you").stdout == "Hello you\n"
    wrong = stand.said("hello", "nobody")
    assert (wrong.status, wrong.stderr) == (2, "homa: nobody is there\n")


def test_help_names_its_package_without_loading_it(site: Site, stand: Stand) -> None:
    site.install("acme-hello", POINTS, acme_hello="1 / 0")
    said = stand.said("--help").stdout
    assert "Commands of plugins:\n  hello  By acme-hello 1.2.\n" in said
    assert "acme_hello" not in sys.modules


def test_without_any_help_has_no_such_part(site: Site, stand: Stand) -> None:
    assert "Commands of plugins" not in stand.said("--help").stdout


def test_a_built_in_command_is_never_shadowed(site: Site, stand: Stand) -> None:
    site.install("acme-hello", {"homa.commands": {"queues": "acme_hello:command"}}, acme_hello="1 / 0")
    assert stand.said("queues", "--json").json == {"queues": []}
    assert "Commands of plugins" not in stand.said("--help").stdout
    (row,) = stand.said("plugins", "--json").json["plugins"]
    assert row["state"] == "broken"
    assert "command 'queues' of acme-hello 1.2 has the name of one of Homa's own" in row["problem"]


def test_built_in_commands_look_through_no_packages(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda **_: pytest.fail("packages were looked through"))
    assert stand.said("queues").status == 0
    assert stand.said("run", "--help").status == 0


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("1 / 0", "cannot be loaded from acme_hello:command: ZeroDivisionError"),
        ("command = 5", "is 5; expected a click"),
    ],
)
def test_a_broken_one_is_named(site: Site, stand: Stand, source: str, why: str) -> None:
    site.install("acme-hello", POINTS, acme_hello=source)
    said = stand.said("hello")
    assert said.status == 2
    assert f"homa: command 'hello' of acme-hello 1.2 {why}" in said.stderr
    assert "Traceback" not in said.stderr


def test_one_is_not_loaded_where_plugins_are_turned_off(
    site: Site, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("acme-hello", POINTS, acme_hello=HELLO)
    monkeypatch.setenv("HOMA_PLUGINS", "none")
    said = stand.said("hello", "you")
    assert said.status == 2
    assert "command 'hello' of acme-hello 1.2 is not loaded, since plugins = \"none\"" in said.stderr


def test_an_unknown_command_is_still_told_of_its_neighbours(site: Site, stand: Stand) -> None:
    site.install("acme-hello", POINTS, acme_hello=HELLO)
    assert "No such command 'hullo'. Did you mean 'hello'?" in stand.said("hullo").stderr
