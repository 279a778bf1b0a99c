"""Worker processes that belong to another process: `homa run`, `ask`, `embed`, `up` and `demo`.

processes.py          a Python module as a process that ends with this one
supervised_worker.py  one worker: its process, its log, how often it crashed
crash_report.py       what became of a worker that ended before its work did
supervisor.py         keeps workers running: restarts, drains, stops
own_workers.py        the workers that a run, or a job that somebody waits for, starts for itself
requirements.py       whether workers can run here at all
errors.py             a worker that does not stay
"""
