"""QEMU, whatever accelerates it: how it collects pages in runs, and its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.plan import NO_SOURCE, PAGE
from igvm.launch.shaping import ignoring_shared, split_large
from igvm.spec.directive import PageData
from igvm.spec.enums import HeaderType, Section
from igvm.spec.operations import Operation
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.plan import LaunchPlan

# Where facts were read. "run" is said of what was seen to happen; the rest was read.
IGVM_C = "QEMU 11.1, backends/igvm.c"
IGVM_RUN = "QEMU 11.1, backends/igvm.c; run under TCG"
X86_RUN = "QEMU 11.1, target/i386/igvm.c; run under TCG"
SEV_C = "QEMU 11.1, target/i386/sev.c"
LIBIGVM = "libigvm 0.4.0; run"


UNKNOWN = (
    HeaderType.SRAT,
    HeaderType.MMIO_RANGES,
    HeaderType.SLIT,
    HeaderType.PPTT,
    HeaderType.ERROR_RANGE,
    HeaderType.COMMAND_LINE,
    HeaderType.VBS_MEASUREMENT,
    HeaderType.RELOCATABLE_REGION,
    HeaderType.PAGE_TABLE_RELOCATION_REGION,
)
"""The header types at which QEMU ends (backends/igvm.c has no handler for them)."""


def in_qemus_order(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with its rows as QEMU gets round to them, and what it makes of pages and areas.

    Pages wait in runs while everything else acts at once. The shared flag is not looked at. Of a
    page of 2 MiB it gets 4 KiB of data from libigvm and zeroes the rest. Areas start with zeroes.
    """
    import numpy as np

    plan = ignoring_shared(plan)
    when, batch = _flush_order(plan)
    if (when[1:] >= when[:-1]).all():
        rows = plan.rows.copy()
    else:
        order = when.argsort(kind="stable")
        rows, batch = plan.rows[order], batch[order]
    rows["batch"] = batch
    areas = np.isin(rows["operation"], (Operation.PARAMETER, Operation.PARAMETER_AREA))
    has_data = areas & (rows["source"] != NO_SOURCE)
    rows["source"][areas] = NO_SOURCE
    plan = plan.with_rows(rows)
    declared = has_data & (rows["operation"] == Operation.PARAMETER_AREA)
    plan = plan.explained(declared, "QEMU starts every area with zeroes")
    return split_large(plan, "QEMU gets 4 KiB of data for a page of 2 MiB, and zeroes the rest")


def _flush_order(plan: LaunchPlan) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """When each row is done, by the header at which QEMU gets round to it, and with which others.

    Pages are collected while they go on: the next header, the next address, the same mask, flags
    and type, and both with data or both without. A run is written when the next page does not
    fit it, or at the end; everything else acts when it is met (backends/igvm.c).
    """
    import numpy as np

    rows = plan.rows
    when = rows["header"].astype(np.intp)
    batch = np.arange(len(rows), dtype=np.int32)
    pages = np.flatnonzero(plan.from_headers(HeaderType.PAGE_DATA))
    if not len(pages):
        return when, batch
    page_rows = rows[pages]
    table = plan.file.table(PageData)
    mask = table[PageData.compatibility_mask][np.searchsorted(table.index, page_rows["header"])]
    size = page_rows["pages"] * np.uint64(PAGE)
    # Headers for no platform are not there once libigvm has read the file.
    place = page_rows["header"] - np.searchsorted(_dropped(plan), page_rows["header"])
    is_empty = page_rows["source"] == NO_SOURCE
    goes_on = (
        (np.diff(place) == 1)
        & (page_rows["gpa"][1:] == page_rows["gpa"][:-1] + size[:-1])
        & (page_rows["flags"][1:] == page_rows["flags"][:-1])
        & (page_rows["data_type"][1:] == page_rows["data_type"][:-1])
        & (mask[1:] == mask[:-1])
        & (is_empty[1:] == is_empty[:-1])
    )
    starts = np.concatenate([[True], ~goes_on])
    run = np.cumsum(starts) - 1
    first = page_rows["header"][starts].astype(np.intp)
    # A run is flushed just before the page that starts the next one; nothing stands in between.
    flushed_at = np.concatenate([first[1:], [np.iinfo(np.intp).max]])
    when[pages] = flushed_at[run]
    batch[pages] = pages[starts][run]
    return when, batch


def _dropped(plan: LaunchPlan) -> NDArray[np.intp]:
    """Positions of the directives whose compatibility mask is 0, in order."""
    import numpy as np

    dropped = []
    for spec in HEADERS.values():
        if spec.section == Section.DIRECTIVE and spec.has_mask and spec.record is not None:
            table = plan.file.table(spec.record)
            dropped.append(table.index[table.column("compatibility_mask") == 0])
    return np.sort(np.concatenate(dropped))


