"""The command line. A command is a module `homa.cli.<name>`, or where it takes several files `homa.cli.<name>.command`,
with a click command or group called `command`.

A module is imported when its command is asked for, so that `homa --help` costs no more than click and this table.
"""

from __future__ import annotations

import os
import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from homa.cli.exit_status import DONE, INTERRUPTED, Stopped, is_disk_fault, status_of
from homa.runs.errors import JobGivenUp, SignalReceived
from homa_shared.model.errors import HomaError

if TYPE_CHECKING:
    from homa_shared.plugins import Group

#: Command -> what `homa --help` says of it.
SUMMARIES: dict[str, str] = {
    "run": "Run a batch: from files to a results file, with live progress.",
    "ask": "Run one job and stream the answer.",
    "embed": "Turn texts from files into vectors.",
    "count": "Count the tokens of a text.",
    "up": "Run everything on one machine: store, workers, gateway.",
    "worker": "Run one worker process.",
    "gateway": "Serve OpenAI's and Anthropic's APIs over HTTP.",
    "mcp": "Let an assistant look at the fleet (Model Context Protocol).",
    "keys": "Create, list or revoke keys of the gateway.",
    "webhooks": "List webhooks of jobs and batches, or send failed ones again.",
    "demo": "Watch simulated providers, real workers and a real batch.",
    "simulate": "Run just the simulated providers.",
    "status": "Show how the fleet is, on one screen and in one exit status.",
    "top": "Watch the fleet in a terminal.",
    "jobs": "List, show, explain, cancel, retry, resolve or purge jobs.",
    "batches": "List, show, watch, pause, resume or cancel batches.",
    "flow": "List, show, answer, pause, resume or cancel runs of flows.",
    "schedules": "Make, list, show, pause, resume, run, backfill, redeliver or delete schedules.",
    "templates": "Make, list, show or delete prompt templates.",
    "conversations": "List, show, export, import or delete conversations.",
    "models": "List models with context windows, prices and features.",
    "costs": "Show what was spent, by provider, model, tenant, tag, template, day or batch.",
    "queues": "Show queues; pause and resume them.",
    "limits": "Show how much of each quota is used; lift freezes.",
    "workers": "Show live workers.",
    "budgets": "Show how much of each budget is spent.",
    "events": "Show past and live events, event handlers and dead letters.",
    "metrics": "Serve the store's metrics to Prometheus.",
    "cache": "Show or clear the reply cache.",
    "tenants": "Erase what is kept of a tenant.",
    "audit": "Show who changed what by hand, and prove that nobody has changed that.",
    "doctor": "Check settings, store and providers.",
    "apply": "Write the fleet's settings to the store.",
    "config": "Show settings and where they come from.",
    "schema": "Print JSON schemas of what commands print by --json.",
    "store": "Status, stop, backup and restore of the embedded store.",
    "new": "Write a package to start a tool, middleware, provider, reader or command from.",
    "plugins": "What installed packages add, and whether it loads.",
}


class Commands(click.Group):
    """Loads a command's module at its first use, and turns errors into a message and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUMMARIES:
            return _plugged(cmd_name)
        module = import_module(f"homa.cli.{cmd_name}")
        if hasattr(module, "__path__"):  # a folder
            module = import_module(f"homa.cli.{cmd_name}.command")
        found: click.Command = module.command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args[0].startswith("-"):
                raise
            from homa_shared.plugins import plugins_of

            # click looks for similar names among the commands that it has loaded: here none.
            close = get_close_matches(args[0], [*SUMMARIES, *(plugin.name for plugin in plugins_of(plugged()))], 3)
            hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))
        from homa.cli.plugged_commands import listed

        if others := listed(plugged()):
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(plugin.name, f"By {plugin.distribution}.") for plugin in others])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Stopped as stopped:
            ctx.exit(stopped.status)
        except (SignalReceived, JobGivenUp) as error:
            # Everything has been said.
            ctx.exit(status_of(error))
        except HomaError as error:
            if _debugs():
                traceback.print_exc()
            click.echo(f"homa: {error}", err=True)
            ctx.exit(status_of(error))
        except KeyboardInterrupt:
            click.echo("homa: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            # Whoever read our output has left (`| head`): nothing more to say, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(DONE)
        except OSError as error:
            # A path too long, a folder that may not be read, a full disk: reported by the system, not a defect.
            if error.filename is None and not is_disk_fault(error):
                raise
            place = "" if error.filename is None else f"{error.filename!r:.200}: "
            click.echo(f"homa: {place}{error.strerror or error}", err=True)
            ctx.exit(status_of(error))


def plugged() -> Group:
    """Commands of installed packages."""
    from homa.cli.plugged_commands import commands

    return commands(lambda: tuple(SUMMARIES))


def _plugged(name: str) -> click.Command | None:
    from homa.cli.plugged_commands import loaded

    return loaded(plugged(), name)


def _debugs() -> bool:
    """Whether HOMA_DEBUG asks for tracebacks. The settings, which homa.toml may set too, may be what is wrong."""
    return os.environ.get("HOMA_DEBUG", "").lower() in ("1", "true", "yes", "on")


def _version() -> str:
    try:
        return version("homa-queue")
    except PackageNotFoundError:
        return "0"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_version(), prog_name="homa")
def main() -> None:
    """Homa: LLM calls as background jobs."""
    # An answer is paid for: what the encoding of a terminal or pipe lacks, or half a surrogate pair, must not lose it.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
