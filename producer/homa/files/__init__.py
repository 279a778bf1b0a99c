"""Documents in, results out: what `homa run` reads and writes.

    rows = open_inputs(["docs/", "tickets.jsonl"])          readers/: files to rows, bad ones as values
    rows = limited(rows, 100)                               sampling.py
    head, rows = look_ahead(rows)                           rows.py
    template.check(columns_of(head))                        prompt_template.py
    with open_output("out.csv", columns=…) as results:      writers/: a format a file; new or resumed
        results.write(result_line(row.custom_id, Answered(…)), row.fields)

Nothing here knows the store or a provider.
"""

from homa.files.digests import Digests
from homa.files.prompt_template import DEFAULT_PROMPT, MissingField, PromptTemplate, read_argument
from homa.files.readers.count import InputCount, count_inputs
from homa.files.readers.document import ReadOptions
from homa.files.readers.intake import check_inputs, open_inputs
from homa.files.readers.paths import Places, Skipped
from homa.files.result_line import Answered, HomaPart, Unanswered, bad_row_line, is_good, result_line
from homa.files.rows import BadRow, Row, columns_of, look_ahead
from homa.files.sampling import limited, sampled
from homa.files.writers.base import ResultsWriter
from homa.files.writers.columns import Layout, schema_columns
from homa.files.writers.output_format import OutputFormat, output_format
from homa.files.writers.registry import done, open_output
from homa_shared.model.errors import OutputUnwritable

__all__ = [
    "DEFAULT_PROMPT",
    "Answered",
    "BadRow",
    "Digests",
    "HomaPart",
    "InputCount",
    "Layout",
    "MissingField",
    "OutputFormat",
    "OutputUnwritable",
    "Places",
    "PromptTemplate",
    "ReadOptions",
    "ResultsWriter",
    "Row",
    "Skipped",
    "Unanswered",
    "bad_row_line",
    "check_inputs",
    "columns_of",
    "count_inputs",
    "done",
    "is_good",
    "limited",
    "look_ahead",
    "open_inputs",
    "open_output",
    "output_format",
    "read_argument",
    "result_line",
    "sampled",
    "schema_columns",
]
