"""VBS boot digest: a chain of SHA-256 over page and register chunks (Hyper-V, igvm crate)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.launch.plan import NO_SOURCE, PAGE, exact_sum
from igvm.measurement.hashing_limit import FREE, PER_BYTE
from igvm.measurement.host_axes import AREA_PAGES, REGISTERS, SHARED_PAGES
from igvm.measurement.page_digests import windows
from igvm.measurement.technology import Links, Technology
from igvm.spec.context import VBSContextHeader, VBSRegister
from igvm.spec.enums import Architecture, PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.page_cache import ContentCache
    from igvm.measurement.realm import RealmParameters
    from igvm.measurement.technology import Rows

_DIGEST = 32
_PAGE = 2
"""The type of a page's chunk; that of a register's is 0."""
# Chunks laid out together: a megabyte, which stays in a processor's cache.
_BATCH = 256
_UNMEASURED = 4
_READ_WRITE = 3
_CHUNK = 48
"""Bytes of a register's chunk."""
_REGISTER_COST = 1 << 13
"""What one counts as, in bytes that are hashed: it is also decoded and shown by others."""

METADATA = {
    Operation.NORMAL: 0,
    Operation.UNMEASURED: _UNMEASURED,
    Operation.PARAMETER: _UNMEASURED,
    Operation.ERROR_RANGE: _UNMEASURED | _READ_WRITE,
}
"""VBS_VM_GPA_PAGE_BOOT_METADATA of each operation: acceptance, and whether data is unmeasured."""


def digest(
    plan: LaunchPlan, _realm: RealmParameters | None = None, cache: ContentCache | None = None
) -> bytes:
    """The boot digest, 32 bytes."""
    if cache is None:
        return _digest(plan)
    return cache.start("vbs", plan, _digest)


def _digest(plan: LaunchPlan) -> bytes:
    sha256, every = hashlib.sha256, slice(None)
    running = bytes(_DIGEST)
    # This loop is where the time goes: it is chain() with everything taken out of the way.
    for chunks in _page_chunks(plan):
        for place, chunk in chunks:
            place[every] = running
            running = sha256(chunk).digest()
    for register in _register_chunks(plan):
        running = sha256(running + register).digest()
    return running


def chain(plan: LaunchPlan) -> Iterator[bytes]:
    """The running digest after each page, and after each register of each context at the end.

    32 bytes each.

    Raises:
        MeasurementError: the registers of a context are not in the file.
    """
    running = bytes(_DIGEST)
    for chunks in _page_chunks(plan):
        for place, chunk in chunks:
            place[:] = running
            running = hashlib.sha256(chunk).digest()
            yield running
    for register in _register_chunks(plan):
        running = hashlib.sha256(running + register).digest()
        yield running


def _page_chunks(plan: LaunchPlan) -> Iterator[list[tuple[memoryview, memoryview]]]:
    """The chunk of every page, some at a time, in memory that is used again for the next ones.

    With each comes the place at its front for the running digest, so that one call hashes all of
    it: a second one costs more than copying the page.
    """
    import numpy as np

    numbers = [("size", "<u4"), ("type", "<u4"), ("reserved", "<u8")]
    head = np.dtype([*numbers, ("metadata", "<u8"), ("page", "<u8")])
    layout = np.dtype([("running", "V32"), ("head", head), ("data", "u1", (PAGE,))])
    memory = bytearray(_BATCH * layout.itemsize)
    whole, laid = memoryview(memory), np.frombuffer(memory, layout)
    heads, data = laid["head"], laid["data"]
    heads["size"], heads["type"] = head.itemsize + PAGE, _PAGE
    chunks = [
        (whole[at : at + _DIGEST], whole[at : at + layout.itemsize])
        for at in range(0, len(memory), layout.itemsize)
    ]
    for metadata, number, source in _pages(plan):
        straight = _straight(source)
        for start in range(0, len(source), _BATCH):
            batch = slice(start, start + _BATCH)
            count = len(source[batch])
            heads["metadata"][:count], heads["page"][:count] = metadata[batch], number[batch]
            _lay_out(plan, source[batch], data[:count], straight=straight[start // _BATCH])
            yield chunks[:count]


def _pages(
    plan: LaunchPlan,
) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]]:
    """Metadata, page number and source of every page, many at a time."""
    import numpy as np

    known = np.zeros(256, bool)
    metadata = np.zeros(256, np.uint64)
    for operation, value in METADATA.items():
        known[operation], metadata[operation] = True, value
    kinds, gpas = plan.rows["operation"], plan.rows["gpa"]
    for pages in windows(plan, known[kinds]):
        page_metadata = metadata[kinds[pages.row]]
        # Numbers of pages go on where addresses would start again at zero.
        first = gpas[pages.row]
        yield (
            page_metadata,
            first // np.uint64(PAGE) + (pages.gpa - first) // np.uint64(PAGE),
            np.where(page_metadata == 0, pages.source, NO_SOURCE),
        )


