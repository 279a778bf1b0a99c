"""Another project's distribution is called homa, with a package and a command of that name: users are told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from homa.cli.doctor.checks import checks
from homa_shared.namesake import REMEDY, beside, fault_of_package
from homa_shared.settings.model import load_settings
from tests.project.locks import ROOT

OURS = ROOT / "producer" / "homa"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that another project's `homa` was installed into: its package, and its metadata."""
    (tmp_path / "homa").mkdir()
    (tmp_path / "homa" / "__init__.py").write_text("def cpu(): ...\n")
    info = tmp_path / "homa-0.3.313.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: homa\nVersion: 0.3.313\n")
    return tmp_path


def _python(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs code where this folder comes first, as site-packages does before an editable install."""
    preface = f"import sys; sys.path.insert(0, {str(site)!r}); "
    return subprocess.run([sys.executable, "-c", preface + code], capture_output=True, text=True, check=False)


def test_our_own_package_is_no_fault() -> None:
    assert fault_of_package() is None
    assert beside(str(OURS)) is None


def test_the_command_says_that_the_package_is_another_projects(site: Path) -> None:
    done = _python(site, "from homa_shared.namesake import console; console()")
    assert done.returncode == 2
    assert f"the package homa in {site / 'homa'} is another project's: {REMEDY}" in done.stderr


def test_the_command_says_that_the_package_was_taken_away(site: Path) -> None:
    """As after `pip uninstall homa`, which took this project's files of the same names."""
    shutil.copytree(ROOT / "shared" / "homa_shared", site / "homa_shared")
    shutil.rmtree(site / "homa")
    code = (
        "sys.path = [p for p in sys.path if not p.endswith('producer')]; "
        "from homa_shared.namesake import console; console()"
    )
    done = _python(site, code)
    assert done.returncode == 2
    assert "the package homa is not installed here" in done.stderr


def test_importing_ours_beside_the_other_warns(site: Path) -> None:
    shutil.copytree(OURS, site / "homa", dirs_exist_ok=True)
    done = _python(site, "import homa; print(homa.Homa.__name__)")
    assert done.stdout == "Homa\n"
    assert "another project's distribution, homa 0.3.313, is installed here and shares the package homa" in done.stderr


def test_the_doctor_names_the_other(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))
    first = next(iter(checks(load_settings(), deep=False)))
    assert (first.level, first.value, first.what_to_do) == (
        "warning",
        "another project's distribution, homa 0.3.313, shares the package homa",
        REMEDY,
    )


def test_both_commands_are_the_command_line() -> None:
    for name in ("homa", "homa-queue"):
        script = Path(sys.executable).parent / name
        shown = subprocess.run([str(script), "--version"], capture_output=True, text=True, check=True).stdout
        assert shown.startswith("homa, version ")