def shared_rules() -> Iterator[LoaderRule]:
    """What QEMU does with a file whatever accelerates it."""
    from igvm.launch.lint.loader_rule import ERROR, NOTE, WARNING, LoaderRule
    from igvm.launch.rules import (
        acceptance_rules,
        header_type_rules,
        identity_rules,
        page_rules,
        parameter_rules,
        qemu_parameter_rules,
        qemu_region_rules,
        start_rules,
    )

    yield LoaderRule(
        "refused",
        ERROR,
        "{who} reads files with libigvm 0.4.0, which must accept them",
        LIBIGVM,
        acceptance_rules.refused,
        messages=("Unable to parse IGVM file {file}: {result}",),
    )
    yield LoaderRule(
        "no-directives",
        ERROR,
        "{who} ends where a file has no directive header",
        IGVM_C,
        acceptance_rules.no_directives,
        messages=("Invalid directive header count in IGVM file. Error code: {number}",),
    )
    yield LoaderRule(
        "unknown-type",
        ERROR,
        "{who} ends at a header type that it does not know, whatever platforms the header is for",
        IGVM_RUN,
        header_type_rules.unknown_type,
        messages=("IGVM: Unknown header type encountered when processing file: (type {type})",),
    )
    yield LoaderRule(
        "device-tree",
        ERROR,
        "{who} has a device tree on microvm only; on other machines it ends at this header",
        IGVM_RUN,
        header_type_rules.device_tree,
        messages=("IGVM: device tree not available",),
    )
    yield LoaderRule(
        "id-block-twice",
        ERROR,
        "{who} ends at a second ID block",
        IGVM_RUN,
        identity_rules.id_block_twice,
        messages=("IGVM: Multiple ID blocks encountered in IGVM file.",),
    )
    yield LoaderRule(
        "parameter-bounds",
        ERROR,
        "{who} writes at byte_offset without looking at the size of the area, and crashes or "
        "overwrites its own memory; it ends where a map or a table does not fit its area",
        f"{IGVM_RUN}: SIGSEGV",
        qemu_parameter_rules.bounds,
        messages=(
            "IGVM: MADT size exceeds parameter area defined in IGVM file",
            "IGVM: guest memory map size exceeds parameter area defined in IGVM file",
        ),
    )
    yield LoaderRule(
        "parameter-past",
        WARNING,
        "{who} writes past the end of the area, which goes unnoticed so close to it",
        IGVM_RUN,
        qemu_parameter_rules.past_the_area,
    )
    yield LoaderRule(
        "parameter-offset",
        WARNING,
        "{who} ignores byte_offset here and writes at the start of the area",
        IGVM_RUN,
        qemu_parameter_rules.parameter_offset,
    )
    yield LoaderRule(
        "parameter-collision",
        WARNING,
        "{who} writes tables at the start of the area, over what another parameter has there",
        IGVM_RUN,
        qemu_parameter_rules.parameter_collision,
    )
    yield LoaderRule(
        "area-wraps",
        WARNING,
        "{who} takes the size of an area modulo 4 GiB",
        IGVM_RUN,
        qemu_parameter_rules.area_wraps,
    )
    yield LoaderRule(
        "area-data",
        WARNING,
        "{who} starts every parameter area with zeroes and ignores its initial data",
        IGVM_RUN,
        parameter_rules.area_data,
    )
    yield LoaderRule(
        "memory-map",
        NOTE,
        "the memory map of {who} has all RAM below 4 GiB as one range: nothing is set "
        "aside for the VGA hole or for what the file loads",
        IGVM_RUN,
        parameter_rules.memory_map,
    )
    yield LoaderRule(
        "map-room",
        NOTE,
        "{who} writes every range of memory that the machine has into the map, and where there are "
        "more than fit, one parameter is written over the other",
        IGVM_C,
        parameter_rules.map_room,
    )
    yield LoaderRule(
        "area-size",
        WARNING,
        "{who} allocates an area when it meets the header and ends where there is no memory for it",
        IGVM_C,
        qemu_parameter_rules.area_size,
    )
    yield LoaderRule(
        "page-2mb",
        WARNING,
        "{who} gets 4 KiB of data for a page of 2 MiB from libigvm, and fills the rest with zeroes",
        IGVM_RUN,
        page_rules.qemu_2mb,
    )
    yield LoaderRule(
        "device",
        ERROR,
        "{who} ends where memory lies over a device, due to an existing non-RAM region",
        IGVM_RUN,
        qemu_region_rules.device,
        messages=(
            (
                "Processing of IGVM file failed: Could not prepare memory at address {gpa} "
                "due to existing non-RAM region"
            ),
        ),
    )
    yield LoaderRule(
        "region-edge",
        ERROR,
        "{who} ends where a run of pages, an insert or required memory is not inside one region",
        IGVM_RUN,
        qemu_region_rules.region_edge,
        messages=(
            (
                "Processing of IGVM file failed: Could not prepare memory at address {gpa}: "
                "region size {size} exceeded"
            ),
            (
                "Processing of IGVM file failed: Could not prepare memory at address {gpa}: "
                "region size exceeded"
            ),
        ),
    )
    yield LoaderRule(
        "region-empty",
        ERROR,
        "{who} aborts where it makes memory of no bytes",
        IGVM_RUN,
        qemu_region_rules.region_empty,
        messages=("find_ram_offset: Assertion `size != 0' failed.",),
    )
    yield LoaderRule(
        "reset",
        WARNING,
        "{who} starts the guest, and ends when it is reset: the file is processed again then",
        IGVM_RUN,
        qemu_region_rules.reset,
    )
    yield LoaderRule(
        "shadow-lost",
        WARNING,
        "{who} silently loses 0xc0000 to 0xdffff at the first boot of q35; after a reset "
        "it is there",
        IGVM_RUN,
        qemu_region_rules.shadow_lost,
    )
    yield LoaderRule(
        "new-region",
        NOTE,
        "{who} makes new memory where there is no RAM, which the memory map does not have",
        IGVM_RUN,
        qemu_region_rules.new_region,
    )
    yield LoaderRule(
        "no-start",
        WARNING,
        "without a VP_CONTEXT {who} starts the guest at 0xfffffff0, and -bios puts nothing there",
        X86_RUN,
        start_rules.no_start,
    )
    yield LoaderRule(
        "no-context",
        NOTE,
        "without a VP_CONTEXT {who} starts the guest at the reset vector, 0xfffffff0",
        X86_RUN,
        start_rules.reset_start,
    )
    yield LoaderRule(
        "context-twice",
        WARNING,
        "of several contexts for one vCPU {who} takes the last",
        f"{X86_RUN}; under KVM read only",
        start_rules.context_twice,
    )
