"""The simulator as a process, and in a thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import openai
import orjson
import pytest
from click.testing import CliRunner

from homa_shared.model.errors import ConfigError
from homa_workers.simulator import Limits, SimulatorConfig, SimulatorThread
from homa_workers.simulator.__main__ import main
from tests.patience import PATIENCE_S

BODY = orjson.dumps({"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Hello"}]})


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A simulator process and its URL."""
    command = [sys.executable, "-m", "homa_workers.simulator", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield process, orjson.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def post(url: str, body: bytes = BODY) -> int:
    request = Request(url, data=body, headers={"content-type": "application/json"})
    try:
        with urlopen(request, timeout=PATIENCE_S) as reply:
            reply.read()
            return reply.status
    except HTTPError as error:
        error.close()
        return error.code


def test_it_ends_after_the_last_request_and_answers_that_one_too():
    with running("--max-requests", "2", "--rpm", "6", "--set", 'reply="echo"') as (process, url):
        assert [post(f"{url}/v1/chat/completions") for _ in range(2)] == [200, 429]
        assert process.wait(PATIENCE_S) == 0


def test_it_ends_with_the_process_that_started_it():
    with running("--until-stdin-closes") as (process, url):
        assert post(f"{url}/v1/chat/completions") == 200
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


def test_it_ends_after_its_time():
    with running("--max-seconds", "0.1") as (process, _):
        assert process.wait(PATIENCE_S) == 0


def test_a_signal_ends_it():
    with running("--fault", "503=1.0", "--headers") as (process, url):
        assert post(f"{url}/v1/chat/completions") == 503
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fault", "500"], "'500' has no '='"),
        (["--fault", "500=often"], "'often' is not a rate"),
        (["--fault", "explode=1"], "'explode' is not a fault"),
        (["--set", "reply=echo"], "is not valid JSON"),
        (["--set", "colour=1"], "'colour' is not a setting"),
        (["--rpm", "-1"], "limits.rpm is -1"),
    ],
)
def test_a_wrong_option_exits_with_2(arguments, words):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_a_port_that_is_taken_is_named():
    with SimulatorThread() as simulator:
        port = str(simulator.simulator.port)
        result = CliRunner().invoke(main, ["--port", port])
        assert result.exit_code == 1
        assert f"cannot listen on 127.0.0.1:{port}" in result.output
        with pytest.raises(OSError, match="in use"):
            SimulatorThread(port=int(port)).start()


def test_a_thread_serves_synchronous_clients():
    with SimulatorThread(SimulatorConfig(limits=Limits(rpm=60))) as simulator:
        with openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="any", max_retries=0) as client:
            reply = client.chat.completions.create(model="gpt-6-luna", messages=[{"role": "user", "content": "Hello"}])
            assert reply.usage.total_tokens == sum(
                simulator.bill()["total"][part] for part in ("input_tokens", "output_tokens")
            )
            simulator.script("503")
            simulator.configure(headers=False)
            with pytest.raises(openai.InternalServerError):
                client.chat.completions.create(model="gpt-6-luna", messages=[{"role": "user", "content": "Hello"}])
            assert simulator.stats()["by_status"] == {"200": 1, "503": 1}
        with pytest.raises(ConfigError, match="'colour' is not a setting"):
            simulator.configure(colour="red")
    simulator.stop()
