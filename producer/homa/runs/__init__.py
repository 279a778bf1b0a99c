"""`homa run` behind its options: rows to a batch, the batch's ends to a results file, both at once and bounded.

run_options.py       what was asked, and the digest by which a resumed run knows its own
inputs.py            rows of the inputs, as often as they are needed
row_request.py       a row as a request of the batch
forecast.py          what a run would cost and how long it would take
checkpoint.py        the file beside the output that leads a resumed run to its earlier batch
resume_batch.py      what becomes of that batch
plan.py              which rows of a resumed run are to be asked, and why
plan_words.py        the plan made, told in words, and why a run is refused
feeder.py            the thread that submits, never far ahead of what has ended
citing.py            rows' texts until their answers are there, and the answers' quotes found in them
result_lines.py      lines of a batch that have ended, as lines of the results file
tally.py             counts, and when failures are too many
errors.py            how a run breaks off
signals.py           the first signal finishes what runs, the second ends at once
progress.py          how far a run has come, in words
progress_display.py  bar, log lines, or nothing
run_state.py         all of these, as one run has them; how far it has come, what it has cost, and why it stops
collector.py         the loop that writes what ends, and stops where there is a reason to
run.py               a run from its first row to its last line
foreground_job.py    a single job that somebody waits for (`homa ask`, `homa embed`)

A run raises domain errors; `homa.cli.exit_status` alone maps them to exit statuses.
"""
