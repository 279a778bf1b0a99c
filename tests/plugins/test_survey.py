"""`homa plugins` and `homa doctor` tell of every plugin, with its package."""

from __future__ import annotations

import pytest

from homa_shared.model.errors import ConfigError
from homa_shared.settings.model import load_settings
from tests.commands_b.stand import Stand
from tests.commands_b.test_setup import checks
from tests.plugins.packages import Site

ACME = """
import click

from homa import Homa, tool
from homa_shared.kinds.profile import Connection, KindProfile
from homa_workers.middleware import Middleware, around

PROFILE = KindProfile("acme", adapter="acme:Adapter", connection=Connection(endpoint="https://acme.example/v1"))


@tool
def acme_weather(city: str) -> str:
    \"\"\"The weather to come.\"\"\"
    return city


class Quiet(Middleware):
    \"\"\"Says nothing.\"\"\"


@around()
async def polite(request, call_next):
    \"\"\"Asks politely.\"\"\"
    return await call_next(request)


@click.command(help="Greets.")
def hello(): ...


def reports(homa: Homa) -> str:
    return "report"


class Bib:
    \"\"\"Reads bibliographies.\"\"\"

    name, needs, isolated, seeks, markup = "acme", (), False, False, True

    def claims(self, head): ...

    def read(self, opened, options): ...


read = Bib()
"""
POINTS = {
    "homa.providers": {"acme": "acme:PROFILE"},
    "homa.readers": {"acme": "acme:read"},
    "homa.tools": {"acme_weather": "acme:acme_weather", "acme_absent": "acme:absent"},
    "homa.middleware": {"quiet": "acme:Quiet", "polite": "acme:polite"},
    "homa.commands": {"hello": "acme:hello"},
    "homa.client": {"reports": "acme:reports"},
}


def test_each_plugin_is_listed_with_what_it_adds(site: Site, stand: Stand) -> None:
    site.install("acme", POINTS, acme=ACME)
    rows = stand.said("plugins", "--json").json["plugins"]
    assert [(row["group"], row["name"], row["adds"], row["state"]) for row in rows if row["state"] == "loads"] == [
        ("homa.providers", "acme", "calls https://acme.example/v1", "loads"),
        ("homa.readers", "acme", "Reads bibliographies.", "loads"),
        ("homa.tools", "acme_weather", "The weather to come.", "loads"),
        ("homa.middleware", "polite", "Asks politely.", "loads"),
        ("homa.middleware", "quiet", "Says nothing.", "loads"),
        ("homa.commands", "hello", "Greets.", "loads"),
        ("homa.client", "reports", "reports", "loads"),
    ]
    assert {(row["package"], row["version"]) for row in rows} == {("acme", "1.2")}
    (broken,) = [row for row in rows if row["state"] == "broken"]
    assert broken["problem"].startswith("tool 'acme_absent' of acme 1.2 cannot be loaded from acme:absent: Attr")
    assert "acme_weather" in stand.said("plugins").stdout


def test_without_any_it_says_so(site: Site, stand: Stand) -> None:
    said = stand.said("plugins")
    assert (said.stdout, said.stderr) == ("", "homa: no installed package brings a plugin\n")


def test_doctor_names_each_and_warns_of_a_broken_one(site: Site, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("acme", POINTS, acme=ACME)
    found = checks(stand)
    (weather,) = found["plugin acme_weather"]
    assert (weather["level"], weather["value"]) == ("ok", "homa.tools of acme 1.2: The weather to come.")
    (absent,) = found["plugin acme_absent"]
    assert (absent["level"], absent["value"]) == ("warning", "homa.tools of acme 1.2: it is skipped")
    assert "mend or uninstall it" in absent["what_to_do"]
    monkeypatch.setenv("HOMA_PLUGINS", "fatal")
    assert checks(stand)["plugin acme_absent"][0]["value"].endswith("what loads it does not start")
    monkeypatch.setenv("HOMA_PLUGINS", "none")
    assert checks(stand)["plugin acme_absent"][0]["value"].endswith('not loaded, since plugins = "none"')


def test_a_kind_of_a_package_is_refused_where_plugins_are_turned_off(site: Site, stand: Stand) -> None:
    site.install("acme", {"homa.providers": {"acme": "acme:PROFILE"}}, acme="1 / 0")
    env = {"HOMA_PROVIDERS__MINE__KIND": "acme", "HOMA_PLUGINS": "none"}
    with pytest.raises(
        ConfigError, match=r"providers\.mine\.kind \(HOMA_PROVIDERS__MINE__KIND\) is 'acme', which the pl"
    ):
        load_settings(env=env, cwd=stand.home)
