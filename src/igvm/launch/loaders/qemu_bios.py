"""QEMU 11.1 that is given firmware by -bios: it reads the firmware's tables, and no IGVM file.

The file stands for the firmware: its pages that end at 4 GiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import FormatError
from igvm.launch.flash import FOUR_GIB, Flash
from igvm.launch.kernel_hashes import HASH_TABLE_SIZE, KernelHashes, patched_page
from igvm.launch.kvm.vcpu_rows import with_kvm_contexts
from igvm.launch.loader import Loader
from igvm.launch.loaders.qemu_kvm import QEMU
from igvm.launch.plan import PAGE, LaunchPlan, Refusal, blank_rows, made_source
from igvm.launch.shaping import appended, assuming, empty_pages_as, ignoring_shared
from igvm.sources.ovmf import (
    SEV_METADATA,
    SectionType,
    guid_table,
    kernel_hash_area,
    sev_sections,
)
from igvm.sources.tdvf import FROM_IMAGE, TDX_METADATA, tdvf_sections
from igvm.sources.tdvf import SectionType as TDVFSection
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.request import PlanRequest
    from igvm.sources.tdvf import Section as TDXSection

NAME = "qemu-bios"

MOST_PAGES = 1 << 14
"""Pages of all sections of a table, 64 MiB; real ones have 200 KiB."""

_OPERATIONS = {
    SectionType.SNP_SECRETS: Operation.SECRETS,
    SectionType.CPUID: Operation.CPUID,
}
"""How QEMU launches sections on SEV-SNP; all others as zero pages."""


def shape(plan: LaunchPlan, request: PlanRequest) -> LaunchPlan:
    """The firmware first, then what its tables ask for in their order, then VMSAs of QEMU's own.

    On SEV-SNP the sections of the SEV metadata are zero pages but for secrets and CPUID, and the
    hashes of a kernel are in a normal page; on SEV and SEV-ES the 176 bytes of the hashes are
    launched by themselves. On TDX it is the sections of the TDVF metadata, of which those with
    MR_EXTEND are measured.

    Firmware without SEV metadata that comes with other pages in an IGVM file is taken for firmware
    that asks for these: in the order of the file, empty ones as zero pages.

    Refused is what QEMU ends at: no firmware, no metadata, a table or a section that is damaged,
    hashes that the firmware has no place for.
    """
    flash = Flash(plan)
    if not len(flash.rows):
        message = "no page ends at 4 GiB: there is no firmware that QEMU could be given"
        return plan.refusing(Refusal(message))
    whole = plan
    try:
        if plan.platform == PlatformType.TDX:
            return _with_the_rest(_tdx(plan, flash, request), whole)
        start = None
        if plan.platform != PlatformType.SEV:
            start = _ap_start(plan, flash)
        if plan.platform == PlatformType.SEV_SNP:
            plan = _snp(plan, flash, request)
        else:
            plan = _sev(plan, flash, request.hashes)
    except FormatError as error:
        return plan.refusing(_refusal(error))
    plan = _with_the_rest(plan, whole)
    if plan.platform == PlatformType.SEV or plan.refusals:
        return plan
    return with_kvm_contexts(plan, request, QEMU, ap_start=start)


def _with_the_rest(plan: LaunchPlan, whole: LaunchPlan) -> LaunchPlan:
    """`plan` with the headers of the file that it has no row of, and why they do nothing."""
    import numpy as np

    is_rest = ~np.isin(whole.rows["header"], plan.rows["header"])
    rest = whole.rows[is_rest].copy()
    if not len(rest):
        return plan
    rest["measured"], rest["loaded"] = False, 0
    plan = appended(plan, rest, ())
    where = np.arange(len(plan)) >= len(plan) - len(rest)
    return plan.explained(where, "QEMU takes the firmware alone, and reads no IGVM file")


def _refusal(error: FormatError) -> Refusal:
    """What is wrong with the firmware, and where in it."""
    place = "" if error.offset is None else f"firmware+{error.offset:#x}: "
    return Refusal(place + error.message, hint=error.hint)


def _ap_start(plan: LaunchPlan, flash: Flash) -> int | None:
    """Where vCPUs other than the first start; None for firmware of which nothing is known.

    Raises:
        FormatError: the firmware does not say, and QEMU ends.
    """
    if _is_laid_out_otherwise(plan, flash):
        return None
    start = flash.ap_start()
    if start is None:
        message = f"the firmware was not built for {plan.platform.name}: it has no SEV-ES reset"
        raise FormatError(f"{message} block, which says where vCPUs start")
    return start


def _is_laid_out_otherwise(plan: LaunchPlan, flash: Flash) -> bool:
    """Whether the file has pages besides the firmware, and the firmware has no metadata."""
    try:
        if SEV_METADATA in guid_table(flash.image):
            return False
    except FormatError:
        pass
    return bool((plan.from_headers(HeaderType.PAGE_DATA)).sum() > len(flash.rows))


def _firmware(flash: Flash) -> NDArray[np.void]:
    """The rows of the firmware, all measured, whatever the file's flags say."""
    rows = flash.rows.copy()
    rows["operation"], rows["measured"], rows["loaded"] = Operation.NORMAL, True, 1
    return rows


