"""What one platform of a file asks of any loader: a row a header, before a loader shapes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.errors import LoadError
from igvm.file.header_extents import memory_columns
from igvm.launch.plan import NO_SOURCE, PAGE, LaunchPlan, Refusal, blank_rows, exact_sum
from igvm.spec.directive import ParameterArea, ParameterInsert
from igvm.spec.enums import HeaderType, PageDataFlags, PageDataType, Section
from igvm.spec.isolation import ISOLATIONS, VMSA, isolation_of
from igvm.spec.operations import Operation
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.table import Table
    from igvm.file.view import IgvmFile
    from igvm.spec.enums import PlatformType
    from igvm.spec.registry import HeaderSpec

MOST_PAGES = 1 << 18
"""Pages of all parameter areas that a loader loads: 1 GiB. Real ones have kilobytes."""

_BLOCK = 1 << 16
"""Headers that are looked at together."""

MOST_HEADERS = 1 << 17
"""Headers of a platform that a plan is made of, besides one for each page of the file."""

OPERATIONS = {
    HeaderType.PAGE_DATA: Operation.NORMAL,
    HeaderType.PARAMETER_INSERT: Operation.PARAMETER,
    HeaderType.ERROR_RANGE: Operation.ERROR_RANGE,
    HeaderType.VP_CONTEXT: Operation.VP_CONTEXT,
    HeaderType.PARAMETER_AREA: Operation.PARAMETER_AREA,
    HeaderType.REQUIRED_MEMORY: Operation.REQUIRED_MEMORY,
    HeaderType.RELOCATABLE_REGION: Operation.RELOCATION,
    HeaderType.PAGE_TABLE_RELOCATION_REGION: Operation.RELOCATION,
    HeaderType.GUEST_POLICY: Operation.POLICY,
    HeaderType.CCA_POLICY: Operation.POLICY,
    HeaderType.SNP_ID_BLOCK: Operation.ENDORSEMENT,
    HeaderType.VBS_MEASUREMENT: Operation.ENDORSEMENT,
    HeaderType.CORIM_DOCUMENT: Operation.ENDORSEMENT,
    HeaderType.CORIM_SIGNATURE: Operation.ENDORSEMENT,
}
"""What a header is by its type; parameters are PARAMETER_VALUE, all others OTHER."""


def directives(
    file: IgvmFile,
    platform: PlatformType,
    mask: int,
    *,
    every_vmsa: bool = False,
    area_bits: int = 64,
    any_size: bool = False,
) -> LaunchPlan:
    """What `platform` of `file` asks for, as the plan of a loader that does just that.

    A row a header, in file order, by the specification: a PAGE_DATA with IS_2MB_PAGE has 512
    pages, a PARAMETER_INSERT those of its area and the area's first contents. On Arm CCA, whose
    granules have 4 KiB whatever the file's page size is, a page is as many granules.

    What no loader can do is among the refusals: an area that is inserted and was not declared, or
    more than 1 GiB of them; data of a page or a context that is not in the file; a page size that
    the platform does not have.

    Args:
        file: an open file.
        platform: one that the file is for.
        mask: the bits that stand for it.
        every_vmsa: take the VMSAs of all platforms, for a tool that does not look at masks.
        area_bits: look at so many bits of an area's size.
        any_size: take parameter areas of any size, where nobody does work for each page of one.

    Raises:
        LoadError: the platform has more headers than a file of its size may have.
    """
    import numpy as np

    is_chosen = file.sections != Section.PLATFORM
    for start in range(0, len(is_chosen), _BLOCK):
        block = slice(start, start + _BLOCK)
        is_chosen[block] &= file.masks[block] & np.uint32(mask) != 0
    if every_vmsa:
        is_chosen |= _is_vmsa(file)
    _require_few(file, platform, int(np.count_nonzero(is_chosen)))
    index = np.flatnonzero(is_chosen)
    rows = blank_rows(len(index))
    rows["header"], rows["header_type"] = index, file.types[index]
    rows["operation"] = Operation.OTHER
    plan = LaunchPlan(file=file, platform=platform, mask=mask, loader="", rows=rows)
    present = file.kinds
    row_of_header = np.full(len(file.types), -1, np.int32)
    row_of_header[index] = np.arange(len(index))
    for kind in sorted(present):
        spec = HEADERS.get(HeaderType(kind))
        if spec is not None and spec.record is not None and spec.section != Section.PLATFORM:
            table = file.table(spec.record)
            _fill(plan, spec, table, row_of_header[table.index])
    if HeaderType.PAGE_DATA in present:
        plan = _with_pages(plan)
    if HeaderType.PARAMETER_INSERT in present:
        plan = _with_inserts(plan, area_bits, MOST_PAGES if not any_size else 1 << 52)
    if HeaderType.VP_CONTEXT in present:
        plan = _with_contexts(plan)
    measured = plan.of(*isolation_of(platform).measured)
    plan.rows["measured"] = measured
    if every_vmsa:
        others = plan.from_headers(HeaderType.VP_CONTEXT) & ~_is_vmsa(file)[index]
        plan = plan.unmeasured(others, "it is no VMSA").loading(others, 0, "it is no VMSA")
    return plan


def _require_few(file: IgvmFile, platform: PlatformType, count: int) -> None:
    """Refuse a file with more headers for `platform` than its size allows.

    Raises:
        LoadError: it has; the error names the limit.
    """
    most = MOST_HEADERS + len(file.buffer) // PAGE
    if count > most:
        message = (
            f"{platform.name} has {count:,} headers, and the limit for a file of "
            f"{len(file.buffer)} bytes is {most:,}"
        )
        hint = (
            f"it is {MOST_HEADERS:,} and one for each page of data; docs/measure.md has the limits"
        )
        raise LoadError(message, path=file.path, hint=hint)


def _is_vmsa(file: IgvmFile) -> NDArray[np.bool_]:
    """Which headers of the file are contexts of platforms that have VMSAs."""
    import numpy as np

    bits = 0
    for kind, platform_bits in file.platform_masks.items():
        isolation = ISOLATIONS.get(kind)
        if isolation is not None and isolation.context is VMSA:
            bits |= platform_bits
    is_vmsa: NDArray[np.bool_] = file.types == HeaderType.VP_CONTEXT
    is_vmsa &= file.masks & np.uint32(bits) != 0
    return is_vmsa


def _fill(
    plan: LaunchPlan, spec: HeaderSpec, table: Table[Any], row_numbers: NDArray[np.int32]
) -> None:
    """Fill in what the declaration of a header type says of its rows.

    Args:
        plan: has a row for each header that applies.
        spec: the type.
        table: its headers.
        row_numbers: the row of each, shape (n,), -1 where it does not apply.
    """
    import numpy as np

    applies = np.flatnonzero(row_numbers >= 0)
    if not len(applies):
        return
    chosen, at = _narrowed(applies), _narrowed(row_numbers[applies])
    rows = plan.rows
    names = {item.name for item in table.record.FIELDS}
    fallback = Operation.PARAMETER_VALUE if spec.area is not None else Operation.OTHER
    rows["operation"][at] = OPERATIONS.get(spec.header_type, fallback)
    if spec.memory is not None:
        rows["gpa"][at] = table.column(spec.memory.address)[chosen]
        if spec.memory.size.rule != "context":
            size = memory_columns(plan.file, spec, table).size[chosen]
            rows["pages"][at] = _pages(size)
    if spec.data is not None:
        offsets = table.column(spec.data.offset)[chosen].astype(np.int64)
        rows["source"][at] = np.where(offsets == 0, NO_SOURCE, offsets)
    if spec.area is not None:
        rows["area"][at] = table.column(spec.area.index)[chosen]
        if spec.area.byte_offset:
            rows["byte_offset"][at] = table.column(spec.area.byte_offset)[chosen]
    for name in ("flags", "data_type", "vp_index"):
        if name in names:
            values = table.column(name)[chosen]
            if values.any():
                rows[name][at] = values
    if OPERATIONS.get(spec.header_type) in {*_FILLED, Operation.PARAMETER_AREA}:
        rows["loaded"][at] = rows["pages"][at]


def _pages(sizes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """How many pages have so many bytes, shape (n,); the last may be filled in part."""
    import numpy as np

    pages: NDArray[np.uint64] = (sizes >> np.uint64(12)) + (sizes & np.uint64(PAGE - 1) != 0)
    return pages


def _narrowed(index: NDArray[Any]) -> NDArray[Any] | slice:
    """`index`, ascending, as a slice where it has no gaps, so that nothing is gathered."""
    first, last = int(index[0]), int(index[-1])
    return slice(first, last + 1) if last - first + 1 == len(index) else index


_FILLED = (Operation.NORMAL, Operation.PARAMETER, Operation.ERROR_RANGE)


def _with_pages(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with what its pages are, and refusals where their data is not in the file."""
    import numpy as np

    file = plan.file
    pages = plan.from_headers(HeaderType.PAGE_DATA) & plan.of(Operation.NORMAL)
    isolation = isolation_of(plan.platform)
    if pages.any() and file.page_size not in isolation.page_sizes:
        message = f"{plan.platform.name} has no pages of {file.page_size:#x} bytes"
        plan = plan.loading(pages, 0, f"fatal: {message}")
        plan = plan.refusing(Refusal(message, None, "page_size"))
    rows = plan.rows
    flags, data_types = rows["flags"], rows["data_type"]
    if flags.any():
        unmeasured = np.uint32(PageDataFlags.UNMEASURED)
        rows["operation"][pages & (flags & unmeasured != 0)] = Operation.UNMEASURED
    if isolation.has_special_pages and data_types.any():
        rows["operation"][pages & (data_types == PageDataType.SECRETS)] = Operation.SECRETS
        is_cpuid = (data_types == PageDataType.CPUID_DATA) | (data_types == PageDataType.CPUID_XF)
        rows["operation"][pages & is_cpuid] = Operation.CPUID
    if flags.any():
        rows["operation"][pages & (flags & np.uint32(PageDataFlags.SHARED) != 0)] = Operation.SHARED
    sources = rows["source"]
    is_outside = pages & (sources >= 0) & (sources > len(file.buffer) - file.page_size)
    return _refuse_data(plan, is_outside)


