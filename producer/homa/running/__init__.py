"""`homa run` behind its options: rows to a batch, the batch's ends to a results file, both at once and bounded.

order.py        what was asked, and the digest by which a resumed run knows its own
intake.py       rows of the inputs, as often as they are needed
asking.py       a row as a request of the batch
forecast.py     what a run would cost and how long it would take
workforce.py    worker processes for this run alone
runfile.py      the note beside the output that leads a resumed run to its earlier batch
feeding.py      the thread that submits, never far ahead of what has ended
ended.py        jobs that have ended as lines of the results file
kept_fields.py  an input's columns, kept until its line is written
tally.py        counts, and when failures are too many
stopping.py     signals: the first one finishes what runs, the second ends at once
progress.py     bar, log lines, or nothing
means.py        all of these, as one run has them
course.py       how far a run has come, what it has cost, and why it stops
gathering.py    the loop that writes what ends, and stops where there is a reason to
conduct.py      a run from its first row to its last line
"""
