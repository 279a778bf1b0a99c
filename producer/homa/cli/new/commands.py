"""The command that `homa new command` writes."""

SOURCE = '''\
"""A command of one's own: `homa $given`."""

import click
from homa import Homa


@click.command("$given")
@click.option("--tenant", help="Only jobs of this tenant.")
def command(tenant: str | None) -> None:
    """Say how many jobs failed."""
    with Homa() as homa:
        failed = sum(1 for _ in homa.jobs(state="failed", tenant=tenant))
    click.echo(f"{failed} failed")
'''

TEST = '''\
"""What the command says."""

from click.testing import CliRunner
from homa.testing import Refused, fake

from $module import command


def test_it_counts_failed_jobs() -> None:
    with fake({"*": Refused("no")}) as homa:
        homa.submit("Hello", model="openai:gpt-6-luna")
        homa.drain()
        said = CliRunner().invoke(command, [])
        assert (said.exit_code, said.output) == (0, "1 failed\\n")
        assert CliRunner().invoke(command, ["--tenant", "acme"]).output == "0 failed\\n"
'''
