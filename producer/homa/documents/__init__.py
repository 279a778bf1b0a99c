"""Documents in, results out: what `homa run` reads and writes.

    rows = open_inputs(["docs/", "tickets.jsonl"])          inputs.py: files to rows, bad ones as values
    rows = limited(rows, 100)                               sampling.py
    head, rows = look_ahead(rows)                           rows.py
    template.check(columns_of(head))                        template.py
    with open_output("out.csv", columns=…) as results:      results.py: jsonl, csv, parquet; new or resumed
        results.write(result_line(row.custom_id, Answer(…)), row.fields)

Nothing here knows the store or a provider.
"""

from homa.documents.columns import Layout, schema_columns
from homa.documents.digests import Digests
from homa.documents.inputs import Format, InputCount, check_inputs, count_inputs, open_inputs
from homa.documents.result_line import Answer, Failure, HomaPart, bad_row_line, is_good, result_line
from homa.documents.results import OutputFormat, done, open_output, output_format
from homa.documents.results_writer import ResultsWriter
from homa.documents.rows import BadRow, Row, columns_of, look_ahead
from homa.documents.sampling import limited, sampled
from homa.documents.sources import Skipped
from homa.documents.template import DEFAULT_PROMPT, MissingField, Template, read_argument
from homa_shared.model.errors import OutputUnwritable

__all__ = [
    "DEFAULT_PROMPT",
    "Answer",
    "BadRow",
    "Digests",
    "Failure",
    "Format",
    "HomaPart",
    "InputCount",
    "Layout",
    "MissingField",
    "OutputFormat",
    "OutputUnwritable",
    "ResultsWriter",
    "Row",
    "Skipped",
    "Template",
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
