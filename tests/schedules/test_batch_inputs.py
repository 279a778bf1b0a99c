"""What a schedule's batch may read, where its store is others' as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from homa_workers.fills.allowed import not_allowed

PLACES = ("/data/in", "https://example.com/notes", "s3://bucket/in/")


@pytest.mark.parametrize(
    "name",
    ["/data/in", "/data/in/a.txt", "/data/in/2026-*/b?.txt", "https://example.com/notes/1.txt", "s3://bucket/in/a"],
)
def test_what_lies_in_a_place_is_read(name: str) -> None:
    assert not_allowed(["--model", "p:m", "--", name], PLACES) is None


@pytest.mark.parametrize(
    "name",
    [
        "/data/inside.txt",
        "/data/*",
        "/data/in/../secret.txt",
        "/data/in/*/../../secret.txt",
        "/etc/passwd",
        "https://example.com/notes-of-others",
        "https://example.com.evil.org/notes/1",
        "http://169.254.169.254/latest",
        "s3://bucket/in/../out/a",
    ],
)
def test_what_lies_elsewhere_is_named(name: str) -> None:
    assert not_allowed(["--", "/data/in/a.txt", name], PLACES) == name
    assert not_allowed(["--", name], ()) == name
    assert not_allowed(["--", name], None) is None


@pytest.mark.parametrize("option", ["@/etc/passwd", "/etc/passwd", "@relative"])
def test_files_that_options_name_are_inputs_too(option: str) -> None:
    assert not_allowed(["--prompt", option, "--", "/data/in/a.txt"], PLACES) == option.removeprefix("@")


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    link = str(tmp_path / "in" / "link")
    assert not_allowed(["--", link], [str(tmp_path / "in")]) == link
