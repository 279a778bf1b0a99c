"""Workflows, issue forms and hooks: pinned, with least permissions, and valid by those who read them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
_PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")


def steps(workflow: Path) -> list[tuple[int, str]]:
    """Lines with what a workflow uses of others, by their numbers."""
    lines = workflow.read_text().splitlines()
    found = [(i, re.search(r"uses: (\S+)(.*)$", line)) for i, line in enumerate(lines, 1)]
    return [(i, match[1] + match[2]) for i, match in found if match]


def jobs() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{workflow.name}: {name}", job)
        for workflow in WORKFLOWS
        for name, job in yaml.safe_load(workflow.read_text())["jobs"].items()
    ]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_digest_and_name_their_version(workflow: Path) -> None:
    for number, used in steps(workflow):
        action, _, comment = used.partition(" ")
        if action.startswith("./"):
            continue
        assert _PINNED.match(action), f"{workflow.name}:{number}: {action} is not pinned by a digest of 40 digits"
        assert re.search(r"# v\d+\.\d+\.\d+$", comment), f"{workflow.name}:{number}: behind the digest: # vX.Y.Z"


def test_an_action_has_one_digest_everywhere() -> None:
    pins = {used.partition(" ")[0] for workflow in WORKFLOWS for _, used in steps(workflow)}
    actions = [pin.partition("@")[0] for pin in pins]
    assert len(actions) == len(set(actions))


def test_permissions_are_none_unless_a_job_says_which() -> None:
    for workflow in WORKFLOWS:
        assert yaml.safe_load(workflow.read_text())["permissions"] == {}
    assert [name for name, job in jobs() if "permissions" not in job] == []
    writers = {name: set(job["permissions"]) for name, job in jobs() if "write" in job["permissions"].values()}
    assert writers == {"release.yml: release": {"contents"}, "release.yml: publish": {"id-token", "attestations"}}


def test_a_job_that_hangs_ends() -> None:
    assert [name for name, job in jobs() if "timeout-minutes" not in job and "uses" not in job] == []


def test_the_matrix_is_every_python_that_is_supported() -> None:
    (matrix,) = [job["strategy"]["matrix"]["python"] for _, job in jobs() if "strategy" in job]
    classifiers = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text())
    assert matrix == classifiers


def test_zizmor_finds_nothing_and_a_tag_for_a_pin(tmp_path: Path) -> None:
    def judged(*paths: Path) -> subprocess.CompletedProcess[str]:
        zizmor = Path(sys.executable).parent / "zizmor"  # a program in a wheel, and no module
        command = [str(zizmor), "--offline", "--min-severity", "medium", *map(str, paths)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = judged(*WORKFLOWS, GITHUB / "dependabot.yml")
    assert done.returncode == 0, done.stdout
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    wrong = folder / "ci.yml"
    wrong.write_text(re.sub(r"actions/checkout@[0-9a-f]{40}", "actions/checkout@v4", WORKFLOWS[0].read_text()))
    assert "unpinned-uses" in judged(wrong).stdout


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        *(("github-workflows", path) for path in WORKFLOWS),
        ("dependabot", GITHUB / "dependabot.yml"),
        ("github-issue-forms", GITHUB / "ISSUE_TEMPLATE" / "defect.yml"),
        ("github-issue-forms", GITHUB / "ISSUE_TEMPLATE" / "wish.yml"),
        ("github-issue-config", GITHUB / "ISSUE_TEMPLATE" / "config.yml"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_github_takes_the_file(schema: str, path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("feat: homa status", None),
        ("fix(store): a lease", None),
        ("feat!: another shape", None),
        ("Merge branch 'x'", None),
        ("add things", "begins with none of"),
        ("feat:no blank", "begins with none of"),
        ("docs: " + "x" * 70, "expected at most 72"),
    ],
)
def test_the_hook_takes_subjects_that_releases_follow_from(subject: str, said: str | None, tmp_path: Path) -> None:
    message = tmp_path / "COMMIT_EDITMSG"
    message.write_text(f"{subject}\n\nWhy.\n")
    done = subprocess.run(
        [str(ROOT / "tools" / "check_subject.sh"), str(message)], capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == (said is None)
    assert (said or "") in done.stderr


def test_hooks_run_programs_of_this_tree() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    for hook in hooks[0]["hooks"]:
        program = hook["entry"].split()[0]
        assert program.startswith((".venv/bin/", "tools/"))
        assert program.startswith(".venv") or (ROOT / program).exists()
