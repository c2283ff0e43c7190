"""Takes a file apart into plain values, header by header."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import msgspec

from igvm.errors import FormatError
from igvm.file.header_extents import data_range
from igvm.report.cpuid_table import cpuid_table, has_leaves
from igvm.report.dump_model import DataRange, Dump, Entry, FieldValue, FileParts
from igvm.report.header_selection import Selection, select
from igvm.report.names_and_numbers import POLICIES, file_name, flag_names, mask_names
from igvm.report.page_runs import page_runs
from igvm.report.registers import Budget, registers
from igvm.spec.directive import VPContext
from igvm.spec.enums import PlatformType, Section
from igvm.spec.initialization import CCAPolicy, GuestPolicy, VersionString
from igvm.spec.policy import CCAAttributes
from igvm.spec.snp_structures import CPUIDPage
from igvm.wire.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.header import Header
    from igvm.file.view import IgvmFile
    from igvm.report.page_runs import PageRun


class DumpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to take a file apart."""

    selection: Selection = Selection()
    join: bool = True
    """Whether pages that go on from the page before are one entry."""
    raw: bool = False
    """Whether every header is shown in hex as well; nothing is joined then."""
    data: int = 0
    """How many bytes of the data of each entry are shown."""


EVERYTHING = DumpOptions()


def dump(file: IgvmFile, options: DumpOptions = EVERYTHING) -> Dump:
    """`file` taken apart.

    Raises:
        ValidationError: the file is not for a platform that `options` asks for.
    """
    return frame(file, options, list(entries(file, options)))


def frame(file: IgvmFile, options: DumpOptions, headers: list[Entry]) -> Dump:
    """A dump with these entries."""
    fixed = file.fixed_header
    start = max(fixed.SIZE, file.section_offset + len(file.section))
    return Dump(
        file=FileParts(
            name=file_name(file.path),
            size=len(file.buffer),
            header_count=len(file.types),
            data_offset=start,
            data_size=len(file.buffer) - start,
        ),
        fixed_header={item.name: int(getattr(fixed, item.name)) for item in fixed.FIELDS},
        gap=bytes(file.buffer[fixed.SIZE : file.section_offset]).hex(),
        complete=options.selection.everything,
        trailing=bytes(file.trailing).hex(),
        headers=headers,
    )


def entries(file: IgvmFile, options: DumpOptions = EVERYTHING) -> Iterator[Entry]:
    """The headers of `file`, in order, one by one.

    Raises:
        ValidationError: as for `dump`.
    """
    return _entries(file, options, select(file, options.selection))


def _entries(file: IgvmFile, options: DumpOptions, chosen: NDArray[np.intp]) -> Iterator[Entry]:
    """The headers at the positions `chosen`."""
    names = functools.lru_cache(maxsize=1024)(lambda mask: mask_names(file, mask))
    budget = Budget(file)
    sections = [section.name.lower() for section in Section]
    for run in page_runs(file, chosen, join=options.join and not options.raw):
        header = file.header(run.index)
        record = header.record
        mask = header.compatibility_mask
        padding = bytes(header.padding)
        is_padded = len(padding) == -len(header.body) % 8 and not any(padding)
        fields = _fields(record)
        data, problem = _data(file, header, run, options.data)
        context = cpuid = None
        if isinstance(record, VPContext) and problem is None:
            try:
                budget.take(file, header)
                context = registers(file.context(header))
            except FormatError as error:
                problem = error.message
        elif data is not None and data.size >= CPUIDPage.SIZE and has_leaves(record):
            try:
                budget.take(file, header, "CPUID pages")
                cpuid = cpuid_table(file.buffer[data.offset : data.offset + CPUIDPage.SIZE])
            except FormatError as error:
                problem = problem or error.message
        yield Entry(
            index=run.index,
            offset=header.offset,
            type=header.raw_type,
            name=header.name,
            section=sections[file.sections[run.index]],
            count=run.count,
            step={"gpa": run.gpa, "file_offset": run.file_offset} if run.count > 1 else None,
            optional=header.optional,
            platforms=None if mask is None else names(mask),
            fields=fields,
            body=None if fields is not None else bytes(header.body).hex(),
            padding=None if is_padded else padding.hex(),
            names=_names(record),
            policies=_policies(file, record),
            data=data,
            context=context,
            cpuid=cpuid,
            problem=problem,
            raw=header.raw.hex() if options.raw else None,
        )


def _fields(record: Any) -> dict[str, FieldValue] | None:
    """Every field of a record as plain values; None where the record is not known."""
    if isinstance(record, VersionString):
        return {"text": record.text}
    if not isinstance(record, Record):
        return None
    return {item.name: _plain(getattr(record, item.name)) for item in record.FIELDS}


def _plain(value: Any) -> Any:
    """A field's value: a number, hex, or the fields of a nested record."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, bytes):
        return value.hex()
    return {item.name: _plain(getattr(value, item.name)) for item in value.FIELDS}


def _names(record: Any) -> dict[str, str | list[str]] | None:
    """What the enums and the flags of a record mean."""
    names: dict[str, str | list[str]] = {}
    for item in record.FIELDS if isinstance(record, Record) else ():
        if item.kind == "enum":
            names[item.name] = getattr(record, item.name).name
        elif item.kind == "flags":
            flags = getattr(record, item.name)
            if flags:
                names[item.name] = flag_names(flags)
    return names or None


def _policies(file: IgvmFile, record: Any) -> dict[str, dict[str, int]] | None:
    """The named bits of a policy word, for each platform that reads it."""
    if isinstance(record, GuestPolicy):
        policies = {
            kind.name: layout(record.policy).as_dict()
            for kind, layout in POLICIES.items()
            if file.platform_masks.get(kind, 0) & record.compatibility_mask
        }
    elif isinstance(record, CCAPolicy):
        ones = CCAAttributes(record.attributes_required_ones)
        zeroes = CCAAttributes(record.attributes_required_zeroes)
        policies = {
            f"{PlatformType.CCA.name}_required_{name}": value.as_dict()
            for name, value in (("zeroes", zeroes), ("ones", ones))
        }
    else:
        return None
    return policies or None


def _data(
    file: IgvmFile, header: Header[Any], run: PageRun, shown_size: int
) -> tuple[DataRange | None, str | None]:
    """Where the data of a run is, or why it is not there."""
    try:
        offset, size = data_range(file, header)
    except FormatError as error:
        return None, error.message
    if offset == 0:
        return None, None
    if run.file_offset:
        size *= run.count
    available = len(file.buffer) - offset
    problem = None
    if size > available:
        problem = f"only {available:#x} bytes of the data of {run.count} pages are in the file"
        size = available
    end = offset + min(shown_size, size)
    shown = bytes(file.buffer[offset:end]).hex() if shown_size else None
    return DataRange(offset=offset, size=size, bytes=shown), problem
