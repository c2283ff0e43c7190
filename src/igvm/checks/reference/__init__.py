"""Does a release of the reference crate accept a file, and if not, where does it stop?

The crate (github:microsoft/igvm) reads a file in three steps: the fixed header, the variable
headers one after the other, then all headers together. Each step has a module here that declares
the crate's checks in the crate's order: `fixed`, `stream` (with `headers`, `contexts` and
`registers`) and `whole` (with `regions` and `areas`). The verdict is that of its release build
with the `corim` feature and no isolation filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.reference.fixed_header_checks import fixed_stop
from igvm.checks.reference.reference_rules import REFERENCE_RULES, RELEASES, ReferenceRule
from igvm.checks.reference.rejection import Stop
from igvm.errors import FormatError, ValidationError
from igvm.spec.enums import HeaderType

if TYPE_CHECKING:
    from igvm.checks.finding import Finding
    from igvm.checks.reference.parsed_headers import Stream
    from igvm.file.view import IgvmFile

__all__ = ["REFERENCE_RULES", "ReferenceRule", "verdict", "verdict_of_bytes"]

_CORIM = (HeaderType.CORIM_DOCUMENT, HeaderType.CORIM_SIGNATURE)


def verdict(file: IgvmFile, release: str) -> list[Finding]:
    """What release `release`, `0.4` or `0.5`, of the reference says to `file`.

    Returns:
        At most one error: where the crate stops. None: it accepts the file. Notes follow.

    Raises:
        ValidationError: there is no such release.
    """
    from igvm.checks.reference.parsed_headers import Stream
    from igvm.checks.reference.whole_file_checks import whole_stop

    _known(release)
    stop = fixed_stop(file.buffer)
    if stop is not None:
        return [stop.finding(release)]
    stream = Stream(file, release)
    stop = stream.stop()
    if stop is None:
        stop = whole_stop(stream)
        reached = stream.count
    else:
        reached = stream.count if stop.index is None else stop.index
    note = _corim_note(stream, reached)
    return [one.finding(release) for one in (stop, note) if one is not None]


def verdict_of_bytes(buffer: Any, release: str, *, path: str | None = None) -> list[Finding]:
    """What a release of the reference says to the bytes of a file, even to such as `parse` refuses.

    Raises:
        FormatError: the bytes are not one contiguous buffer.
        ValidationError: there is no such release.
    """
    from igvm.file.read import parse

    _known(release)
    try:
        file = parse(buffer, path=path)
    except FormatError:
        # Only a fixed header that the reference refuses too keeps a file from being parsed.
        view = memoryview(buffer)
        stop = fixed_stop(view.cast("B")) if view.c_contiguous else None
        if stop is None:
            raise
        return [stop.finding(release)]
    return verdict(file, release)


def _known(release: str) -> None:
    if release not in RELEASES:
        message = f"there are no rules for release {release!r}; there are {', '.join(RELEASES)}"
        raise ValidationError(message)


def _corim_note(stream: Stream, reached: int) -> Stop | None:
    """A note on the first CoRIM header, if the crate parses it."""
    first = [int(stream.index(kind)[0]) for kind in _CORIM if kind in stream.kinds]
    index = min(first, default=reached)
    if index >= reached:
        return None
    header = stream.file.header(index)
    return Stop(
        rule="corim-feature",
        found=f"the file has a {header.name}",
        header=header.name,
        index=index,
        offset=header.offset,
    )
