#!/usr/bin/env python3
"""Writes the list of options into docs/python.md from their table.

python tools/describe_options.py            writes it
python tools/describe_options.py --check    exit status 1 when the page has another list
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("producer", "shared", "workers")]

from homa.submit.job_options import BatchLine, ChatOptions, EmbeddingOptions, JobOptions, rows  # noqa: E402
from homa.submit.option_checks import Number, Whole  # noqa: E402
from homa.submit.option_row import JobOption  # noqa: E402
from homa.submit.provider_options import ProviderOptions  # noqa: E402
from homa.submit.shared_options import SharedOptions  # noqa: E402

PAGE = ROOT / "docs" / "python.md"
BEGIN, END = "<!-- options, by tools/describe_options.py -->\n", "<!-- end of options -->\n"
_SHARED, _PASSED_ON = SharedOptions.__annotations__.keys(), ProviderOptions.__annotations__.keys()
#: Heading -> the names that stand below it.
_SECTIONS = (
    ("of every job", _SHARED),
    ("of `submit`, `stream` and batches", JobOptions.__annotations__.keys() - _SHARED - _PASSED_ON),
    ("of `embed`", EmbeddingOptions.__annotations__.keys() - _SHARED),
    ("beside them", BatchLine.__annotations__.keys() - JobOptions.__annotations__.keys()),
)


def listed() -> str:
    """The list as the page has it."""
    parts: list[str] = []
    for heading, names in _SECTIONS:
        parts += [f"\n| {heading} | | | flag |", "|---|---|---|---|"]
        parts += [_line(name, row) for name, row in rows().items() if name in names]
    passed_on = ", ".join(f"`{name}`" for name in _PASSED_ON)
    return "\n".join(parts) + f"\n\nPassed to the provider, with their types: {passed_on}.\n\n"


def _line(name: str, row: JobOption) -> str:
    said = row.help if row.default is None or "efault" in row.help else f"{row.help} Default: {row.default}."
    flag = f"`{row.flag.name.partition('/')[0]}`" if row.flag is not None else ""
    return f"| `{name}` | {_cell(_type(_hints()[name], row))} | {_cell(said)} | {flag} |"


def _hints() -> Mapping[str, Any]:
    kinds = (EmbeddingOptions, ChatOptions, BatchLine)
    return {name: hint for kind in kinds for name, hint in get_type_hints(kind, include_extras=True).items()}


def _type(hint: Any, row: JobOption) -> str:
    limits = ""
    if isinstance(row.check, Whole):
        limits = f" from {row.check.least}"
    elif isinstance(row.check, Number):
        limits = f" from {row.check.least} to {row.check.most}"
    return " or ".join(_spoken(get_args(hint)[0] if get_origin(hint) is Annotated else hint)) + limits


def _spoken(hint: Any) -> Iterator[str]:
    """A type as people say it, a word for each of a union's."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        for each in get_args(hint):
            if each is not type(None):
                yield from _spoken(each)
    elif origin is Literal:
        yield from (str(word) for word in get_args(hint))
    elif origin is type:
        yield "type"
    elif origin is not None:
        yield f"{origin.__name__} of {_of(get_args(hint))}"
    else:
        yield "anything" if hint is Any else hint.__name__


def _of(kinds: Iterable[Any]) -> str:
    return " to ".join(" or ".join(_spoken(kind)) for kind in kinds)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def page() -> str:
    """The whole page with the list."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{listed()}{END}{after}"


def main() -> int:
    wanted = page()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") == wanted:
            return 0
        print(f"{PAGE.relative_to(ROOT)} is not current: run python tools/describe_options.py", file=sys.stderr)
        return 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
