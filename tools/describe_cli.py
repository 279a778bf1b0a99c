#!/usr/bin/env python3
"""Writes docs/cli.md from the command line itself: every command, its usage, its options.

python tools/describe_cli.py            writes the page
python tools/describe_cli.py --check    exit status 1 when the page is not what it would write
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("producer", "shared", "workers")]

from homa.cli import main as homa  # noqa: E402
from homa_workers.process.arguments import parser as worker_parser  # noqa: E402
from homa_workers.simulator.__main__ import main as simulate  # noqa: E402

PAGE = ROOT / "docs" / "cli.md"

INTRODUCTION = """\
# The command line

This page is written by `tools/describe_cli.py` from the commands themselves: change those, then run it.

Results go to standard output, messages and progress to standard error; the first line there names the store and the
settings file. Whatever lists or sums takes `--json` and then prints one JSON document (JSON Lines where it follows);
[`homa schema COMMAND`](#homa-schema) prints the schema of it. Every command has `--help`. Settings are described in
[settings.md](settings.md).

| exit status | meaning |
|---|---|
| 0 | done; all jobs succeeded |
| 1 | some jobs failed, or `homa doctor` found what would lose work |
| 2 | wrong usage or settings: nothing was done |
| 3 | could not go on (store, quota, budget); what was begun can be resumed |
| 130, 143 | interrupted by Ctrl-C or SIGTERM |
"""

#: Commands that become another program, which knows its own options.
_PASSED_ON = {"simulate": simulate}


def page() -> str:
    """The whole page."""
    context = click.Context(homa, info_name="homa")
    names = homa.list_commands(context)
    listed = [f"| [`homa {name}`](#homa-{name}) | {_cell(_summary(context, name))} |" for name in names]
    parts = [INTRODUCTION, "| command | |", "|---|---|", *listed, ""]
    for name in names:
        parts += _described(context, name)
    return "\n".join(parts)


def _summary(context: click.Context, name: str) -> str:
    command = homa.get_command(context, name)
    return command.get_short_help_str(200) if command else ""


def _described(context: click.Context, name: str) -> Iterator[str]:
    if name == "worker":
        yield from _worker()
        return
    command = _PASSED_ON.get(name) or homa.get_command(context, name)
    if command is not None:
        yield from _command(command, click.Context(command, info_name=name, parent=context), 2)


def _command(command: click.Command, context: click.Context, depth: int) -> Iterator[str]:
    """A section, with one below it for each subcommand."""
    yield f"{'#' * depth} {context.command_path}\n"
    yield _paragraphs(command)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```\n{context.command_path} {usage}\n```\n"
    yield from _table(_records(command, context))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _command(below, click.Context(below, info_name=name, parent=context), depth + 1)


def _paragraphs(command: click.Command) -> str:
    return cleandoc(command.help or "").replace("\b\n", "") + "\n"


def _records(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        # The usage line names arguments; `--help` is everywhere.
        if record is not None and isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            yield record


def _worker() -> Iterator[str]:
    parser = worker_parser()
    yield "## homa worker\n"
    yield (
        "Run one worker process. SIGTERM and SIGINT drain it: nothing more is taken, calls in flight finish. A second\n"
        "one stops it at once: calls are cut and their jobs handed back. A third one leaves as if it were killed.\n"
    )
    yield "```\nhoma worker [OPTIONS] [PROVIDER]...\n```\n"
    yield from _table(_actions(parser))


def _actions(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other list of them
        if "--help" in action.option_strings:
            continue
        value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
        name = f"{', '.join(action.option_strings)} {value}".strip() if action.option_strings else value
        yield name, action.help or ""


def _table(records: Iterable[tuple[str, str]]) -> list[str]:
    rows = [f"| `{_cell(name)}` | {_cell(meaning)} |" for name, meaning in records]
    return ["| option | meaning |", "|---|---|", *rows, ""] if rows else []


def _cell(text: str) -> str:
    """Text on one line that does not end a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    if "--check" in sys.argv[1:]:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
            return 0
        print(f"{PAGE.relative_to(ROOT)} is not current: run python tools/describe_cli.py", file=sys.stderr)
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
