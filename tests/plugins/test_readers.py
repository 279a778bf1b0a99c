"""Readers of installed packages: what the setting `plugins` makes of them, broken ones too."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from homa.cli.input_options import read_options
from homa.files import ReadOptions, Row, check_inputs, open_inputs
from homa_shared.model.errors import ConfigError, InvalidRequest
from homa_shared.plugins import PluginError
from tests.plugins.packages import Site
from tests.readers.reading import document, rows

GOOD = """
from homa.files.readers.document import Document

class Bibliography:
    name, needs, isolated, seeks, markup = "bib", (), {isolated}, False, True

    def claims(self, head):
        return head.data.startswith(b"@")

    def read(self, opened, options):
        yield Document("read as a bibliography")

READER = Bibliography()
"""
ISOLATED, HERE = GOOD.format(isolated=True), GOOD.format(isolated=False)
POINTS = {"homa.readers": {"bib": "acme_good:READER"}}
BROKEN = {"homa.readers": {"bib": "acme_good:READER", "marc": "acme_bad:READER"}}


@pytest.mark.parametrize("source", [ISOLATED, HERE])
def test_one_that_is_broken_is_warned_of_once_and_the_others_read(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    site.install("acme", BROKEN, acme_good=source, acme_bad="1 / 0")
    with caplog.at_level(logging.WARNING, "homa"):
        for _ in range(2):
            assert document(tmp_path, "a.x", "@book").text == "read as a bibliography"
    (told,) = caplog.messages
    assert told.startswith("reader 'marc' of acme 1.2 cannot be loaded from acme_bad:READER: ZeroDivisionError")
    assert "It is skipped" in told


def test_where_that_is_fatal_nothing_is_read(site: Site, tmp_path: Path) -> None:
    site.install("acme", BROKEN, acme_good=HERE, acme_bad="1 / 0")
    path = tmp_path / "a.txt"
    path.write_text("words")
    for look in (check_inputs, open_inputs):
        with pytest.raises(PluginError, match=r"reader 'marc' of acme 1\.2 cannot be loaded"):
            look([str(path)], options=ReadOptions(plugins="fatal"))


def test_where_plugins_are_turned_off_none_is_imported(site: Site, tmp_path: Path) -> None:
    site.install("acme", POINTS, acme_good=HERE)
    assert document(tmp_path, "a.txt", "@book", plugins="none").text == "@book"
    assert "acme_good" not in sys.modules
    with pytest.raises(ConfigError, match=r"reader 'bib' of acme 1\.2 is not loaded, since plugins = \"none\""):
        rows(tmp_path, "a.txt", "@book", plugins="none", input_format="bib")


def test_who_asks_for_a_broken_one_by_name_is_told_what_is_wrong_with_it(site: Site, tmp_path: Path) -> None:
    site.install("acme", BROKEN, acme_good=HERE, acme_bad="1 / 0")
    with pytest.raises(PluginError, match=r"reader 'marc' of acme 1\.2 cannot be loaded"):
        rows(tmp_path, "a.txt", "@book", input_format="marc")
    with pytest.raises(InvalidRequest, match="--input-format is 'mrac': expected one of bib, pdf, "):
        rows(tmp_path, "a.txt", "@book", input_format="mrac")


@pytest.mark.parametrize(
    "made", ["def READER(): ...", HERE.replace("= Bibliography()", "= Bibliography"), "READER = 5"]
)
def test_what_is_no_reader_is_broken(site: Site, tmp_path: Path, made: str) -> None:
    site.install("acme", POINTS, acme_good=made)
    with pytest.raises(
        PluginError, match=r"reader 'bib' of acme 1\.2 is .*; expected an object with the names of a reader"
    ):
        rows(tmp_path, "a.txt", "@book", plugins="fatal")


@pytest.mark.parametrize("policy", ["skip", "fatal", "none"])
def test_commands_read_by_the_setting(site: Site, monkeypatch: pytest.MonkeyPatch, policy: str) -> None:
    site.install("acme", POINTS, acme_good=HERE)
    monkeypatch.setenv("HOMA_PLUGINS", policy)
    assert read_options({"raw": True}) == ReadOptions(raw=True, plugins=policy)  # type: ignore[arg-type]


def test_rows_of_two_packages_of_one_name_are_read_by_neither(site: Site, tmp_path: Path) -> None:
    site.install("acme", POINTS, acme_good=HERE)
    site.install("other", POINTS, version="3")
    (row,) = rows(tmp_path, "a.txt", "@book")
    assert isinstance(row, Row)
    assert row.text == "@book"