def _straight(source: NDArray[np.int64]) -> list[bool]:
    """Of each batch of `source`, whether its pages follow each other in the file."""
    import numpy as np

    straight: NDArray[np.bool_] = source[::_BATCH] >= 0
    breaks = np.flatnonzero(np.diff(source) != PAGE)
    straight[breaks[(breaks + 1) % _BATCH != 0] // _BATCH] = False
    return [bool(is_straight) for is_straight in straight]


def _lay_out(
    plan: LaunchPlan, source: NDArray[np.int64], data: NDArray[np.uint8], *, straight: bool
) -> None:
    """Copy the page at each of `source` to a row of `data`."""
    import numpy as np

    file = np.frombuffer(plan.file.buffer, np.uint8)
    if straight:
        first = int(source[0])
        data[:] = file[first : first + data.size].reshape(-1, PAGE)
        return
    has_data = source >= 0
    if has_data.any():
        # A page anywhere in the file is one element of this array.
        pages = np.ndarray((len(file) - PAGE + 1,), f"V{PAGE}", file, 0, (1,))
        data.view(pages.dtype)[has_data, 0] = pages[source[has_data]]
    data[source == NO_SOURCE] = 0
    for index in np.flatnonzero(source < NO_SOURCE).tolist():
        data[index] = np.frombuffer(plan.content(int(source[index])), np.uint8)


def _register_chunks(plan: LaunchPlan) -> Iterator[memoryview]:
    """A chunk of 48 bytes for each register of each context, in file order.

    Raises:
        MeasurementError: the registers are not in the file, or are more than its size allows.
    """
    contexts = plan.rows[plan.of(Operation.VP_CONTEXT)]
    require_few_registers(plan, contexts)
    for source, header in zip(
        contexts["source"].tolist(), contexts["header"].tolist(), strict=True
    ):
        listed = registers(plan, source, header)
        for start in range(0, len(listed), _BATCH):
            chunks = memoryview(_laid_out(plan, listed[start : start + _BATCH]))
            yield from (chunks[at : at + _CHUNK] for at in range(0, len(chunks), _CHUNK))


def require_few_registers(plan: LaunchPlan, contexts: Rows) -> None:
    """Refuse contexts with more registers than the size of the file allows.

    Raises:
        MeasurementError: they have; or their registers are not in the file.
    """
    most = (FREE + PER_BYTE * len(plan.file.buffer)) // _REGISTER_COST
    total = 0
    for source, header in zip(
        contexts["source"].tolist(), contexts["header"].tolist(), strict=True
    ):
        total += len(registers(plan, source, header))
        if total > most:
            message = (
                f"the contexts have more than {most:,} registers, the limit for a file of "
                f"{len(plan.file.buffer)} bytes"
            )
            raise _wrong(plan, header, message)


def _laid_out(plan: LaunchPlan, listed: NDArray[np.void]) -> bytes:
    """The chunks of some registers, one after the other.

    Of a value only what counts: loaders decode it, and what they drop is zero. Most registers
    have 8 bytes; of a table register the first 6 are padding (igvm 0.5.0, registers.rs).
    """
    import numpy as np

    from igvm.spec.hyperv import X64_SEGMENT_REGISTERS, X64_TABLE_REGISTERS

    fields = [("size", "<u4"), ("type", "<u4"), ("reserved", "<u8"), ("reserved_vtl", "<u4")]
    fields += [("vtl", "u1"), ("reserved_name", "V7"), ("name", "<u4")]
    chunks = np.zeros(len(listed), np.dtype([*fields, ("value", "u1", (16,))]))
    chunks["size"], chunks["vtl"] = _CHUNK, listed["vtl"]
    chunks["name"], chunks["value"] = listed["register_name"], listed["register_value"]
    segments = tables = np.zeros(len(listed), bool)
    if plan.file.architecture == Architecture.X64:
        segments, tables = (
            np.isin(listed["register_name"], [int(name) for name in names])
            for names in (X64_SEGMENT_REGISTERS, X64_TABLE_REGISTERS)
        )
    chunks["value"][tables, :6] = 0
    chunks["value"][~(segments | tables), 8:] = 0
    return chunks.tobytes()


def registers(plan: LaunchPlan, source: int, header: int) -> NDArray[np.void]:
    """The registers of the context at `source`, which the header at index `header` names.

    Returns:
        A view of the file, shape (n,), of VBSRegister's dtype.

    Raises:
        MeasurementError: the list runs out of the file.
    """
    import numpy as np

    head = plan.content(source, VBSContextHeader.SIZE)
    if len(head) == VBSContextHeader.SIZE:
        count = VBSContextHeader.unpack_from(head).register_count
        body = plan.content(source + VBSContextHeader.SIZE, count * VBSRegister.SIZE)
        if len(body) == count * VBSRegister.SIZE:
            return np.frombuffer(body, VBSRegister.dtype())
    raise _wrong(plan, header, "its registers are not in the file")


def _wrong(plan: LaunchPlan, header: int, message: str) -> MeasurementError:
    offset = plan.file.header(header).offset
    return MeasurementError(
        message, path=plan.file.path, offset=offset, header="VP_CONTEXT", field="file_offset"
    )


def _chain(plan: LaunchPlan, _realm: RealmParameters | None) -> Iterator[bytes]:
    return chain(plan)


def _links_of(_plan: LaunchPlan, rows: Rows) -> int:
    """Contexts have no links among the pages: their registers are measured last."""
    return exact_sum(rows["loaded"]) if int(rows["operation"][0]) in METADATA else 0


def _register_links(plan: LaunchPlan, _realm: RealmParameters | None) -> Iterator[Links]:
    """The registers of each context, which VBS measures after all pages."""
    for row in plan.rows[plan.of(Operation.VP_CONTEXT)]:
        header, vcpu = int(row["header"]), f"vCPU {row['vp_index']}"
        listed = registers(plan, int(row["source"]), header)
        summary = f"{vcpu}, {len(listed)} registers"
        yield Links("REGISTER", summary, len(listed), _notes(plan, vcpu, listed), header)


def _notes(plan: LaunchPlan, vcpu: str, listed: NDArray[np.void]) -> Iterator[str]:
    """What each of the registers `listed` of a vCPU is."""
    from igvm.spec.hyperv import register_name

    for register in listed:
        name = register_name(plan.file.architecture, int(register["register_name"])).name
        yield f"{vcpu}, VTL {register['vtl']}, {name}"


TECHNOLOGY = Technology(
    platforms=(PlatformType.VSM_ISOLATION,),
    measurement="boot digest",
    algorithms=("sha256",),
    digest=digest,
    chain=_chain,
    links_of=_links_of,
    links_after=_register_links,
    cost=0.65,
    hashed=dict.fromkeys(METADATA, PAGE),
    axes=(AREA_PAGES, SHARED_PAGES, REGISTERS),
)
