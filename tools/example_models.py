"""Write the current example models wherever one of their predecessors stands: documents, demo, deployment, code, tests.

The table is `homa_shared/model/example_models.py`. Run it again after a merge: what is current it leaves as it is. A
test that is about an older model names a dated snapshot, which is left alone, or its file stands in KEPT.

    python tools/example_models.py           rewrite
    python tools/example_models.py --check   say what would be rewritten, or stands outside the table; status 1 for any
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from homa_shared.model.example_models import EXAMPLES

ROOT = Path(__file__).resolve().parents[1]
#: Where a predecessor stays, with the reason. A folder ends in a slash.
KEPT = {
    "CHANGELOG.md": "what was released",
    "docs/decisions/": "what was decided when",
    "requirements/": "no names of models",
    "shared/homa_shared/kinds/": "rules of families",
    "shared/homa_shared/model/example_models.py": "the table itself",
    "tests/budgets/test_bounds_hold.py": "prices of models",
    "tests/client/test_model_families.py": "rules of families",
    "tests/commands_b/test_doctor_names.py": "models that end",
    "tests/kinds/": "rules of families, and models that end",
    "tests/matrix/family_models.py": "a model of every family",
    "tests/pricing/test_regional_prices.py": "prices of models",
    "tests/pricing/test_terms.py": "prices of models",
    "tests/pricing/test_tokens.py": "encodings of families",
    "tests/project/test_currency.py": "models that end",
    "tests/project/test_example_models.py": "tests of this tool",
    "tests/prompt_cache/test_models.py": "rules of families",
    "tests/providers/test_bills.py": "prices of models",
    "tests/providers/test_gemini_bills.py": "prices of models",
    "tests/providers/golden": "rules of families: what adapters send to older models and to newer ones",
    "tests/simulator/test_model_families.py": "rules of families",
    "tests/simulator/test_terms.py": "prices of models",
    "tests/upgrades/": "records that an earlier release wrote",
    "tests/worker/test_model_families.py": "rules of families",
    "workers/homa_workers/simulator/dialects/": "rules of families, written a second time",
}
#: What readers take over from: nothing there names a model outside the table.
READ_BY_USERS = ("README.md", "CONTRIBUTING.md", "Dockerfile", "docs/", "k8s/", "benchmarks/", "producer/homa/demo/")
#: Names outside the table that stay there, with the reason.
ALSO_NAMED: dict[str, str] = {}

_CURRENT_OF = {old: example.model for example in EXAMPLES for old in example.was}
_BEFORE, _AFTER = r"(?<![\w-])(?<!\w\.)", r"(?!\w|[-.:@*]\w|[*]|-\W)"
_PREDECESSOR = re.compile(
    f"{_BEFORE}(?:{'|'.join(map(re.escape, sorted(_CURRENT_OF, key=len, reverse=True)))}){_AFTER}"
)
#: What looks like the name of a model of one of the providers.
_NAME = re.compile(
    r"(?<![\w./-])(?:(?:us|eu|apac|global)\.)?"
    r"(?:gpt-\d|o\d(?=-|\b(?!\.))|claude-[a-z]+-\d|gemini-(?:\d|embedding-)|command-(?:a-|r\b|r-|r7b)|text-embedding-"
    r"|(?:amazon|anthropic|meta|cohere|openai)\.[a-z]+[-.]|mi(?:ni)?stral-(?:small|medium|large|\d|embed)|llama\d)"
    r"[\w.:-]*[\w]|(?<![\w./-])o[134]\b(?![.-])"
)


class Finding(NamedTuple):
    """A name that should not stand where it does."""

    path: str
    line: int
    name: str
    #: What belongs there; empty where the table has nothing.
    current: str

    def __str__(self) -> str:
        way_out = (
            f"write {self.current} (make example-models)" if self.current else "name one of the table, or say why not"
        )
        return f"{self.path}:{self.line}: {self.name}: {way_out}"


def rewritten(text: str) -> str:
    """A text with current names in the place of their predecessors'."""
    return _PREDECESSOR.sub(lambda match: _CURRENT_OF[match[0]], text)


def findings(path: str, text: str) -> Iterator[Finding]:
    """Names in a file that have a successor, or, where users read it, that the table does not have."""
    known = {example.model for example in EXAMPLES} | ALSO_NAMED.keys()
    for number, line in enumerate(text.splitlines(), 1):
        for match in _PREDECESSOR.finditer(line):
            yield Finding(path, number, match[0], _CURRENT_OF[match[0]])
        if path.startswith(READ_BY_USERS):
            for match in _NAME.finditer(line):
                if match[0] not in known and match[0] not in _CURRENT_OF:
                    yield Finding(path, number, match[0], "")


def files() -> Iterator[tuple[str, str]]:
    """Path and text of every file of the project that this tool may rewrite."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    for path in listed.stdout.split("\0"):
        if path and not path.startswith(tuple(KEPT)):
            try:
                yield path, (ROOT / path).read_text(encoding="utf-8")
            except (UnicodeDecodeError, FileNotFoundError):
                continue


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="rewrite nothing; status 1 if something is to be done")
    if parser.parse_args().check:
        found = [finding for path, text in files() for finding in findings(path, text)]
        sys.stderr.writelines(f"{finding}\n" for finding in found)
        return 1 if found else 0
    for path, text in files():
        if (current := rewritten(text)) != text:
            (ROOT / path).write_text(current, encoding="utf-8")
            print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
