"""What `Homa` and `AsyncHoma` do with files: the engine of `homa run`, from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, Unpack, overload

from homa.submit.job_options import JobOptions

if TYPE_CHECKING:
    from homa.client.file_results import FilesProgress, FilesSummary
    from homa.client.file_streams import AsyncFileResults, FileResults
    from homa.client.management.estimates import Estimate
    from homa.drivers.context import Context
    from homa.runs.files_run import FilesRun
    from homa.runs.files_stream import FilesStream

T = TypeVar("T")

Place: TypeAlias = str | PathLike[str]
Inputs: TypeAlias = Place | Iterable[Place]


class FileRunOptions(JobOptions, total=False):
    """What `run_files` takes by name, beside `inputs`, `model`, `prompt`, `schema`, `output` and `dry_run`.

    Those of `homa run` have its meanings, and so have `JobOptions`.
    """

    #: A function that is given each look, True for a bar, False for none; None: a bar in a terminal and in a notebook.
    progress: Callable[[FilesProgress], object] | bool | None
    #: How results are written: jsonl, csv, tsv, xlsx, parquet, sqlite; a folder's md, json, txt. By the output's name.
    format: str | None
    #: Only what is new, changed, or failed before; what of it that has ended is done anew; answers under another order.
    resume: bool
    retry: Sequence[Literal["truncated", "invalid", "failed"]] | None
    changed: bool
    #: Drop lines whose input is gone.
    prune: bool
    #: Write an existing output anew.
    force: bool
    #: Stop there: a number, or a share such as `5%`.
    max_failures: int | str | None
    #: The column that names a row.
    id_column: str | None
    #: Only the first so many rows; only so many, drawn at random.
    limit: int | None
    sample: int | None
    sample_seed: int
    #: An answer for each of these; most tokens of a chunk, and how many it repeats of the one before.
    unit: Literal["document", "page", "section", "chunk"]
    chunk_tokens: int
    overlap: int
    #: A document above the model's window: refused, cut at its end, or asked about in parts (of `chunk_tokens`, else as
    #: long as fit) whose answers become one; and tokens of the window, where nobody knows it.
    long: Literal["error", "truncate", "map-reduce", "refine"]
    window: int | None
    #: Answers carry the quotes that they rest on, with file, page and characters, checked: `FileResult.citations`.
    cite: bool
    #: How files are read.
    encoding: str | None
    input_format: str | None
    raw: bool
    delimiter: str | None
    skip_rows: int
    query: str | None
    pages: Literal["auto", "text", "image"]
    sheets: Literal["rows", "documents"]


class FilesRunning:
    """Files, for threads."""

    _context: Context

    @overload
    def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: Any = None,
        output: Place | None = None,
        dry_run: Literal[True],
        **options: Unpack[FileRunOptions],
    ) -> Estimate: ...

    @overload
    def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: Any = None,
        output: Place,
        dry_run: Literal[False] = False,
        **options: Unpack[FileRunOptions],
    ) -> FilesSummary: ...

    @overload
    def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: type[T],
        output: None = None,
        dry_run: Literal[False] = False,
        **options: Unpack[FileRunOptions],
    ) -> FileResults[T]: ...

    @overload
    def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: None = None,
        output: None = None,
        dry_run: Literal[False] = False,
        **options: Unpack[FileRunOptions],
    ) -> FileResults[None]: ...

    @overload
    def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: Mapping[str, Any],
        output: None = None,
        dry_run: Literal[False] = False,
        **options: Unpack[FileRunOptions],
    ) -> FileResults[Any]: ...

    def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: Any = None,
        output: Place | None = None,
        dry_run: bool = False,
        **options: Unpack[FileRunOptions],
    ) -> Any:
        """Ask the same of every document and row of files, folders and buckets: `homa run`, from Python.

        It is one batch. With an `output` it waits for the end and returns the sums; a run that was cut goes on with
        `resume=True`, whoever began it, the command too. Without one it returns the results as they come. Ctrl-C, or an
        error, pauses a run with an output, and cancels one without.

        Args:
            inputs: a file, folder, glob or address (`s3://`, `gs://`, `az://`, `https://`), or several.
            model: `provider:model`, or an alias; it may be missing where all inputs are OpenAI batch files.
            prompt: `{{name}}` in it stands for `text`, `path` or a column; nothing said is `{{text}}`.
            schema: a type or JSON schema of the answers; its fields become columns of the output.
            output: a path or an address for the results.
            dry_run: call nobody, and return what it would cost and how long it would take.
            options: those of `FileRunOptions`; `budget_usd` is the most that the whole run may cost.

        Raises:
            InvalidRequest: an argument is wrong, an input leads nowhere, or the output is there (`resume`, `force`).
            RunStopped: the run could not go on (budget, failures, a pause by somebody); its `summary` counts.
            UnknownModel, MissingExtra, OutputUnwritable, PlaceUnavailable, StoreUnavailable: as they say.
        """
        given = {"model": model, "prompt": prompt, "schema": schema, **options}
        run = _made(self._context, inputs, output, given)
        if dry_run:
            return run.forecast()
        if output is not None:
            return run.to_output()
        from homa.client.file_streams import FileResults

        return FileResults(_begun(run, schema))


class AsyncFilesRunning:
    """Files, for event loops."""

    _context: Context

    @overload
    async def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: Any = None,
        output: Place | None = None,
        dry_run: Literal[True],
        **options: Unpack[FileRunOptions],
    ) -> Estimate: ...

    @overload
    async def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: Any = None,
        output: Place,
        dry_run: Literal[False] = False,
        **options: Unpack[FileRunOptions],
    ) -> FilesSummary: ...

    @overload
    async def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: type[T],
        output: None = None,
        dry_run: Literal[False] = False,
        **options: Unpack[FileRunOptions],
    ) -> AsyncFileResults[T]: ...

    @overload
    async def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: None = None,
        output: None = None,
        dry_run: Literal[False] = False,
        **options: Unpack[FileRunOptions],
    ) -> AsyncFileResults[None]: ...

    @overload
    async def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: Mapping[str, Any],
        output: None = None,
        dry_run: Literal[False] = False,
        **options: Unpack[FileRunOptions],
    ) -> AsyncFileResults[Any]: ...

    async def run_files(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        prompt: str | None = None,
        schema: Any = None,
        output: Place | None = None,
        dry_run: bool = False,
        **options: Unpack[FileRunOptions],
    ) -> Any:
        """Ask the same of every document and row of files; as `Homa.run_files`.

        It runs in a thread, in which `progress` is called. A task that is cancelled pauses a run with an output, and
        cancels one without.
        """
        import asyncio  # which `Homa` does without

        given = {"model": model, "prompt": prompt, "schema": schema, **options}
        run = await asyncio.to_thread(_made, self._context, inputs, output, given)
        if not dry_run and output is None:
            from homa.client.file_streams import AsyncFileResults

            return AsyncFileResults(_begun(run, schema))
        work = asyncio.ensure_future(asyncio.to_thread(run.forecast if dry_run else run.to_output))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            run.stop()
            await asyncio.wait([work])
            work.exception()  # that it was stopped is known
            raise


def _made(context: Context, inputs: Inputs, output: Place | None, options: Mapping[str, Any]) -> FilesRun:
    from homa.runs.files_order import FilesOrder
    from homa.runs.files_run import FilesRun

    given = dict(options)
    progress = given.pop("progress", None)
    return FilesRun(context, FilesOrder.of(inputs, output, given), progress)


def _begun(run: FilesRun, schema: Any) -> FilesStream:
    from homa.runs.files_stream import FilesStream

    stream = FilesStream(run, schema)
    stream.start()
    return stream
