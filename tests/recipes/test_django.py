"""Django: what a transaction made is submitted when it is committed, once, and never when it is rolled back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.gateway.conftest import Cell
from tests.patience import PATIENCE_S

#: In a process of its own: Django's settings are a process's.
SITE = """
import django
from django.conf import settings

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db"}}, USE_TZ=True)
django.setup()

from django.db import connection
from django.test import RequestFactory
import tickets

with connection.schema_editor() as editor:
    editor.create_model(tickets.Ticket)

post = RequestFactory().post
assert tickets.create(post("/", {"text": "The pump stopped."})).status_code == 202
try:
    tickets.create(post("/", {"text": " "}))
except ValueError:
    pass
else:
    raise AssertionError("it was not rolled back")
(ticket,) = tickets.Ticket.objects.all()
tickets.summarise(ticket.pk)
(job,) = tickets.homa.jobs()
print(tickets.homa.job(job.id).result(timeout=60).text)
"""


def test_a_ticket_that_is_rolled_back_submits_nothing(cell: Cell, programs: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SITE],
        cwd=programs,
        env={**os.environ, **cell.env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert (cell.jobs(), cell.billed()) == (1, 1)
