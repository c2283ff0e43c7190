"""Does a release of the reference crate accept a file, and if not, where does it stop?

The crate (github:microsoft/igvm) reads a file in three steps: the fixed header, the variable
headers one after the other, then all headers together. Each step has a module here that declares
the crate's checks in the crate's order: `fixed_header_checks`, `parsed_headers` (with
`header_checks`, `context_checks` and `register_lists`) and `whole_file_checks` (with
`region_overlaps` and `area_order`). What a release knows of the format is in `release_types`. The
verdict is that of its release build with the `corim` feature and no isolation filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.reference.fixed_header_checks import fixed_header_rejection
from igvm.checks.reference.reference_rules import REFERENCE_RULES, ReferenceRule
from igvm.checks.reference.rejection import Rejection
from igvm.checks.reference.release_types import RELEASES
from igvm.errors import FormatError, ValidationError
from igvm.spec.initialization import CorimDocument, CorimSignature

if TYPE_CHECKING:
    from igvm.checks.finding import Finding
    from igvm.checks.reference.parsed_headers import ParsedHeaders
    from igvm.file.view import IgvmFile

__all__ = ["REFERENCE_RULES", "ReferenceRule", "verdict", "verdict_of_bytes"]


def verdict(file: IgvmFile, release: str) -> list[Finding]:
    """What release `release`, `0.4` or `0.5`, of the reference says to `file`.

    Returns:
        At most one error: where the crate stops. None: it accepts the file. Notes follow.

    Raises:
        ValidationError: there is no such release.
    """
    from igvm.checks.reference.parsed_headers import ParsedHeaders
    from igvm.checks.reference.whole_file_checks import whole_file_rejection

    _require_release(release)
    rejection = fixed_header_rejection(file.buffer)
    if rejection is not None:
        return [rejection.finding(release)]
    parsed = ParsedHeaders(file, release)
    read_count = parsed.count
    rejection = parsed.rejection()
    if rejection is None:
        rejection = whole_file_rejection(parsed)
    elif rejection.index is not None:
        read_count = rejection.index
    findings = [rejection, _corim_note(parsed, read_count)]
    return [finding.finding(release) for finding in findings if finding is not None]


def verdict_of_bytes(buffer: Any, release: str) -> list[Finding]:
    """What a release of the reference says to the bytes of a file, even to such as `parse` refuses.

    Raises:
        FormatError: the bytes are not one contiguous buffer.
        ValidationError: there is no such release.
    """
    from igvm.file.read import parse

    _require_release(release)
    try:
        file = parse(buffer)
    except FormatError:
        # Only a fixed header that the reference refuses too keeps a file from being parsed.
        view = memoryview(buffer)
        rejection = fixed_header_rejection(view.cast("B")) if view.c_contiguous else None
        if rejection is None:
            raise
        return [rejection.finding(release)]
    return verdict(file, release)


def _require_release(release: str) -> None:
    """Refuse a release that there are no rules for."""
    if release not in RELEASES:
        message = f"there are no rules for release {release!r}; there are {', '.join(RELEASES)}"
        raise ValidationError(message)


def _corim_note(parsed: ParsedHeaders, read_count: int) -> Rejection | None:
    """A note on the first CoRIM header, if it is among the first `read_count` headers."""
    records = (CorimDocument, CorimSignature)
    positions = [int(parsed.index(record)[0]) for record in records if parsed.has(record)]
    index = min(positions, default=read_count)
    if index >= read_count:
        return None
    header = parsed.file.header(index)
    return Rejection(
        rule="corim-feature",
        description=f"the file has a {header.name}",
        header=header.name,
        index=index,
        offset=header.offset,
    )
