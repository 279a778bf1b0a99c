"""Rows' texts until their answers are there, and the quotes of the answers found in them."""

from __future__ import annotations

from dataclasses import replace

from homa.files import Row
from homa.files.citing.answers import cited_answer
from homa.files.citing.schema import CitedSchema
from homa.files.citing.sources import Sources
from homa.files.kept_fields import KeptFields
from homa.runs.result_lines import ResultLine
from homa.runs.row_request import RequestBuilder
from homa.runs.run_options import RunOptions
from homa_shared.model.records import State


class CitedRows:
    """The rows of a run whose answers carry quotes. Safe for two threads.

    Args:
        schema: that they are asked by.
        builder: how rows become requests.
    """

    def __init__(self, schema: CitedSchema, builder: RequestBuilder) -> None:
        self._schema, self._builder = schema, builder
        self._kept = KeptFields()

    def keep(self, row: Row, digest: str) -> None:
        """Keeps what a row's answer may rest on.

        Args:
            digest: of the row.
        """
        sent = self._builder.as_sent(row)
        self._kept.put(row.custom_id, Sources.of(sent, self._builder.template, self._builder.names).packed(), digest)

    def told(self, line: ResultLine) -> ResultLine:
        """A line with the answer that was asked for, and its citations beside it."""
        if line.state is not State.SUCCEEDED:
            return line
        document = line.document
        packed = self._kept.pop(line.custom_id, document["homa"].get("row", ""))
        response = document["response"]
        cited = cited_answer(self._schema, response["body"], Sources.unpacked(packed) if packed else None)
        citations = [each.document() for each in cited.citations]
        homa = {**document["homa"], "citations": citations, "unverified": cited.unverified}
        return replace(
            line,
            document={**document, "response": {**response, "body": cited.body}, "homa": homa},
            quotes=len(citations),
            unverified=cited.unverified,
            unchecked=cited.unchecked,
        )

    def close(self) -> None:
        self._kept.close()


def cited_rows(options: RunOptions, builder: RequestBuilder) -> CitedRows | None:
    """The rows of a run; None where its answers carry no quotes."""
    return CitedRows(CitedSchema(options.schema), builder) if options.cite else None
