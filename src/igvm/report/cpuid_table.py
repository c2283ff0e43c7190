"""The leaves of a CPUID page as plain values, and as a table for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.report.terminal_text import WIDTH, line
from igvm.spec.directive import PageData
from igvm.spec.enums import PageDataType
from igvm.spec.snp_structures import MOST_LEAVES, CPUIDPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.report.terminal_text import Line

CPUID_TYPES = (PageDataType.CPUID_DATA, PageDataType.CPUID_XF)
"""The types of pages that hold leaves."""


class CPUIDLeaf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One leaf: what a guest asks for, and the answer, which most loaders fill in themselves."""

    eax_in: int
    """The leaf."""
    ecx_in: int
    """The subleaf."""
    xcr0_in: int
    xss_in: int
    eax: int
    ebx: int
    ecx: int
    edx: int
    reserved: int = 0
    """What its reserved bytes hold."""


class CPUIDTable(msgspec.Struct, frozen=True, kw_only=True):
    """The leaves of a CPUID page."""

    count: int
    """How many there are by the page's own number; it has room for 64."""
    leaves: list[CPUIDLeaf]
    """Those of them that fit the page, in its order."""


def has_leaves(record: Any) -> bool:
    """Whether a header is a CPUID page with data."""
    return (
        isinstance(record, PageData) and record.data_type in CPUID_TYPES and record.file_offset > 0
    )


def cpuid_table(page: bytes | memoryview) -> CPUIDTable:
    """The leaves in the 4096 bytes of a CPUID page."""
    record = CPUIDPage.unpack_from(page)
    return CPUIDTable(
        count=record.count,
        leaves=[
            CPUIDLeaf(**{item.name: int(getattr(entry, item.name)) for item in entry.FIELDS})
            for entry in record.entries[: min(record.count, MOST_LEAVES)]
        ],
    )


_INPUT = ("eax_in", "ecx_in", "xcr0_in", "xss_in")
_ANSWER = ("eax", "ebx", "ecx", "edx")


def cpuid_text(table: CPUIDTable, indent: int) -> Iterator[Line]:
    """The leaves as lines, a leaf each; two where one is too wide, one for answers of zero."""
    blank = " " * indent
    many = f", and the page has room for {MOST_LEAVES}" if table.count > MOST_LEAVES else ""
    yield line(blank, (f"CPUID page, count {table.count}{many}", "quiet"))
    if not table.leaves:
        return
    has_answers = any(getattr(leaf, name) for leaf in table.leaves for name in _ANSWER)
    names = [*_INPUT, *(_ANSWER if has_answers else ())]
    width = {
        name: max(len(name), *(len(f"{getattr(leaf, name):#x}") for leaf in table.leaves))
        for name in names
    }
    groups = [names]
    if indent + sum(width.values()) + 2 * (len(names) - 1) > WIDTH:
        groups = [list(_INPUT), ["", *_ANSWER]]
        width[""] = 2
    for group in groups:
        heads = "  ".join(f"{name.replace('_', ' '):>{width[name]}}" for name in group)
        yield line(blank, (heads, "quiet"))
    for leaf in table.leaves:
        for group in groups:
            cells = [f"{getattr(leaf, name):#x}" if name else "" for name in group]
            padded = (f"{cell:>{width[name]}}" for cell, name in zip(cells, group, strict=True))
            yield line(blank, "  ".join(padded))
    if not has_answers:
        yield line(blank, ("eax to edx of every answer are zero", "quiet"))
