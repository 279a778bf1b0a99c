#!/usr/bin/env python3
"""Writes docs/settings.md from the settings' own models: every setting, its variable, type, default and meaning.

python tools/describe_settings.py            writes the page
python tools/describe_settings.py --check    exit status 1 when the page is not what it would write

The meaning of a setting is the comment (`#:`) above it in `shared/homa_shared/settings/`.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("shared", "workers")]

from homa_shared.kinds.profile import Variable  # noqa: E402
from homa_shared.kinds.registry import builtin_kinds, profile_of  # noqa: E402
from homa_shared.plugins import Policy  # noqa: E402
from homa_shared.settings import sections  # noqa: E402
from homa_shared.settings.delivery_section import Mail  # noqa: E402
from homa_shared.settings.model import Settings  # noqa: E402
from homa_shared.settings.schedule_section import ScheduleSettings  # noqa: E402

PAGE = ROOT / "docs" / "settings.md"

INTRODUCTION = """\
# Settings

This page is written by `tools/describe_settings.py` from the models in `shared/homa_shared/settings/`: change those,
then run it.

A setting comes from a command's option, else from a variable, else from `homa.toml`, else it has its default. The file
is the one that `HOMA_CONFIG` names, else the nearest one in the working directory and those above it. A variable spells
the path of a setting with two underscores: `HOMA_PROVIDERS__OPENAI__LIMITS__RPM=500` is

```toml
[providers.openai.limits]
rpm = 500
```

`homa config show` prints each setting with its value and its origin, secrets masked. A wrong value or an unknown key in
the file ends a command with status 2 and a message that names setting, value, origin and what was expected; an unknown
`HOMA_…` variable is a warning with the nearest name.

Limits, models, budgets, prices, tenants, retention, events, what becomes of unresolved cost and whether prompt caches
are used are the *fleet's*: they live in the store. The first process that comes to an empty store writes its own; later
`homa apply` changes them, and `homa apply --diff` shows what it would change. On the embedded store, local commands
apply their own file. `homa apply` also makes, changes, pauses and resumes the schedules that the file has. Keys,
addresses and whatever else stands here belong to each process alone.

Durations are whole seconds, or written `90s`, `30m`, `12h`, `7d`, `2w`. Dollars are exact decimals: `0.25`.
"""

#: Heading of a table, its model, how its settings are spelled, whether variables spell them too.
TABLES: tuple[tuple[str, type[BaseModel], str, bool], ...] = (
    ("Of the process", Settings, "", True),
    ("`[providers.<name>]`", sections.ProviderSettings, "providers.<name>.", True),
    ("`[providers.<name>.limits]`", sections.LimitSettings, "providers.<name>.limits.", True),
    ('`[providers.<name>.models."<model or pattern>"]`', sections.GroupSettings, "", False),
    ("`[models.<alias>]`", sections.ModelAlias, "", False),
    ('`[prices."<provider:model>"]`', sections.Price, "", False),
    ("`[budgets.<name>]`", sections.Budget, "", False),
    ("`[tenants.<name>]`", sections.Tenant, "", False),
    ("`[templates.<name>]`", sections.TemplateSettings, "", False),
    ("`[schedules.<name>]`", ScheduleSettings, "", False),
    ("`[mail]`", Mail, "mail.", True),
    ("`[retention]`", sections.Retention, "retention.", True),
    ("`[unresolved]`", sections.Unresolved, "unresolved.", True),
    ("`[events]`", sections.Events, "events.", True),
)

#: Names of types in the models -> what a person writes.
TYPES: Mapping[str, str] = {
    "Positive": "whole number above 0",
    "Seconds": "duration",
    "NanoUsd": "dollars",
    "Share": "off, all, or a number from 0 to 1",
    "Words": "list of words",
    "Targets": "text, or list of texts",
    "Arguments": "list of texts",
    "Parameters": "table",
    "Zone": "IANA time zone",
    "datetime": "moment",
    "HttpUrl": "URL",
    "WebhookUrl": "URL",
    "BlobsUrls": "list of directories and URLs",
    "ReadPlaces": "list of directories and URLs",
    "BlobsUrl": "directory or URL",
    "StoreUrl": "URL",
    "LocalPath": "path",
    "SecretStr": "secret",
    "SigningSecrets": "secret, or list of secrets",
    "Name": "name",
    "Kind": "name of a kind",
    "Policy": ", ".join(get_args(Policy)),
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
}
#: Types of whole tables, which have a section of their own.
_TABLE = "table, see below"


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for heading, model, path, variables in TABLES:
        parts += [f"## {heading}\n", *_described(model), *_table(model, path, variables), ""]
    return "\n".join([*parts, *_conventional()])


def _described(model: type[BaseModel]) -> list[str]:
    """The model's first sentence, without the table's name."""
    if model is Settings:
        return []
    sentence = inspect.getdoc(model) or ""
    return [re.sub(r"^`[^`]*`: (.)", lambda match: match[1].upper(), sentence.splitlines()[0]) + "\n"]


def _table(model: type[BaseModel], path: str, variables: bool) -> Iterator[str]:
    annotations, comments = _source(model)
    named = " variable |" if variables else ""
    yield f"| setting |{named} type | default | meaning |"
    yield f"|---|{'---|' if variables else ''}---|---|---|"
    for name, field in model.model_fields.items():
        spelled = field.alias or name
        variable = f"HOMA_{path}{spelled}".replace(".", "__").upper()
        kind = _type(annotations[name], field)
        cells = [f"`{spelled}`", kind, _default(field), comments.get(name, "")]
        if variables:
            cells.insert(1, "" if kind == _TABLE else f"`{variable}`")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _source(model: type[BaseModel]) -> tuple[dict[str, ast.expr], dict[str, str]]:
    """Annotations and `#:` comments of a model's fields, by name."""
    lines = inspect.getsource(model).splitlines()
    definition = ast.parse("\n".join(lines)).body[0]
    assert isinstance(definition, ast.ClassDef)
    annotations: dict[str, ast.expr] = {}
    comments: dict[str, str] = {}
    for statement in definition.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            annotations[name] = statement.annotation
            above = reversed(lines[: statement.lineno - 1])
            said = [line.strip()[2:].strip() for line in takewhile(lambda line: line.strip().startswith("#:"), above)]
            comments[name] = " ".join(reversed(said))
    return annotations, comments


