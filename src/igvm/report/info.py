"""Collects the summary of a file from its columns."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from igvm.checks.finding import Severity
from igvm.errors import FormatError
from igvm.report.file_model import FileModel
from igvm.report.findings import checked
from igvm.report.info_model import (
    CCAPolicyModel,
    Checksum,
    ContextModel,
    Corim,
    IDBlock,
    Info,
    Memory,
    Platform,
    Policy,
    Region,
    VBSMeasurementModel,
)
from igvm.report.registers import Budget, registers
from igvm.report.words import POLICIES, file_name, mask_names
from igvm.spec.directive import (
    PageData,
    ParameterArea,
    ParameterInsert,
    RequiredMemory,
    SNPIDBlock,
    VBSMeasurement,
    VPContext,
)
from igvm.spec.enums import PAGE_SIZE_2M, HeaderType, PageDataFlags, PageDataType, PlatformType
from igvm.spec.initialization import (
    CCAPolicy,
    CorimDocument,
    CorimSignature,
    GuestPolicy,
    RelocatableRegion,
    VersionString,
)
from igvm.spec.platform import SupportedPlatform
from igvm.wire.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.header import Header
    from igvm.file.table import Table
    from igvm.file.view import IgvmFile

R = TypeVar("R", bound=Record)

MOST = 32
"""Platforms, contexts and the like that are listed: no sensible file has more."""

_LARGEST = (1 << 64) - 1


def info(file: IgvmFile, rules: Sequence[str] = ("spec", "igvm-0.5", "igvm-0.4")) -> Info:
    """The summary of `file`, with what `rules` say to it."""
    return Info(
        file=FileModel(name=file_name(file.path), size=len(file.buffer)),
        revision=file.revision,
        architecture=file.architecture.name,
        page_size=file.page_size,
        checksum=Checksum(stored=file.fixed_header.checksum, computed=file.checksum),
        version=_version(file),
        platforms=[_platform(file, one.record) for one in _first(file, SupportedPlatform)],
        headers=_counts(file),
        vp_contexts=_contexts(file),
        id_blocks=[
            IDBlock(
                platforms=mask_names(file, one.compatibility_mask),
                ld=one.ld.hex(),
                family_id=one.family_id.hex(),
                image_id=one.image_id.hex(),
                version=one.version,
                guest_svn=one.guest_svn,
                author_key_enabled=one.author_key_enabled,
            )
            for one in (header.record for header in _first(file, SNPIDBlock))
        ],
        vbs_measurements=[
            VBSMeasurementModel(
                platforms=mask_names(file, one.compatibility_mask),
                version=one.version,
                product_id=one.product_id,
                module_id=one.module_id,
                security_version=one.security_version,
                policy_flags=one.policy_flags,
                boot_measurement_digest=one.boot_measurement_digest.hex(),
            )
            for one in (header.record for header in _first(file, VBSMeasurement))
        ],
        corim=list(islice(_corim(file), MOST)),
        relocatable_regions=[
            Region(
                platforms=mask_names(file, one.compatibility_mask),
                gpa=one.relocation_region_gpa,
                size=one.relocation_region_size,
                alignment=one.relocation_alignment,
                minimum_gpa=one.minimum_relocation_gpa,
                maximum_gpa=one.maximum_relocation_gpa,
            )
            for one in (header.record for header in _first(file, RelocatableRegion))
        ],
        results=checked(file, rules, severity=Severity.WARNING, most=10).results,
    )


def _first(file: IgvmFile, record: type[R], most: int = MOST) -> Iterator[Header[R]]:
    """The first headers whose structure is `record`."""
    for index in file.table(record).index[:most].tolist():
        yield file.header(index)  # type: ignore[misc]


def _version(file: IgvmFile) -> str | None:
    """The text of the first VERSION_STRING that is text."""
    import numpy as np

    for index in np.flatnonzero(file.types == HeaderType.VERSION_STRING)[:MOST].tolist():
        record = file.header(index).record
        if isinstance(record, VersionString):
            return record.text
    return None


def _counts(file: IgvmFile) -> dict[str, int]:
    """How many headers there are, by type."""
    import numpy as np

    types, counts = np.unique(file.types, return_counts=True)
    return {
        HeaderType(kind).name: count
        for kind, count in zip(types.tolist(), counts.tolist(), strict=True)
    }


def _corim(file: IgvmFile) -> Iterator[Corim]:
    """The CoRIM headers."""
    for document in _first(file, CorimDocument):
        one = document.record
        names = mask_names(file, one.compatibility_mask)
        yield Corim(kind="document", platforms=names, size=one.size_bytes)
    for signature in _first(file, CorimSignature):
        two = signature.record
        names = mask_names(file, two.compatibility_mask)
        yield Corim(kind="signature", platforms=names, size=two.size_bytes)


def _contexts(file: IgvmFile) -> list[ContextModel]:
    """The VP contexts; VPs that share the same bytes are one."""
    budget = Budget(file)
    found: dict[tuple[int, int], list[Header[VPContext]]] = {}
    for header in _first(file, VPContext, 4 * MOST):
        record = header.record
        found.setdefault((record.compatibility_mask, record.file_offset), []).append(header)
    return [_context(file, same, budget) for same in list(found.values())[:MOST]]


def _context(file: IgvmFile, same: list[Header[VPContext]], budget: Budget) -> ContextModel:
    """The context that all of `same` refer to."""
    shown = problem = None
    try:
        budget.take(file, same[0])
        shown = registers(file.context(same[0]))
    except FormatError as error:
        problem = error.message
    return ContextModel(
        platforms=mask_names(file, same[0].record.compatibility_mask),
        vp_indexes=[one.record.vp_index for one in same],
        gpas=[one.record.gpa for one in same],
        context=shown,
        problem=problem,
    )


def _platform(file: IgvmFile, one: SupportedPlatform) -> Platform:
    """A platform, its policies and its memory."""
    mask = one.compatibility_mask
    layout = POLICIES.get(one.platform_type)
    policies = [
        Policy(
            value=header.record.policy,
            fields=layout(header.record.policy).as_dict() if layout else {},
        )
        for header in _first(file, GuestPolicy)
        if header.record.compatibility_mask & mask
    ]
    return Platform(
        platform_type=one.platform_type.name,
        compatibility_mask=mask,
        highest_vtl=one.highest_vtl,
        platform_version=one.platform_version,
        shared_gpa_boundary=one.shared_gpa_boundary,
        policies=policies,
        cca_policies=[
            CCAPolicyModel(
                attributes_required_zeroes=header.record.attributes_required_zeroes,
                attributes_required_ones=header.record.attributes_required_ones,
                hash_algorithm=header.record.hash_algorithm.name,
                lfa_policy=header.record.lfa_policy.name,
            )
            for header in _first(file, CCAPolicy)
            if header.record.compatibility_mask & mask and one.platform_type == PlatformType.CCA
        ],
        memory=_memory(file, mask),
    )


def _memory(file: IgvmFile, mask: int) -> Memory:
    """What the platform with `mask` loads and needs."""
    import numpy as np

    table = file.table(PageData)
    mine = _chosen(table, mask)
    kinds = np.bincount(table[PageData.data_type][mine], minlength=4)
    flags = table[PageData.flags][mine]
    large = int(np.count_nonzero(flags & PageDataFlags.IS_2MB_PAGE))
    normal = table[PageData.data_type][mine] == PageDataType.NORMAL
    zero = int(np.count_nonzero(normal & (table[PageData.file_offset][mine] == 0)))
    count = len(flags)
    gpa = table[PageData.gpa][mine]
    top = int(gpa.argmax()) if count else 0
    areas, area_bytes = _parameters(file, mask)
    required = file.table(RequiredMemory)
    needed = required[RequiredMemory.number_of_bytes][_chosen(required, mask)]
    return Memory(
        pages=count,
        bytes=large * PAGE_SIZE_2M + (count - large) * file.page_size,
        normal=int(kinds[PageDataType.NORMAL]) - zero,
        zero=zero,
        secrets=int(kinds[PageDataType.SECRETS]),
        cpuid=int(kinds[PageDataType.CPUID_DATA] + kinds[PageDataType.CPUID_XF]),
        other=int(kinds[4:].sum()),
        unmeasured=int(np.count_nonzero(flags & PageDataFlags.UNMEASURED)),
        shared=int(np.count_nonzero(flags & PageDataFlags.SHARED)),
        large=large,
        lowest_gpa=int(gpa.min()) if count else None,
        highest_gpa=(
            min(int(gpa[top]) + _page_size(file, int(flags[top])) - 1, _LARGEST) if count else None
        ),
        parameter_areas=areas,
        parameter_bytes=area_bytes,
        required_bytes=int(needed.sum(dtype=np.uint64)),
    )


def _page_size(file: IgvmFile, flags: int) -> int:
    return PAGE_SIZE_2M if flags & PageDataFlags.IS_2MB_PAGE else file.page_size


def _chosen(table: Table[R], mask: int) -> NDArray[np.bool_]:
    """Which headers of a table are for a platform with `mask`."""
    import numpy as np

    chosen: NDArray[np.bool_] = table.column("compatibility_mask") & np.uint32(mask) != 0
    return chosen


def _parameters(file: IgvmFile, mask: int) -> tuple[int, int]:
    """How many parameter areas are inserted, and their bytes."""
    areas = file.table(ParameterArea)
    index = areas[ParameterArea.parameter_area_index].tolist()
    sizes = dict(zip(index, areas[ParameterArea.number_of_bytes].tolist(), strict=True))
    inserts = file.table(ParameterInsert)
    inserted = inserts[ParameterInsert.parameter_area_index][_chosen(inserts, mask)].tolist()
    return len(inserted), min(sum(sizes.get(one, 0) for one in inserted), _LARGEST)
