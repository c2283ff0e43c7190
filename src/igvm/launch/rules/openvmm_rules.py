"""What OpenVMM alone wants: VTLs, registers, policies, required memory and relocations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Many, Place
from igvm.checks.specification.page_table_rules import unmapped_page_tables
from igvm.spec.context import VBSContextHeader
from igvm.spec.directive import ErrorRange, RequiredMemory
from igvm.spec.enums import Architecture, HeaderType, PlatformType, RequiredMemoryFlags
from igvm.spec.hyperv import HvX64Register
from igvm.spec.initialization import GuestPolicy, PageTableRelocation, RelocatableRegion
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch

_VTL2 = 2
_PAGE = 4096


def _highest_vtl(inspected: InspectedLaunch) -> int:
    """The highest VTL of the platform."""
    _, rows = inspected.mine(SupportedPlatform)
    return int(rows["highest_vtl"][0]) if len(rows) else 0


def _is_vbs(inspected: InspectedLaunch) -> bool:
    return inspected.platform == PlatformType.VSM_ISOLATION


def _snp_platform(inspected: InspectedLaunch) -> tuple[NDArray[np.intp], NDArray[np.void]]:
    """The first platform header of SEV_SNP, where that is what is started."""
    index, rows = inspected.mine(SupportedPlatform)
    first = rows["platform_type"] == PlatformType.SEV_SNP
    if inspected.platform != PlatformType.SEV_SNP:
        first[:] = False
    return index[first][:1], rows[first][:1]


def aarch64(inspected: InspectedLaunch) -> Found:
    """On Arm it starts kernels and firmware from other formats."""
    if inspected.file.architecture != Architecture.X64:
        name = inspected.file.architecture.name
        value = int(inspected.file.architecture)
        yield Place(f"the file is for {name}", None, "FIXED_HEADER", "architecture", 24, value)


def platform_vtl(inspected: InspectedLaunch) -> Found:
    """KVM has no VTL for a paravisor. Write the file for a guest without one."""
    index, rows = _snp_platform(inspected)
    if rows["highest_vtl"].any():
        yield Many(index, "highest_vtl")


def platform_boundary(inspected: InspectedLaunch) -> Found:
    """The boundary is for guests with VTOM. Have the guest use the C bit, and write 0."""
    index, rows = _snp_platform(inspected)
    if rows["shared_gpa_boundary"].any():
        yield Many(index, "shared_gpa_boundary")


def policy_missing(inspected: InspectedLaunch) -> Found:
    """The guest is launched with the policy of the file; there is no other. Add one."""
    if inspected.platform == PlatformType.SEV_SNP and not len(inspected.mine(GuestPolicy)[0]):
        yield Place("the file has no policy for SEV_SNP", offset=inspected.file.section_offset)


def context_vtl(inspected: InspectedLaunch) -> Found:
    """Lower VTLs are started by the software of the highest."""
    import numpy as np

    contexts = inspected.contexts
    is_mine = contexts.of(VBSContextHeader) & (contexts.mask & np.uint32(inspected.mask) != 0)
    highest = _highest_vtl(inspected)
    wrong = is_mine & (contexts.count > 0) & contexts.inside & (contexts.vtl != highest)
    if _is_vbs(inspected) and wrong.any():
        vtls = contexts.vtl[wrong]
        yield Many(
            contexts.index[wrong],
            "",
            lambda at: f"the registers are VTL {int(vtls[at])}'s, and the highest is {highest}",
        )


def _registers(
    inspected: InspectedLaunch,
) -> tuple[NDArray[np.void], NDArray[np.int64], NDArray[np.intp]]:
    """Registers of the VBS contexts of the platform, their offsets and headers."""
    import numpy as np

    registers = inspected.contexts.registers
    is_mine = np.zeros(len(registers.values), bool)
    if _is_vbs(inspected) and len(is_mine):
        is_mine = inspected.file.masks[registers.owner] & np.uint32(inspected.mask) != 0
    return registers.values[is_mine], registers.at[is_mine], registers.owner[is_mine]


def _name(number: int) -> str:
    return HvX64Register(number).name


def register_twice(inspected: InspectedLaunch) -> Found:
    """All contexts of the platform together set a register once."""
    import numpy as np

    values, at, owner = _registers(inspected)
    kept = values["register_name"] != HvX64Register.TR
    values, at, owner = values[kept], at[kept], owner[kept]
    names = values["register_name"]
    order = np.argsort(names, kind="stable")
    again = np.sort(order[1:][names[order][1:] == names[order][:-1]])

    def place(number: int) -> Place:
        which = int(again[number])
        name = int(names[which])
        message = f"{_name(name)} is set twice"
        return Place(message, int(owner[which]), None, "register_name", int(at[which]) + 1, name)

    if len(again):
        yield Lazy(len(again), place)


def register_tr(inspected: InspectedLaunch) -> Found:
    """TR keeps its reset value."""
    import numpy as np

    values, at, owner = _registers(inspected)
    rows = np.flatnonzero(values["register_name"] == HvX64Register.TR)

    def place(number: int) -> Place:
        which = int(rows[number])
        return Place("TR is set", int(owner[which]), None, "register_name", int(at[which]) + 1)

    if len(rows):
        yield Lazy(len(rows), place)


def vtl2_memory(inspected: InspectedLaunch) -> Found:
    """Set highest_vtl of the platform to 2, or clear the flag."""
    index, rows = inspected.mine(RequiredMemory)
    wrong = rows["flags"] & int(RequiredMemoryFlags.VTL2_PROTECTABLE) != 0
    if _is_vbs(inspected) and _highest_vtl(inspected) != _VTL2 and wrong.any():
        yield Many(index[wrong], "flags")


def required_empty(inspected: InspectedLaunch) -> Found:
    """Say how much there must be, or leave the header out."""
    index, rows = inspected.mine(RequiredMemory)
    wrong = rows["number_of_bytes"] < _PAGE
    if wrong.any():
        yield Many(index[wrong], "number_of_bytes")


def error_range(inspected: InspectedLaunch) -> Found:
    """Make gpa and size multiples of 4 KiB, and the size at least that."""
    index, rows = inspected.mine(ErrorRange)
    bad_size = (rows["size_bytes"] == 0) | (rows["size_bytes"] % 4096 != 0)
    if bad_size.any():
        yield Many(index[bad_size], "size_bytes")
    bad_gpa = ~bad_size & (rows["gpa"] % 4096 != 0)
    if bad_gpa.any():
        yield Many(index[bad_gpa], "gpa")


def snp_relocation(inspected: InspectedLaunch) -> Found:
    """What KVM measures is where the file says. Take SEV_SNP out of the mask."""
    if inspected.platform == PlatformType.SEV_SNP:
        index = inspected.met(
            HeaderType.RELOCATABLE_REGION, HeaderType.PAGE_TABLE_RELOCATION_REGION
        )
        if len(index):
            yield Many(index, "", "there is a relocation for SEV_SNP")


def relocation_vtl(inspected: InspectedLaunch) -> Found:
    """The file loads where it is; it fails where the host asks for another place."""
    if not _is_vbs(inspected):
        return
    for record in (RelocatableRegion, PageTableRelocation):
        index, rows = inspected.mine(record)
        for field, wanted in (("vp_index", 0), ("vtl", _VTL2)):
            wrong = rows[field] != wanted
            if wrong.any():
                yield Many(index[wrong], field)


def relocation_boundary(inspected: InspectedLaunch) -> Found:
    """The guest ends in a triple fault where the host asks for another place.

    Begin the page tables a page later. Releases from September 2026 on move the mapping too.
    """
    if _is_vbs(inspected):
        yield from unmapped_page_tables(inspected)


def relocation_twice(inspected: InspectedLaunch) -> Found:
    """Make one region of them, or keep the file where it is."""
    index, _ = inspected.mine(RelocatableRegion)
    if _is_vbs(inspected) and len(index) > 1:
        yield Many(index[1:], "", "there is a relocatable region already")