def _type(annotation: ast.expr, field: FieldInfo) -> str:
    """What a person writes for it."""
    text = ast.unparse(annotation)
    if choices := re.findall(r"Literal\[([^\]]*)\]", text):
        return ", ".join(word.strip().strip("'\"") for word in choices[0].split(","))
    if "Kind" in text:
        return ", ".join(builtin_kinds())
    if text == "dict[str, VariableType]":
        return "table"
    if text.startswith("dict[") or text in {model.__name__ for _, model, _, _ in TABLES} | {"Price | None"}:
        return _TABLE
    words = re.findall(r"\w+", text)
    kind = next((TYPES[word] for word in words if word in TYPES), None)
    if kind is None:
        raise SystemExit(f"tools/describe_settings.py: no words for the type {text}: add it to TYPES")
    return kind + _bounds(text)


def _bounds(text: str) -> str:
    found = dict(re.findall(r"\b(gt|ge|lt|le)=([\d_.]+)", text))
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    said = [f"{words[name]} {value.replace('_', '')}" for name, value in found.items()]
    return f", {' and '.join(said)}" if said else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "" if field.annotation is Path else "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel | SecretStr) or value in ({}, (), ""):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _conventional() -> list[str]:
    variables = [(kind, variable) for kind in builtin_kinds() for variable in profile_of(kind).connection.variables]
    return [
        "## Variables of the providers' own tools\n",
        "Where one of these is set, a provider of that name exists. Homa's own variables and `homa.toml` win.\n",
        "| variable | provider |",
        "|---|---|",
        *(f"| {_named(variable)} | {_said(kind, variable)} |" for kind, variable in variables),
        "| `SENTRY_DSN` | as `HOMA_SENTRY_DSN` |",
        "",
    ]


def _named(variable: Variable) -> str:
    names = ", ".join(f"`{name}`" for name in variable.names)
    return f"any of {names}" if len(variable.names) > 2 else names


def _said(kind: str, variable: Variable) -> str:
    """What a variable says of the provider of a kind."""
    what = {"api_key": "its key", "base_url": "its endpoint"}.get(variable.setting, f"its {variable.setting}")
    if not variable.makes_account:
        return f"{what} of `{kind}`, where that is configured".removeprefix("its ")
    needs = {"": "", "base_url": "; of no use without its endpoint"}[variable.needs]
    return f"`{kind}`, with {what}{needs}" if variable.setting else f"`{kind}`, by its own chain of credentials"


def main() -> int:
    if "--check" in sys.argv[1:]:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
            return 0
        print(f"{PAGE.relative_to(ROOT)} is not current: run python tools/describe_settings.py", file=sys.stderr)
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
