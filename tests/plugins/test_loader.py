"""The loader of plugins: what it finds, what it takes for broken, and what becomes of that."""

from __future__ import annotations

import subprocess
import sys

import pytest

from homa_shared.plugins import Group, PluginError, expects_callable, load_all, plugin_of, plugins_of
from tests.plugins.packages import Site

GROUP = Group("homa.things", "thing", expects_callable("a function"), lambda: ("own",))
GOOD = "def made(): ...\nnumber = 5\n"


def test_where_nothing_is_installed_nothing_is_found(site: Site) -> None:
    assert plugins_of(GROUP) == []
    assert plugin_of(GROUP, "any") is None
    assert load_all(GROUP, "fatal", pytest.fail) == {}


def test_plugins_are_loaded_in_the_order_of_their_names(site: Site) -> None:
    site.install("acme", {"homa.things": {"b": "acme_good:made", "a": "acme_good:made"}}, acme_good=GOOD)
    found = load_all(GROUP, "fatal", pytest.fail)
    assert list(found) == ["a", "b"]
    assert str(plugin_of(GROUP, "a")) == "thing 'a' of acme 1.2"


@pytest.mark.parametrize(
    ("value", "source", "why"),
    [
        ("acme_bad:made", "1 / 0", "cannot be loaded from acme_bad:made: ZeroDivisionError: division by zero"),
        ("acme_bad:made", "raise SystemExit(3)", "cannot be loaded from acme_bad:made: SystemExit: 3"),
        ("acme_absent:made", "", "cannot be loaded from acme_absent:made: ModuleNotFoundError: No module named"),
        ("acme_bad:made", "", "cannot be loaded from acme_bad:made: AttributeError"),
        ("acme_bad:number", GOOD, "is 5; expected a function"),
        ("acme_bad:made", f"HOMA_API = 2\n{GOOD}", "was made for version 2 of the interface, and this Homa has 1"),
    ],
)
def test_a_broken_one_is_named_and_skipped_or_fatal(site: Site, value: str, source: str, why: str) -> None:
    site.install("acme", {"homa.things": {"bad": value, "good": "acme_good:made"}}, acme_bad=source, acme_good=GOOD)
    told: list[str] = []
    assert list(load_all(GROUP, "skip", told.append)) == ["good"]
    (said,) = told
    assert said.startswith(f"thing 'bad' of acme 1.2 {why}")
    assert said.endswith('; mend or uninstall it. It is skipped; plugins = "fatal" makes it an error')
    with pytest.raises(PluginError, match=r"thing 'bad' of acme 1\.2"):
        load_all(GROUP, "fatal", pytest.fail)


def test_of_two_of_one_name_neither_is_taken(site: Site) -> None:
    site.install("acme", {"homa.things": {"one": "acme_good:made"}}, acme_good=GOOD)
    site.install("other", {"homa.things": {"one": "acme_good:made"}}, version="3")
    told: list[str] = []
    assert load_all(GROUP, "skip", told.append) == {}
    (said,) = told
    assert "has the name of another one, of" in said
    assert "acme 1.2" in said
    assert "other 3" in said


def test_a_name_of_homas_own_is_not_taken(site: Site) -> None:
    site.install("acme", {"homa.things": {"own": "acme_good:made"}}, acme_good=GOOD)
    with pytest.raises(PluginError, match=r"thing 'own' of acme 1\.2 has the name of one of Homa's own"):
        load_all(GROUP, "fatal", pytest.fail)


def test_where_plugins_are_turned_off_none_is_imported(site: Site) -> None:
    site.install("acme", {"homa.things": {"one": "acme_good:made"}}, acme_good=GOOD)
    assert load_all(GROUP, "none", pytest.fail) == {}
    assert "acme_good" not in sys.modules


def test_a_client_that_needs_no_plugin_does_not_even_look_for_them() -> None:
    code = (
        "import importlib.metadata as metadata\n"
        "metadata.entry_points = None\n"
        "import homa\n"
        "homa.Homa(redis_url='redis://127.0.0.1:1').close()\n"
        "homa.AsyncHoma(redis_url='redis://127.0.0.1:1')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
