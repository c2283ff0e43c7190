"""Collects the summary of a file from its columns."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from igvm.checks.finding import Severity
from igvm.errors import FormatError
from igvm.measurement.endorsed_digests import endorsed_digests
from igvm.report.check_results import checked
from igvm.report.entry_mode import entry_text
from igvm.report.file_model import FileModel
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
from igvm.report.launch_summary import MOST_PAGES, launch_digests, loader_verdicts
from igvm.report.names_and_numbers import POLICIES, file_name, mask_names
from igvm.report.policy_words import cca_policy_words, policy_words, vbs_policy_words
from igvm.report.registers import Budget, registers
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
from igvm.spec.isolation import platforms_with
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

_WITH_CCA_POLICY = platforms_with(
    lambda isolation: isolation.policy_header == HeaderType.CCA_POLICY
)


def info(file: IgvmFile, rules: Sequence[str] = ("spec", "igvm-0.5", "igvm-0.4")) -> Info:
    """The summary of `file`, with what `rules` say to it."""
    return Info(
        file=FileModel(name=file_name(file.path), size=len(file.buffer)),
        revision=file.revision,
        architecture=file.architecture.name,
        page_size=file.page_size,
        checksum=Checksum(stored=file.fixed_header.checksum, computed=file.checksum),
        version=_version(file),
        platforms=[_platform(file, header.record) for header in _first(file, SupportedPlatform)],
        headers=_counts(file),
        vp_contexts=_contexts(file),
        id_blocks=[
            IDBlock(
                platforms=mask_names(file, block.compatibility_mask),
                ld=block.ld.hex(),
                family_id=block.family_id.hex(),
                image_id=block.image_id.hex(),
                version=block.version,
                guest_svn=block.guest_svn,
                author_key_enabled=block.author_key_enabled,
            )
            for block in (header.record for header in _first(file, SNPIDBlock))
        ],
        vbs_measurements=[
            VBSMeasurementModel(
                platforms=mask_names(file, measurement.compatibility_mask),
                version=measurement.version,
                product_id=measurement.product_id,
                module_id=measurement.module_id,
                security_version=measurement.security_version,
                policy_flags=measurement.policy_flags,
                boot_measurement_digest=measurement.boot_measurement_digest.hex(),
            )
            for measurement in (header.record for header in _first(file, VBSMeasurement))
        ],
        endorsed=endorsed_digests(file, every_feature=False, most_pages=MOST_PAGES),
        digests=launch_digests(file),
        loaders=loader_verdicts(file) if rules else None,
        corim=list(islice(_corim(file), MOST)),
        relocatable_regions=[
            Region(
                platforms=mask_names(file, region.compatibility_mask),
                gpa=region.relocation_region_gpa,
                size=region.relocation_region_size,
                alignment=region.relocation_alignment,
                minimum_gpa=region.minimum_relocation_gpa,
                maximum_gpa=region.maximum_relocation_gpa,
            )
            for region in (header.record for header in _first(file, RelocatableRegion))
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
    for document in (header.record for header in _first(file, CorimDocument)):
        names = mask_names(file, document.compatibility_mask)
        yield Corim(kind="document", platforms=names, size=document.size_bytes)
    for signature in (header.record for header in _first(file, CorimSignature)):
        names = mask_names(file, signature.compatibility_mask)
        yield Corim(kind="signature", platforms=names, size=signature.size_bytes)


def _contexts(file: IgvmFile) -> list[ContextModel]:
    """The VP contexts; VPs that share the same bytes are one."""
    budget = Budget(file)
    by_data: dict[tuple[int, int], list[Header[VPContext]]] = {}
    for header in _first(file, VPContext, 4 * MOST):
        record = header.record
        by_data.setdefault((record.compatibility_mask, record.file_offset), []).append(header)
    return [_context(file, headers, budget) for headers in list(by_data.values())[:MOST]]


def _context(file: IgvmFile, headers: list[Header[VPContext]], budget: Budget) -> ContextModel:
    """The context that all of `headers` refer to."""
    values = problem = None
    try:
        budget.take(file, headers[0])
        values = registers(file.context(headers[0]))
    except FormatError as error:
        problem = error.message
    return ContextModel(
        platforms=mask_names(file, headers[0].record.compatibility_mask),
        vp_indexes=[header.record.vp_index for header in headers],
        gpas=[header.record.gpa for header in headers],
        context=values,
        start=None if values is None else entry_text(values),
        problem=problem,
    )


def _platform(file: IgvmFile, supported: SupportedPlatform) -> Platform:
    """A platform, its policies and its memory."""
    mask = supported.compatibility_mask
    kind = supported.platform_type
    layout = POLICIES.get(kind)
    guest_policies = [
        header.record.policy
        for header in _first(file, GuestPolicy)
        if header.record.compatibility_mask & mask
    ]
    cca_policies = [
        header.record
        for header in _first(file, CCAPolicy)
        if header.record.compatibility_mask & mask and kind in _WITH_CCA_POLICY
    ]
    words = [policy_words(policy, kind) for policy in guest_policies]
    words += [cca_policy_words(policy) for policy in cca_policies]
    if kind == PlatformType.VSM_ISOLATION:
        words += [
            vbs_policy_words(header.record.policy_flags)
            for header in _first(file, VBSMeasurement)
            if header.record.compatibility_mask & mask
        ]
    return Platform(
        platform_type=kind.name,
        compatibility_mask=mask,
        highest_vtl=supported.highest_vtl,
        platform_version=supported.platform_version,
        shared_gpa_boundary=supported.shared_gpa_boundary,
        policies=[
            Policy(value=policy, fields=layout(policy).as_dict() if layout else {})
            for policy in guest_policies
        ],
        cca_policies=[
            CCAPolicyModel(
                attributes_required_zeroes=policy.attributes_required_zeroes,
                attributes_required_ones=policy.attributes_required_ones,
                hash_algorithm=policy.hash_algorithm.name,
                lfa_policy=policy.lfa_policy.name,
            )
            for policy in cca_policies
        ],
        policy_words=words,
        memory=_memory(file, mask),
    )


def _memory(file: IgvmFile, mask: int) -> Memory:
    """What the platform with `mask` loads and needs."""
    import numpy as np

    table = file.table(PageData)
    rows = _applies(table, mask)
    kinds = np.bincount(table[PageData.data_type][rows], minlength=4)
    flags = table[PageData.flags][rows]
    large = int(np.count_nonzero(flags & PageDataFlags.IS_2MB_PAGE))
    is_normal = table[PageData.data_type][rows] == PageDataType.NORMAL
    zero = int(np.count_nonzero(is_normal & (table[PageData.file_offset][rows] == 0)))
    count = len(flags)
    gpa = table[PageData.gpa][rows]
    top = int(gpa.argmax()) if count else 0
    areas, area_bytes = _parameters(file, mask)
    required = file.table(RequiredMemory)
    required_sizes = required[RequiredMemory.number_of_bytes][_applies(required, mask)]
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
        required_bytes=int(required_sizes.sum(dtype=np.uint64)),
    )


def _page_size(file: IgvmFile, flags: int) -> int:
    return PAGE_SIZE_2M if flags & PageDataFlags.IS_2MB_PAGE else file.page_size


def _applies(table: Table[R], mask: int) -> NDArray[np.bool_]:
    """Which headers of a table are for a platform with `mask`."""
    import numpy as np

    applies: NDArray[np.bool_] = table.column("compatibility_mask") & np.uint32(mask) != 0
    return applies


def _parameters(file: IgvmFile, mask: int) -> tuple[int, int]:
    """How many parameter areas are inserted, and their bytes."""
    areas = file.table(ParameterArea)
    index = areas[ParameterArea.parameter_area_index].tolist()
    sizes = dict(zip(index, areas[ParameterArea.number_of_bytes].tolist(), strict=True))
    inserts = file.table(ParameterInsert)
    inserted = inserts[ParameterInsert.parameter_area_index][_applies(inserts, mask)].tolist()
    return len(inserted), min(sum(sizes.get(area, 0) for area in inserted), _LARGEST)
