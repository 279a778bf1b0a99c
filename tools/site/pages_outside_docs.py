"""Pages of the site that stand elsewhere in the repository, and links between them and those in docs/.

A link to a file that is no page (a manifest, a folder) is shown as its path: the site has no copy of the repository.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
#: File of the repository -> page of the site.
OUTSIDE = {
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "k8s/README.md": "manifests.md",
    "docs/decisions/README.md": "decisions/index.md",
    "README.md": "readme.md",
}
_LINK = re.compile(r"(?<!\!)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the pages that stand outside docs/."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points the page's links to where their files are on the site."""
    sources = {page: source for source, page in OUTSIDE.items()}
    here = sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def moved(found: re.Match[str]) -> str:
        target, hash_sign, anchor = found["target"].partition("#")
        if not target or ":" in target:
            return found[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
        if not (ROOT / place).exists():
            return found[0]  # mkdocs says so
        on_site = OUTSIDE.get(place, place.removeprefix("docs/"))
        if place not in OUTSIDE and not place.startswith("docs/"):
            return f"{found['text']} (`{place}`)" if found["text"].strip("`") != place else f"`{place}`"
        away = posixpath.relpath(on_site, posixpath.dirname(page.file.src_uri) or ".")
        return f"[{found['text']}]({away}{hash_sign}{anchor})"

    return _LINK.sub(moved, markdown)


def on_post_build(*, config: MkDocsConfig) -> None:
    """Puts the pages that `llms.txt` names beside it as they are written, which is how assistants read them."""
    site = Path(config.site_dir)
    for found in _LINK.finditer((site / "llms.txt").read_text(encoding="utf-8")):
        shutil.copyfile(ROOT / "docs" / found["target"], site / found["target"])
