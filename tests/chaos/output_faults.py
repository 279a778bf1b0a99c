"""`homa run` killed all along, while results of every format are written: no line is lost, doubled or paid twice."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.outcome import Outcome
from tests.chaos.processes import Client, until
from tests.chaos.world import MODEL, World
from tests.fixtures.results import content, records

#: A file with a sheet, a table beside one of somebody else's, a file for each answer.
OUTPUTS = ("out.xlsx", "out.db#answers", "out/")
#: What a row, and the start of a process, may take on a busy machine, s.
_ROW_S, _START_S = 0.05, 60.0
#: How long a run may go on after its last answer, before it is killed: it makes the file, s.
_AFTER_S = 0.4


@dataclass(slots=True)
class _Writing:
    """One output, and the runs that are killed while they write it."""

    world: World
    rows: Path
    count: int
    name: str
    random: Random
    runs: int = 0
    #: Kills that found a run at work.
    killed: int = 0
    #: Calls that the provider had charged for before.
    before: int = field(default=0)

    @property
    def output(self) -> str:
        return f"{self.world.directory}/{self.name}"

    @property
    def patience_s(self) -> float:
        return 3 * _START_S + self.count * _ROW_S

    def start(self) -> Client:
        arguments = ["run", str(self.rows), "--model", MODEL, "-o", self.output, "--workers", "none"]
        if self.runs:
            arguments.append("--resume")
        self.runs += 1
        log = self.world.directory / f"run-{self.name.strip('/')}-{self.runs}.log"
        return Client(self.world.environment, log, "homa.cli", *arguments, "--progress", "none")

    def billed(self) -> int:
        return int(self.world.simulator.get("/bill")["total"]["requests"]) - self.before

    def kill_at(self, moment: int) -> None:
        """Kills a run when so many calls are charged for, or a little after the last of them."""
        client = self.start()
        until(lambda: not client.alive or self.billed() >= moment, f"{moment} calls", self.patience_s)
        time.sleep(self.random.uniform(0, _AFTER_S) if moment >= self.count else self.random.uniform(0, 0.05))
        self.killed += client.alive
        client.kill()

    def answers(self) -> Counter[str]:
        """What is answered, as others read the output; nothing where no file is there yet."""
        if self.name.endswith("/"):
            return Counter(text.strip() for text in content(Path(self.output)).values())
        path, _, table = self.output.partition("#")
        if not Path(path).exists() or (table and table not in _tables(path)):
            return Counter()
        return Counter(str(record["text"]) for record in records(Path(self.output)))


def killed_writers(count: int = 2000, *, kills: int = 10, outputs: Sequence[str] = OUTPUTS, seed: int = 61) -> Outcome:
    """`kill -9` of the run at random places, and while it makes its file; each time `--resume` goes on.

    Args:
        count: rows.
        kills: of each output.
    """
    outcome = Outcome("kill -9 of a run that writes", len(outputs))
    with World(seed=seed, latency_ms=30, simulate=("--reply", "echo")) as world:
        world.spawn(concurrency=40)
        for name in outputs:
            rows = world.directory / f"{Random(name).randrange(1000)}.jsonl"
            rows.write_text("".join(f'{{"text": "{name} {number}"}}\n' for number in range(count)))
            writing = _Writing(world, rows, count, name, Random(f"{seed} {name}"))
            writing.before = writing.billed()
            _write(writing, outcome, kills)
            outcome.kills += writing.killed
    outcome.facts = {"rows of each": count, "kills": outcome.kills, "outputs": ", ".join(outputs)}
    return outcome.close()


def _write(writing: _Writing, outcome: Outcome, kills: int) -> None:
    other = writing.name.partition("#")[0]
    if other != writing.name:
        _put_table(f"{writing.world.directory}/{other}")
    for moment in _moments(writing, kills):
        writing.kill_at(moment)
        doubled = [text for text, times in writing.answers().items() if times > 1]
        outcome.expect(not doubled, f"{writing.name}: {doubled[:3]} twice after a kill")
    outcome.expect(writing.killed > 0, f"{writing.name}: no run was killed at its work")
    writing.start().finish(writing.patience_s)
    expected = Counter(f"{writing.name} {number}" for number in range(writing.count))
    found = writing.answers()
    outcome.expect(not expected - found, f"{writing.name}: {(expected - found).total()} answers lost")
    outcome.expect(not found - expected, f"{writing.name}: {(found - expected).total()} lines too many")
    paid = writing.billed()
    outcome.expect(paid == writing.count, f"{writing.name}: {paid} calls charged for {writing.count} rows")
    outcome.expect(not _left(writing), f"{writing.name}: left behind {', '.join(_left(writing))}")
    if other != writing.name:
        outcome.expect(
            _tables(f"{writing.world.directory}/{other}")["kept"] == 1, f"{other}: a table of others is gone"
        )


def _moments(writing: _Writing, kills: int) -> Iterator[int]:
    """Calls charged for by then, in their order; a third of the kills is behind the last of them."""
    behind = max(1, kills // 3)
    yield from sorted(writing.random.sample(range(1, writing.count), kills - behind))
    yield from [writing.count] * behind


def _left(writing: _Writing) -> list[str]:
    """Notes and journals that are of no use any more; a folder keeps its own."""
    names = writing.world.directory.glob(f"*{writing.name.partition('#')[0].strip('/')}*")
    return sorted(path.name for path in names if path.name.endswith((".run.json", ".journal.jsonl", ".tmp")))


def _put_table(path: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE kept (word TEXT)")
        db.execute("INSERT INTO kept VALUES ('tea')")
    db.close()


def _tables(path: str) -> dict[str, int]:
    """Rows of each table of a file that is whole."""
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
    finally:
        db.close()
