"""What OpenVMM alone wants: VTLs, registers, policies, required memory and relocations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Many, Place
from igvm.launch.lint.loader import (
    OPENVMM,
    OPENVMM_IGVM,
    OPENVMM_KVM,
    OPENVMM_MEMORY,
)
from igvm.launch.lint.rule import ERROR, WARNING, loader_rule
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
    from igvm.launch.lint.facts import LoaderFacts

_VTL2 = 2
_PAGE = 4096


def _highest_vtl(facts: LoaderFacts) -> int:
    """The highest VTL of the platform."""
    _, rows = facts.mine(SupportedPlatform)
    return int(rows["highest_vtl"][0]) if len(rows) else 0


def _is_vbs(facts: LoaderFacts) -> bool:
    return facts.platform == PlatformType.VSM_ISOLATION


def _snp_platform(facts: LoaderFacts) -> tuple[NDArray[np.intp], NDArray[np.void]]:
    """The first platform header of SEV_SNP, where that is what is started."""
    index, rows = facts.mine(SupportedPlatform)
    first = rows["platform_type"] == PlatformType.SEV_SNP
    if facts.platform != PlatformType.SEV_SNP:
        first[:] = False
    return index[first][:1], rows[first][:1]


@loader_rule("aarch64", OPENVMM, ERROR, "{who} loads IGVM files for X64 only", OPENVMM_IGVM)
def aarch64(facts: LoaderFacts) -> Found:
    """On Arm it starts kernels and firmware from other formats."""
    if facts.file.architecture != Architecture.X64:
        name = facts.file.architecture.name
        value = int(facts.file.architecture)
        yield Place(f"the file is for {name}", None, "FIXED_HEADER", "architecture", 24, value)


@loader_rule(
    "platform-vtl",
    OPENVMM,
    ERROR,
    "for SEV_SNP {who} on KVM wants highest_vtl 0",
    OPENVMM_KVM,
)
def platform_vtl(facts: LoaderFacts) -> Found:
    """KVM has no VTL for a paravisor. Write the file for a guest without one."""
    index, rows = _snp_platform(facts)
    if rows["highest_vtl"].any():
        yield Many(index, "highest_vtl")


@loader_rule(
    "platform-boundary",
    OPENVMM,
    ERROR,
    "for SEV_SNP {who} on KVM wants shared_gpa_boundary 0",
    OPENVMM_KVM,
)
def platform_boundary(facts: LoaderFacts) -> Found:
    """The boundary is for guests with VTOM. Have the guest use the C bit, and write 0."""
    index, rows = _snp_platform(facts)
    if rows["shared_gpa_boundary"].any():
        yield Many(index, "shared_gpa_boundary")


@loader_rule(
    "policy-missing",
    OPENVMM,
    ERROR,
    "for SEV_SNP {who} wants a GUEST_POLICY",
    OPENVMM_IGVM,
)
def policy_missing(facts: LoaderFacts) -> Found:
    """The guest is launched with the policy of the file; there is no other. Add one."""
    if facts.platform == PlatformType.SEV_SNP and not len(facts.mine(GuestPolicy)[0]):
        yield Place("the file has no policy for SEV_SNP", offset=facts.file.section_offset)


@loader_rule(
    "context-vtl",
    OPENVMM,
    ERROR,
    "{who} takes contexts for the highest VTL of the platform only",
    OPENVMM_IGVM,
)
def context_vtl(facts: LoaderFacts) -> Found:
    """Lower VTLs are started by the software of the highest."""
    import numpy as np

    contexts = facts.contexts
    mine = contexts.of(VBSContextHeader) & (contexts.mask & np.uint32(facts.mask) != 0)
    highest = _highest_vtl(facts)
    wrong = mine & (contexts.count > 0) & contexts.inside & (contexts.vtl != highest)
    if _is_vbs(facts) and wrong.any():
        vtls = contexts.vtl[wrong]
        yield Many(
            contexts.index[wrong],
            "",
            lambda at: f"the registers are VTL {int(vtls[at])}'s, and the highest is {highest}",
        )


def _registers(facts: LoaderFacts) -> tuple[NDArray[np.void], NDArray[np.int64], NDArray[np.intp]]:
    """Registers of the VBS contexts of the platform, their offsets and headers."""
    import numpy as np

    registers = facts.contexts.registers
    mine = np.zeros(len(registers.values), bool)
    if _is_vbs(facts) and len(mine):
        mine = facts.file.masks[registers.owner] & np.uint32(facts.mask) != 0
    return registers.values[mine], registers.at[mine], registers.owner[mine]


def _name(number: int) -> str:
    return HvX64Register(number).name


@loader_rule(
    "register-twice",
    OPENVMM,
    ERROR,
    "{who} ends at a register that is set already",
    OPENVMM_MEMORY,
)
def register_twice(facts: LoaderFacts) -> Found:
    """All contexts of the platform together set a register once."""
    import numpy as np

    values, at, owner = _registers(facts)
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


@loader_rule("register-tr", OPENVMM, WARNING, "{who} skips TR, with a warning", OPENVMM_IGVM)
def register_tr(facts: LoaderFacts) -> Found:
    """TR keeps its reset value."""
    import numpy as np

    values, at, owner = _registers(facts)
    found = np.flatnonzero(values["register_name"] == HvX64Register.TR)

    def place(number: int) -> Place:
        which = int(found[number])
        return Place("TR is set", int(owner[which]), None, "register_name", int(at[which]) + 1)

    if len(found):
        yield Lazy(len(found), place)


@loader_rule(
    "vtl2-memory",
    OPENVMM,
    ERROR,
    "{who} has VTL2_PROTECTABLE memory for a guest with VTL2 only",
    OPENVMM_MEMORY,
)
def vtl2_memory(facts: LoaderFacts) -> Found:
    """Set highest_vtl of the platform to 2, or clear the flag."""
    index, rows = facts.mine(RequiredMemory)
    wrong = rows["flags"] & int(RequiredMemoryFlags.VTL2_PROTECTABLE) != 0
    if _is_vbs(facts) and _highest_vtl(facts) != _VTL2 and wrong.any():
        yield Many(index[wrong], "flags")


@loader_rule(
    "required-empty",
    OPENVMM,
    ERROR,
    "{who} ends at required memory of no pages",
    OPENVMM_MEMORY,
)
def required_empty(facts: LoaderFacts) -> Found:
    """Say how much there must be, or leave the header out."""
    index, rows = facts.mine(RequiredMemory)
    wrong = rows["number_of_bytes"] < _PAGE
    if wrong.any():
        yield Many(index[wrong], "number_of_bytes")


@loader_rule(
    "error-range",
    OPENVMM,
    ERROR,
    "{who} ends at an error range without pages, or not of whole pages",
    OPENVMM_IGVM,
)
def error_range(facts: LoaderFacts) -> Found:
    """Make gpa and size multiples of 4 KiB, and the size at least that."""
    index, rows = facts.mine(ErrorRange)
    bad_size = (rows["size_bytes"] == 0) | (rows["size_bytes"] % 4096 != 0)
    if bad_size.any():
        yield Many(index[bad_size], "size_bytes")
    bad_gpa = ~bad_size & (rows["gpa"] % 4096 != 0)
    if bad_gpa.any():
        yield Many(index[bad_gpa], "gpa")


@loader_rule(
    "relocation", OPENVMM, ERROR, "for SEV_SNP {who} on KVM refuses relocations", OPENVMM_KVM
)
def snp_relocation(facts: LoaderFacts) -> Found:
    """What KVM measures is where the file says. Take SEV_SNP out of the mask."""
    if facts.platform == PlatformType.SEV_SNP:
        index = facts.met(HeaderType.RELOCATABLE_REGION, HeaderType.PAGE_TABLE_RELOCATION_REGION)
        if len(index):
            yield Many(index, "", "there is a relocation for SEV_SNP")


@loader_rule(
    "relocation-vtl",
    OPENVMM,
    WARNING,
    "{who} relocates what belongs to vCPU 0 and VTL2 only, and refuses to relocate others",
    OPENVMM_IGVM,
)
def relocation_vtl(facts: LoaderFacts) -> Found:
    """The file loads where it is; it fails where the host asks for another place."""
    if not _is_vbs(facts):
        return
    for record in (RelocatableRegion, PageTableRelocation):
        index, rows = facts.mine(record)
        for field, wanted in (("vp_index", 0), ("vtl", _VTL2)):
            wrong = rows[field] != wanted
            if wrong.any():
                yield Many(index[wrong], field)


@loader_rule(
    "relocation-twice",
    OPENVMM,
    WARNING,
    "{who} relocates one region and refuses to relocate more",
    OPENVMM_IGVM,
)
def relocation_twice(facts: LoaderFacts) -> Found:
    """Make one region of them, or keep the file where it is."""
    index, _ = facts.mine(RelocatableRegion)
    if _is_vbs(facts) and len(index) > 1:
        yield Many(index[1:], "", "there is a relocatable region already")
