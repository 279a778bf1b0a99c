"""`python -m homa_workers.simulator`: simulated providers on loopback, until told to stop.

Prints one line of JSON when it listens: {"port": …, "url": …}.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import click
import orjson

from homa_shared.model.errors import ConfigError
from homa_workers.simulator.config import Limits, SimulatorConfig
from homa_workers.simulator.server import Simulator


@click.command(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one.")
@click.option("--seed", type=int, default=0, help="Seed of latencies and faults.")
@click.option("--latency-ms", type=float, default=0.0, help="Mean time until a reply.")
@click.option("--latency-sigma", type=float, default=0.0, help="Sigma of the log-normal latency; 0: fixed.")
@click.option("--token-ms", type=float, default=0.0, help="Time for each output token of a stream.")
@click.option("--output-tokens", type=int, default=100, help="Mean length of a reply.")
@click.option("--reply", type=click.Choice(["words", "echo"]), default="words", help="What replies consist of.")
@click.option("--rpm", type=float, help="Requests a minute, for each account and model.")
@click.option("--rps", type=float, help="Requests a second.")
@click.option("--rpd", type=int, help="Requests a day.")
@click.option("--tpm", type=float, help="Tokens a minute.")
@click.option("--input-tpm", type=float, help="Input tokens a minute.")
@click.option("--output-tpm", type=float, help="Output tokens a minute.")
@click.option("--concurrency", type=int, help="Requests at once.")
@click.option("--burst-s", type=float, default=10.0, help="Seconds of quota that a bucket holds.")
@click.option("--failed-requests-count/--failed-requests-free", default=True, help="Whether refusals use up quota.")
@click.option("--headers/--no-headers", default=True, help="Whether to send rate limit and retry headers.")
@click.option("--fault", multiple=True, metavar="NAME=RATE", help="Rate of a fault, 0..1; again and again.")
@click.option("--error-billed-share", type=float, default=0.5, help="Share of errors that are billed.")
@click.option("--hang-s", type=float, default=3600.0, help="Seconds that a hanging request is held.")
@click.option("--set", "settings", multiple=True, metavar="NAME=JSON", help="Any other setting; again and again.")
@click.option("--max-requests", type=click.IntRange(1), help="Stop after this many model calls.")
@click.option("--max-seconds", type=float, help="Stop after this many seconds.")
@click.option("--until-stdin-closes", is_flag=True, help="Stop when standard input ends: with whoever started it.")
def main(
    host: str,
    port: int,
    max_requests: int | None,
    max_seconds: float | None,
    until_stdin_closes: bool,
    fault: Sequence[str],
    settings: Sequence[str],
    **options: Any,
) -> None:
    """Serve simulated LLM providers over HTTP, with limits, faults and a bill."""
    try:
        config = _config(options, fault, settings)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    simulator_options = {"host": host, "port": port, "max_requests": max_requests}
    try:
        asyncio.run(_serve(config, simulator_options, max_seconds, until_stdin_closes))
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None


def _config(options: Mapping[str, Any], faults: Sequence[str], settings: Sequence[str]) -> SimulatorConfig:
    limit_names = {f.name for f in fields(Limits)}
    changes: dict[str, Any] = {name: value for name, value in options.items() if name not in limit_names}
    changes["limits"] = {name: options[name] for name in limit_names}
    changes["faults"] = {name: _number(rate) for name, rate in map(_pair, faults)}
    for name, value in map(_pair, settings):
        try:
            changes[name] = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ConfigError(
                f"--set {name}={value!r} is not valid JSON ({error}); texts need quotes of their own"
            ) from None
    return SimulatorConfig().changed(changes)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{text!r} has no '='; expected NAME=VALUE")
    return name, value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a rate; expected a number from 0 to 1") from None


async def _serve(
    config: SimulatorConfig, options: Mapping[str, Any], max_seconds: float | None, until_stdin_closes: bool
) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    if until_stdin_closes:
        _watch_stdin(loop, stopping)
    async with Simulator(config, **options) as simulator:
        click.echo(orjson.dumps({"port": simulator.port, "url": simulator.url}))
        waits = [asyncio.ensure_future(stopping.wait()), asyncio.ensure_future(simulator.wait_done())]
        await asyncio.wait(waits, timeout=max_seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    """Set `stopping` at the end of standard input. A thread reads it, as asyncio cannot wait for files."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 65536):
            pass
        loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=watch, name="stdin-watch", daemon=True).start()


if __name__ == "__main__":
    main(prog_name="homa simulate")
