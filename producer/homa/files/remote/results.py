"""Results at an address: which addresses can hold them, and what of them lies there."""

from __future__ import annotations

from pathlib import PurePosixPath

from homa.files.remote.address import Address, address_of
from homa.files.remote.working_copy import Names
from homa.files.writers.folder import JOURNAL
from homa.files.writers.output_format import FOLDERS, TABLES, OutputFormat, output_format
from homa_shared.model.errors import InvalidRequest

#: Formats whose file is changed in place, together with what others have in it.
_LOCAL_ONLY = frozenset({OutputFormat.SQLITE})


def checked_address(output: str, form: str | None) -> Address:
    """The address of results in a bucket.

    Raises:
        InvalidRequest: nothing can be written there, or not in this format.
    """
    address = address_of(output, "--output")
    if address.is_web:
        raise InvalidRequest(f"--output {address}: nothing is written to web servers: expected s3://, gs:// or az://")
    if not address.path.strip("/") or address.has_wildcard:
        raise InvalidRequest(
            f"--output {output}: expected the name of an object, {address.scheme}://bucket/results.jsonl"
        )
    if (chosen := output_format(output, form)) in _LOCAL_ONLY:
        raise InvalidRequest(
            f"--output {output}: a file of {chosen} is changed where it lies: expected another format, or a file here"
        )
    return address


def names_of(address: Address, form: OutputFormat) -> Names:
    """What of results of a format lies at an address."""
    key = address.path
    if form in FOLDERS:
        return Names(None, (JOURNAL, f"{key.rstrip('/')}/{JOURNAL}"))
    name = PurePosixPath(key).name
    journal = (f"{name}.journal.jsonl", f"{key}.journal.jsonl") if form in TABLES else None
    return Names((name, key), journal)
