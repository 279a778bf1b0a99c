"""The small parts of `homa run`, each by itself."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from homa.cli.run.summary import MOST_SHOWN, in_short
from homa.files import BadRow, Digests, PromptTemplate, Row
from homa.files.identity import OrderDigest
from homa.files.kept_fields import KeptFields
from homa.runs.checkpoint import Checkpoint, CheckpointFile
from homa.runs.errors import SignalReceived
from homa.runs.feeder import MissingRows
from homa.runs.progress import Pace, RunProgress, duration, in_words, money, short_usd, where_to_look
from homa.runs.progress_display import BarDisplay, LogDisplay, SilentDisplay, drawn, progress_display
from homa.runs.result_lines import ResultLine
from homa.runs.row_request import RequestBuilder
from homa.runs.run_options import RunOptions
from homa.runs.signals import Interruption
from homa.runs.tally import ALIKE, MaxFailures, RunTally
from homa.supervision.errors import WorkerLost
from homa.supervision.own_workers import own_specs, restart_policy
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.model.errors import OutputUnwritable
from homa_shared.model.records import State
from homa_shared.settings.fleet import Fleet
from homa_shared.settings.model import load_settings
from tests.fixtures.store import eventually


def end(state: State = State.FAILED, kind: str = "invalid_request", message: str = "no") -> ResultLine:
    return ResultLine(1, "c", state, kind, message, {})


def run_progress(**changes: object) -> RunProgress:
    given = {
        "ended": 40, "fresh": 40, "failed": 2, "total": 100, "about": False, "in_flight": 8, "cost": 40_000_000,
        "unresolved": 0, "unpriced": 0,
    }  # fmt: skip
    return RunProgress(**{**given, **changes})  # type: ignore[arg-type]


class TestTally:
    def test_the_first_jobs_that_fail_alike_are_too_many(self):
        tally = RunTally()
        for number in range(ALIKE):
            assert tally.too_many() is None
            tally.count(end(message=f"request {number} is wrong"))
        assert "all failed alike" in (tally.too_many() or "")

    def test_the_first_failure_is_kept_but_for_those_that_wanted_money(self):
        tally = RunTally()
        tally.count(end(kind="budget", message="no room"))
        tally.count_bad("rows.csv:2: no room", over_budget=True)
        tally.count(end(State.CANCELLED, "cancelled", "left"))
        assert tally.first_failure == ""
        tally.count_bad("rows.csv:3: is empty")
        tally.count(end(message="later"))
        assert tally.first_failure == "rows.csv:3: is empty"
        other = RunTally()
        other.count(end(message="wrong"))
        assert other.first_failure.endswith(": wrong")

    def test_a_reason_is_told_on_one_line_of_limited_length(self):
        assert in_short("one\n  two") == "one two"
        assert len(in_short("x" * 1000)) == MOST_SHOWN

    def test_failures_of_different_kinds_or_one_success_let_a_run_go_on(self):
        mixed, lucky = RunTally(), RunTally()
        lucky.count(end(State.SUCCEEDED, "", ""))
        for number in range(2 * ALIKE):
            mixed.count(end(kind=("overloaded", "invalid_request")[number % 2]))
            lucky.count(end())
        assert mixed.too_many() is None
        assert lucky.too_many() is None

    def test_a_share_is_judged_from_twenty_ends_on(self):
        tally = RunTally(MaxFailures.parse("10%"))
        for _ in range(19):
            tally.count(end())
        assert tally.too_many() is None
        tally.count_bad()
        assert tally.too_many() == "20 of 20 failed (--max-failures 10%)"

    def test_sums(self):
        tally = RunTally(earlier=3)
        for state in (State.SUCCEEDED, State.CANCELLED, State.EXPIRED, State.FAILED):
            tally.count(end(state, "budget" if state is State.FAILED else ""))
        tally.count_bad()
        assert (tally.succeeded, tally.failed, tally.unsuccessful, tally.ended) == (4, 2, 4, 8)
        assert tally.over_budget == 1


class TestKeptFields:
    def test_fields_are_given_back_once(self):
        kept = KeptFields()
        kept.put("ü", {"a": 1, "b": ["x", None]})
        assert kept.pop("ü") == {"a": 1, "b": ["x", None]}
        assert kept.pop("ü") == {}
        kept.close()

    @pytest.mark.parametrize("value", [12345678901234567890123, -(2**64), "half an emoji: \ud83d", 1.5e300])
    def test_they_come_back_as_they_were(self, value: object):
        kept = KeptFields()
        kept.put("a", {"n": value})
        assert kept.pop("a") == {"n": value}
        kept.close()

    def test_they_may_be_put_by_one_thread_and_taken_by_another(self):
        kept = KeptFields()
        thread = threading.Thread(target=lambda: [kept.put(str(i), {"i": i}) for i in range(500)])
        thread.start()
        for i in range(500):
            eventually(lambda i=i: kept.pop(str(i)) == {"i": i})
        thread.join()
        kept.close()


class TestCheckpointFile:
    def test_it_brings_back_what_was_noted(self, tmp_path: Path):
        checkpoint_file = CheckpointFile(str(tmp_path / "out.jsonl"))
        assert checkpoint_file.read() is None
        checkpoint_file.write(Checkpoint("b1", "asked", 1, 2, 3))
        assert checkpoint_file.read() == Checkpoint("b1", "asked", 1, 2, 3)
        checkpoint_file.remove()
        assert list(tmp_path.iterdir()) == []

    def test_one_that_cannot_be_written_is_told_before_anything_is_submitted(self, tmp_path: Path):
        checkpoint_file = CheckpointFile(str(tmp_path / "out.jsonl"))
        (tmp_path / ".out.jsonl.run.json.tmp").mkdir()
        with pytest.raises(OutputUnwritable, match="nothing was submitted"):
            checkpoint_file.write(Checkpoint("b1", "asked"))

    def test_a_stream_has_none(self):
        for target in ("-", "/dev/null"):
            checkpoint_file = CheckpointFile(target)
            checkpoint_file.write(Checkpoint("b1", ""))
            assert checkpoint_file.read() is None
            checkpoint_file.remove()


class TestRunOptions:
    def test_what_is_asked_makes_the_digest_and_how_fast_does_not(self):
        run_options = RunOptions("{{text}}", "openai:m")
        assert run_options.digest == RunOptions("{{text}}", "openai:m").digest
        assert run_options.digest != RunOptions("{{title}}", "openai:m").digest
        assert run_options.digest != RunOptions("{{text}}", "openai:m", budget=1).digest

    def test_the_order_is_what_answers_depend_on_and_says_what_differs(self):
        def order(**given: object) -> OrderDigest:
            return RunOptions("{{text}}", "openai:m", given=given).order

        plain = order()
        assert plain == order(fallbacks=("a:b",), max_tokens=9, lane="high", tags={"a": "b"}, later=False, other=None)
        assert OrderDigest.parse(str(plain)) == plain
        assert OrderDigest.parse("of another release") is None
        assert plain.changed(order(temperature=0)) == ["parameters"]
        assert plain.changed(order(schema={"type": "object"}, system="x")) == ["system", "schema"]
        other = RunOptions("{{title}}", "openai:n").order
        assert plain.changed(other) == ["model", "prompt"]
        assert plain.asks_as(RunOptions("{{title}}", "openai:m").order)
        assert not plain.asks_as(other)

    def test_a_batch_gets_what_is_left_of_the_budget(self):
        run_options = RunOptions("{{text}}", "openai:m", budget=5_000_000_000)
        assert run_options.batch_options("n", 2_000_000_000)["budget_usd"] == "3.00"
        assert "budget_usd" not in RunOptions("{{text}}", "openai:m").batch_options("n", 0)


class TestRequestBuilder:
    builder = RequestBuilder(PromptTemplate.parse("Read {{text}}"), None, Fleet())

    def row(self, **changes: object) -> Row:
        given = {"custom_id": "c", "path": "f", "line": 1, "text": "t", "fields": {}, "request": None}
        return Row(**{**given, **changes})  # type: ignore[arg-type]

    def test_a_plain_row_without_a_model_is_a_bad_one(self):
        assert isinstance(self.builder.request(self.row()), BadRow)

    @pytest.mark.parametrize("model", [None, "", 7])
    def test_a_batch_line_must_name_its_model(self, model: object):
        assert isinstance(self.builder.request(self.row(request={"model": model})), BadRow)

    def test_a_batch_lines_plain_model_is_openais(self):
        assert self.builder.model_of({"model": "gpt-6-sol"}) == "openai:gpt-6-sol"
        assert self.builder.model_of({"model": "azure:x"}) == "azure:x"

    def test_a_row_without_the_templates_field_is_a_bad_one(self):
        builder = RequestBuilder(PromptTemplate.parse("{{title}}"), "openai:m", Fleet())
        bad = builder.request(self.row())
        assert isinstance(bad, BadRow)
        assert "title" in bad.error

    def test_rows_that_are_done_are_left_out(self):
        done = Digests()
        done.add("a")
        missing = MissingRows([self.row(custom_id=name) for name in "aba"], done)
        assert [row.custom_id for row in missing] == ["b"]
        assert missing.skipped == 2


class TestRunProgress:
    def test_words_say_failures_flight_pace_and_money(self):
        pace = Pace()
        pace.see(run_progress(fresh=0))
        pace.see(run_progress())
        words = in_words(run_progress(), pace)
        assert words[:2] == ["2 failed", "8 in flight"]
        assert words[3] == "$0.0400 of ~$0.1000"
        assert words[4].endswith("left")
        assert in_words(run_progress(note="finishing"), pace)[0] == "finishing"

    def test_where_nothing_is_in_flight_for_long_it_says_where_to_look(self):
        now_s = [0.0]
        pace, held = Pace(lambda: now_s[0]), run_progress(in_flight=0, waiting="b1")
        pace.see(held)
        assert where_to_look(held, pace) == ""  # its workers start
        now_s[0] = 60.0
        assert where_to_look(held, pace) == "the rest waits: `homa jobs list --batch b1`, then `homa jobs why JOB`"
        assert where_to_look(run_progress(in_flight=0, waiting="b1", note="finishing"), pace) == ""
        pace.see(run_progress())
        assert where_to_look(held, pace) == ""

    def test_a_bar_has_where_to_look_whole_in_a_narrow_terminal(self):
        now_s = [0.0]
        pace, held = Pace(lambda: now_s[0]), run_progress(in_flight=0, waiting="b01m8q35496x340n11z")
        pace.see(held)
        now_s[0] = 60.0
        console = Console(width=80, file=io.StringIO())
        with console.capture() as captured:
            console.print(drawn(held, pace))
        lines = "".join(line.rstrip() for line in captured.get().splitlines()[2:])
        assert lines.replace(" ", "").endswith("`homa jobs why JOB`".replace(" ", ""))

    def test_money_that_nobody_knows_is_unpriced_and_not_zero(self):
        assert money(run_progress(cost=0, unpriced=3)) == "unpriced"
        assert money(run_progress(unpriced=3, ended=100)) == "$0.0400 + unpriced"

    @pytest.mark.parametrize(
        ("nano_usd", "said"), [(0, "0.00"), (1_230, "0.000001"), (12_300_000, "0.0123"), (12_345_678_900, "12.34")]
    )
    def test_dollars_have_as_many_places_as_one_can_take_in(self, nano_usd: int, said: str):
        assert short_usd(nano_usd) == said

    @pytest.mark.parametrize(("seconds", "said"), [(4.4, "4s"), (200, "3m 20s"), (7500, "2h 05m")])
    def test_spans(self, seconds: float, said: str):
        assert duration(seconds) == said

    @pytest.mark.parametrize("width", [80, 120])
    def test_the_bar_fits_its_terminal(self, width: int):
        console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
        console.print(drawn(run_progress(total=1_000_000, ended=987_654, cost=123_456_789_000), Pace()))
        shown = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert len(shown) == 2
        assert all(len(line) <= width for line in shown)
        assert "987654 of 1000000" in shown[0]
        console.print(drawn(run_progress(total=None), Pace()))

    def test_the_bar_is_drawn_and_lets_messages_through(self):
        out = io.StringIO()
        bar = BarDisplay(Console(file=out, width=80, force_terminal=True))
        bar.show(run_progress())
        bar.show(run_progress())
        bar.say("a message [not markup]")
        bar.close()
        assert "40 of 100" in out.getvalue()
        assert "homa: a message [not markup]" in out.getvalue()

    def test_the_last_frame_is_the_final_count_however_soon_it_came(self):
        out = io.StringIO()
        bar = BarDisplay(Console(file=out, width=80, force_terminal=True))
        bar.show(run_progress(ended=40))
        bar.show(run_progress(ended=100))
        assert "100 of 100" not in out.getvalue()
        bar.close()
        assert out.getvalue().rindex("100 of 100") > out.getvalue().rindex("40 of 100")

    def test_lines_come_from_time_to_time(self, capsys: pytest.CaptureFixture[str]):
        LogDisplay(each_s=0.0).show(run_progress(about=True))
        LogDisplay(each_s=60.0).show(run_progress())
        assert capsys.readouterr().err.startswith("homa: 40 of about 100 done, 2 failed, 8 in flight")

    def test_each_kind_has_its_own(self):
        assert isinstance(progress_display("none"), SilentDisplay)
        assert isinstance(progress_display("log"), LogDisplay)
        assert isinstance(progress_display("bar"), BarDisplay)
        assert isinstance(progress_display("auto"), LogDisplay)


class TestInterruption:
    def test_the_first_signal_is_noted_and_the_second_ends_the_run(self):
        told: list[int] = []
        with Interruption().listening() as interruption:
            interruption.on_signal = lambda: told.append(1)
            assert interruption.signal is None
            os.kill(os.getpid(), signal.SIGTERM)
            eventually(lambda: interruption.signal == signal.SIGTERM)
            with pytest.raises(SignalReceived) as stopped:
                signal.raise_signal(signal.SIGINT)
        assert stopped.value.signal == signal.SIGINT
        assert told == [1]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_one_that_ends_at_once_does_so_at_the_first_signal(self):
        with Interruption(at_once=True).listening(), pytest.raises(SignalReceived) as stopped:
            signal.raise_signal(signal.SIGINT)
        assert stopped.value.signal == signal.SIGINT

    def test_a_signal_in_what_must_not_be_cut_counts_behind_it(self):
        through: list[int | None] = []

        def uncut(interruption: Interruption) -> None:
            with interruption.deferred():
                signal.raise_signal(signal.SIGTERM)
                through.append(interruption.signal)
            through.append(None)

        with Interruption(at_once=True).listening() as interruption, pytest.raises(SignalReceived) as stopped:
            uncut(interruption)
        assert (through, stopped.value.signal) == ([signal.SIGTERM], signal.SIGTERM)

    def test_a_second_signal_cuts_even_that(self):
        with Interruption(at_once=True).listening() as interruption, interruption.deferred():
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(SignalReceived) as stopped:
                signal.raise_signal(signal.SIGINT)
            interruption.signal = None
        assert stopped.value.signal == signal.SIGINT

    def test_another_thread_leaves_signals_alone(self):
        seen = []

        def listen() -> None:
            with Interruption().listening() as interruption:
                seen.append(interruption.signal)

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        assert seen == [None]


class TestOwnWorkers:
    def force(self, tmp_path: Path, *providers: str) -> WorkerSupervisor:
        env = {"HOMA_HOME": str(tmp_path), "OPENAI_API_KEY": "k", "HOMA_REDIS_URL": "redis://127.0.0.1:1/0"}
        specs = own_specs(load_settings(env=env, cwd=tmp_path), providers, 1, "run-test")
        return WorkerSupervisor(specs, restart_policy())

    def test_without_providers_there_is_nobody(self, tmp_path: Path):
        force = self.force(tmp_path)
        force.start()
        assert not force.any
        assert not force.alive
        force.check()
        force.stop_now()

    def test_a_worker_that_does_not_stay_is_told_with_the_tail_of_its_log(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("HOMA_REDIS_URL", "redis://127.0.0.1:1/0")
        monkeypatch.setenv("HOMA_PROVIDERS__OPENAI__API_KEY", "k")
        force = self.force(tmp_path, "openai")
        force.start()

        def watch() -> None:
            while True:
                force.check()
                time.sleep(0.01)

        with pytest.raises(WorkerLost, match="after 2 restarts") as lost:
            watch()
        assert "127.0.0.1:1" in str(lost.value)
        assert not lost.value.misconfigured
        force.drain()