def _refuse_data(plan: LaunchPlan, is_outside: NDArray[np.bool_]) -> LaunchPlan:
    """`plan` with a refusal where the data of rows is not in the file."""
    if not is_outside.any():
        return plan
    plan = plan.refused(is_outside, "its data is not in the file", "file_offset")
    plan.rows["loaded"][is_outside] = 0
    plan.rows["source"][is_outside] = NO_SOURCE
    return plan


def _with_inserts(plan: LaunchPlan, area_bits: int, most: int) -> LaunchPlan:
    """`plan` with the size and the first contents that each inserted area has when it comes.

    Areas of more than `most` pages, one or all together, are refused.
    """
    import numpy as np

    rows, file = plan.rows, plan.file
    inserts = np.flatnonzero(plan.of(Operation.PARAMETER))
    areas = file.table(ParameterArea)
    # The last declaration before the insert, of the same number.
    number = areas[ParameterArea.parameter_area_index].astype(np.uint64)
    declared = number << np.uint64(32) | areas.index.astype(np.uint64)
    order = np.argsort(declared)
    wanted = rows["area"][inserts].astype(np.uint64)
    key = wanted << np.uint64(32) | rows["header"][inserts].astype(np.uint64)
    at = np.searchsorted(declared[order], key) - 1
    area = order[at.clip(min=0)] if len(order) else np.zeros(len(inserts), np.intp)
    is_declared = (at >= 0) & (number[area] == wanted) if len(order) else np.zeros(len(at), bool)
    sizes = np.zeros(len(inserts), np.uint64)
    sources = np.full(len(inserts), NO_SOURCE, np.int64)
    if len(order):
        whole = areas[ParameterArea.number_of_bytes][area[is_declared]]
        sizes[is_declared] = whole & np.uint64((1 << area_bits) - 1)
        offsets = areas[ParameterArea.file_offset][area[is_declared]].astype(np.int64)
        sources[is_declared] = np.where(offsets == 0, NO_SOURCE, offsets)
    # First contents that are not in the file are nobody's: the area starts with zeroes.
    room = np.uint64(len(file.buffer))
    outside = (sources >= 0) & ((sizes > room) | (sources > len(file.buffer) - sizes.astype("i8")))
    sources[outside] = NO_SOURCE
    pages = _pages(sizes)
    rows["pages"][inserts], rows["source"][inserts] = pages, sources
    is_huge = pages > most
    rows["loaded"][inserts] = np.where(is_huge, np.uint64(0), pages)
    bad = np.flatnonzero(~is_declared | is_huge)
    if len(bad):
        first = int(bad[0])
        number_ = int(wanted[first])
        message = (
            f"parameter area {number_} has {int(sizes[first]):#x} bytes, and all areas of a guest "
            f"may have {most * PAGE:#x}"
            if is_declared[first]
            else f"parameter area {number_} is not declared before it is inserted"
        )
        where = np.zeros(len(rows), bool)
        where[inserts[bad]] = True
        plan = plan.refused(where, message, ParameterInsert.parameter_area_index.__name__)
    elif most == MOST_PAGES and (total := exact_sum(pages)) > most:
        where = plan.of(Operation.PARAMETER)
        message = (
            f"the parameter areas have {total * PAGE:#x} bytes, and all areas of a guest may have "
            f"{most * PAGE:#x}"
        )
        plan = plan.loading(where, 0, message).refusing(Refusal(message))
    return plan


def _with_contexts(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with a page for each context, and refusals where their registers are not there."""
    rows, file = plan.rows, plan.file
    contexts = plan.of(Operation.VP_CONTEXT)
    rows["pages"][contexts] = rows["loaded"][contexts] = 1
    context = isolation_of(plan.platform).context
    if context is None:
        return plan.explained(contexts, "the platform has no contexts")
    least = context.record.SIZE if context.element else PAGE
    is_outside = contexts & (
        (rows["source"] < file.fixed_header.SIZE) | (rows["source"] + least > len(file.buffer))
    )
    return _refuse_data(plan, is_outside)