def _sev(plan: LaunchPlan, flash: Flash, hashes: KernelHashes | None) -> LaunchPlan:
    """The firmware, and the hashes of a kernel by themselves."""
    plan = plan.with_rows(_firmware(flash))
    if hashes is None:
        return plan
    gpa = _hash_area(flash)
    rows = _made(Operation.KERNEL_HASHES, gpa, 1)
    rows["source"] = made_source(plan, 0)
    return appended(plan, rows, (hashes.table(),))


def _hash_area(flash: Flash) -> int:
    """Where the firmware wants the hashes of a kernel.

    Raises:
        FormatError: nowhere, or where they have no room.
    """
    area = kernel_hash_area(guid_table(flash.image))
    if area is None:
        raise FormatError("the firmware has no place for the hashes of a kernel")
    gpa, size = area
    if size < HASH_TABLE_SIZE:
        raise FormatError(f"the firmware has {size} bytes for the hashes of a kernel, not 176")
    return gpa


def _snp(plan: LaunchPlan, flash: Flash, request: PlanRequest) -> LaunchPlan:
    """The firmware, and the sections of its SEV metadata."""
    if _is_laid_out_otherwise(plan, flash):
        if request.hashes is not None:
            raise FormatError("the firmware has no place for the hashes of a kernel")
        plan = _with_firmware_digest(_as_laid_out(plan, flash), flash, request)
        sentence = "the firmware has no SEV metadata: the other pages of the file stand for it"
        return assuming(plan, sentence)
    if SEV_METADATA not in guid_table(flash.image):
        raise FormatError("the firmware was not built for SEV_SNP: it has no SEV metadata")
    sections = sev_sections(flash.image)
    kinds = {section.type for section in sections}
    if request.hashes is not None and SectionType.SNP_KERNEL_HASHES not in kinds:
        raise FormatError("the firmware has no SNP_KERNEL_HASHES section for the hashes")
    _require_pages(sum(section.size for section in sections), "SEV")
    plan = _with_firmware_digest(plan.with_rows(_firmware(flash)), flash, request)
    for gpa, size, kind in sections:
        if gpa % PAGE or size % PAGE:
            message = f"section {kind.name} is not of whole pages: {gpa:#x}, {size:#x} bytes"
            raise FormatError(f"{message} in the SEV metadata")
        if not size:
            continue
        if kind == SectionType.SNP_KERNEL_HASHES and request.hashes is not None:
            plan = _with_hash_page(plan, gpa, size, request.hashes.table(), _hash_area(flash))
        else:
            row = _made(_OPERATIONS.get(kind, Operation.ZERO), gpa, size // PAGE)
            plan = appended(plan, row, ())
    return plan


def _with_hash_page(
    plan: LaunchPlan, gpa: int, size: int, table: bytes, area: int
) -> LaunchPlan:  # fmt: skip
    """`plan` with the section for hashes as normal pages that have them at the area's offset.

    Raises:
        FormatError: they do not fit.
    """
    offset = area % PAGE
    if offset + len(table) > size:
        raise FormatError(f"the hashes of a kernel do not fit into their section at {gpa:#x}")
    content = patched_page(table, offset)
    for page, start in enumerate(range(0, len(content), PAGE)):
        row = _made(Operation.NORMAL, gpa + page * PAGE, 1)
        row["source"] = made_source(plan, 0)
        plan = appended(plan, row, (content[start : start + PAGE],))
    done = len(content)
    if size == done:
        return plan
    return appended(plan, _made(Operation.NORMAL, gpa + done, (size - done) // PAGE), ())


def _as_laid_out(plan: LaunchPlan, flash: Flash) -> LaunchPlan:
    """The pages of a file whose firmware has no metadata, the firmware first."""
    import numpy as np

    plan = empty_pages_as(ignoring_shared(plan), Operation.ZERO)
    pages = plan.from_headers(HeaderType.PAGE_DATA)
    is_other = pages & ~np.isin(plan.rows["header"], flash.rows["header"])
    return plan.with_rows(np.concatenate([_firmware(flash), plan.rows[is_other]]))


def _with_firmware_digest(plan: LaunchPlan, flash: Flash, request: PlanRequest) -> LaunchPlan:
    """`plan` that goes on from the digest of the firmware, where that was given."""
    import numpy as np

    if request.firmware_digest is None:
        return plan
    where = np.arange(len(plan.rows)) < len(flash.rows)
    plan = plan.unmeasured(where, "the digest after the firmware was given")
    plan = plan.starting_from(request.firmware_digest)
    return assuming(plan, "the digest of the firmware's pages, as given")


def _tdx(plan: LaunchPlan, flash: Flash, request: PlanRequest) -> LaunchPlan:
    """The sections of the TDVF metadata.

    Raises:
        FormatError: there are none, or they are damaged, or hashes were given.
    """
    if TDX_METADATA not in guid_table(flash.image):
        raise FormatError("the firmware was not built for TDX: it has no TDX metadata")
    if request.hashes is not None:
        raise FormatError("QEMU has no hashes of a kernel on TDX: they are in no MRTD")
    sections = tdvf_sections(flash.image) or []
    _require_pages(
        sum(section.size for section in sections if section.type not in FROM_IMAGE), "TDX"
    )
    _require_pages(
        sum(section.size for section in sections if section.type in FROM_IMAGE)
        - FOUR_GIB
        + flash.gpa,
        "TDX",
    )
    plan = plan.with_rows(blank_rows(0))
    for section in sections:
        plan = _with_tdvf_section(plan, flash, section)
    return plan


def _with_tdvf_section(plan: LaunchPlan, flash: Flash, section: TDXSection) -> LaunchPlan:
    """`plan` with one section: bytes of the image, or pages of zeroes."""
    operation = Operation.NORMAL if section.is_extended else Operation.UNMEASURED
    rows = _made(operation, section.gpa, section.size // PAGE)
    if section.type == TDVFSection.TD_HOB and section.is_extended:
        raise FormatError("the TD_HOB section is measured, and QEMU writes the list of RAM to it")
    if section.type not in FROM_IMAGE:
        return appended(plan, rows, ())
    # QEMU copies as many bytes as the section has in memory (tdx.c, tdx_finalize_vm).
    source = flash.source(section.data_offset)
    if source is not None:
        rows["source"] = source
        return appended(plan, rows, ())
    if section.data_offset % PAGE:
        raise FormatError(f"section {section.type.name} starts inside a page of the firmware")
    first = section.data_offset // PAGE
    rows = _firmware(flash)[first : first + section.size // PAGE]
    rows["operation"] = operation
    rows["gpa"] = section.gpa + (rows["gpa"] - rows["gpa"][0])
    return appended(plan, rows, ())


def _require_pages(size: int, table: str) -> None:
    """Refuse what no host has.

    Raises:
        FormatError: there are more pages than MOST_PAGES.
    """
    if size > MOST_PAGES * PAGE:
        raise FormatError(f"the {table} metadata asks for {size:#x} bytes, more than 64 MiB")


def _made(operation: Operation, gpa: int, pages: int) -> NDArray[np.void]:
    """A row that is measured and comes from no header."""
    row = blank_rows(1)
    row["operation"], row["gpa"], row["measured"] = operation, gpa, True
    row["pages"], row["loaded"] = pages, pages
    return row


LOADER = Loader(
    name=NAME,
    program="QEMU",
    title="QEMU 11.1 with firmware given by -bios, and no IGVM file",
    source="QEMU, target/i386/sev.c, kvm/tdx.c, hw/i386/tdvf.c and pc_sysfw_ovmf.c",
    platforms=(
        PlatformType.SEV_SNP,
        PlatformType.SEV_ES,
        PlatformType.SEV,
        PlatformType.TDX,
    ),
    judged=(),
    is_tool=True,
    is_told=True,
    takes_firmware=True,
    takes_hashes=True,
    shape=shape,
    parameters=("vcpus", "cpu", "sev_features", "hashes"),
    vmm=QEMU,
)
