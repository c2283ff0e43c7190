"""VBS contexts: lists of Hyper-V registers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection.record_fields import field_offset, not_zero
from igvm.checks.rule import Lazy, Many, Place, headers, rule
from igvm.spec.context import VBSContextHeader, VBSRegister
from igvm.spec.enums import Architecture, PlatformType
from igvm.spec.hyperv import (
    ARM64_STORABLE,
    X64_SEGMENT_REGISTERS,
    X64_STORABLE,
    X64_TABLE_REGISTERS,
    HvArm64Register,
    HvX64Register,
    register_name,
)
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING


def _blamed_registers(
    inspected: InspectedFile, where: NDArray[np.bool_], field: str, describe: str
) -> Found:
    """The registers of all contexts at which `where` holds.

    Args:
        inspected: the file.
        where: which of its registers break the rule, shape (m,), bool.
        field: the field of a register to blame.
        describe: what was found, with {name} of the register and {value} of the field.
    """
    registers = inspected.contexts.registers
    rows = where.nonzero()[0]
    within = field_offset(VBSRegister, field)

    def place(number: int) -> Place:
        row = rows[number]
        raw = registers.values[field][row]
        value = raw.tobytes().hex() if raw.ndim else int(raw)
        number_in_tlfs = int(registers.values["register_name"][row])
        name = register_name(inspected.file.architecture, number_in_tlfs).name
        return Place(
            describe.format(name=name, value=value),
            int(registers.owner[row]),
            field=f"registers[{int(registers.row[row])}].{field}",
            offset=int(registers.at[row]) + within,
            value=value,
        )

    if len(rows):
        yield Lazy(len(rows), place)


@functools.cache
def _ascending(names: frozenset[int]) -> NDArray[np.uint32]:
    """The numbers of some registers, ascending, shape (k,), uint32."""
    import numpy as np

    return np.array(sorted(map(int, names)), np.uint32)


def _is_named(inspected: InspectedFile, names: frozenset[int]) -> NDArray[np.bool_]:
    """Which registers of the file are among `names`, shape (m,), bool."""
    import numpy as np

    numbers = _ascending(names)
    register_names = inspected.contexts.registers.values["register_name"]
    at = np.minimum(np.searchsorted(numbers, register_names), len(numbers) - 1)
    is_named: NDArray[np.bool_] = numbers[at] == register_names
    return is_named


_ALL = {True: frozenset(map(int, HvArm64Register)), False: frozenset(map(int, HvX64Register))}
"""The registers of AArch64, and those of X64."""
_STORABLE = {True: ARM64_STORABLE, False: X64_STORABLE}
"""Those of them that the igvm crate can store."""


def _is_arm(inspected: InspectedFile) -> bool:
    """Whether the register names are those of AArch64."""
    return inspected.file.architecture == Architecture.AARCH64


@rule(
    "vbs-empty",
    ERROR,
    "a VBS context must have at least one register",
    "VbsVpContextHeader.register_count; the igvm crate",
)
def vbs_empty(inspected: InspectedFile) -> Found:
    """A list without registers says nothing, not even which VTL it is for.

    The reference crate refuses the file.
    """
    contexts = inspected.contexts
    yield from headers(
        contexts.index, contexts.count == 0, "file_offset", "there are no registers at {shown}"
    )


@rule(
    "vbs-lists-overlap",
    WARNING,
    "the register lists of VBS contexts should not overlap",
    "VbsVpContextHeader",
)
def vbs_lists_overlap(inspected: InspectedFile) -> Found:
    """The file has more registers than bytes for them; some of its lists were not looked at.

    No tool that is known writes such files.
    """
    index = inspected.contexts.unread
    if len(index):
        yield Many(index, "file_offset", "the list at {shown} was not looked at")


@rule(
    "vbs-vtl",
    ERROR,
    "vtl of a register must be 0, 1 or 2",
    "VbsVpContextRegister.vtl",
)
def vbs_vtl(inspected: InspectedFile) -> Found:
    """There are three VTLs; the reference crate refuses other numbers."""
    vtl = inspected.contexts.registers.values["vtl"]
    yield from _blamed_registers(inspected, vtl > 2, "vtl", "vtl of {name} is {value}")


@rule(
    "vbs-vtl-mixed",
    ERROR,
    "all registers of a VBS context must have the same vtl",
    "VbsVpContextRegister.vtl; the igvm crate",
)
def vbs_vtl_mixed(inspected: InspectedFile) -> Found:
    """A context is for one VTL. The reference crate crashes on another, and with it the VMM.

    Write one VP_CONTEXT for each VTL.
    """
    import numpy as np

    registers = inspected.contexts.registers
    vtl = registers.values["vtl"]
    first_row = np.maximum.accumulate(np.where(registers.row == 0, np.arange(len(vtl)), 0))
    is_other = vtl != vtl[first_row]
    yield from _blamed_registers(inspected, is_other, "vtl", "vtl of {name} is {value}")


@rule(
    "vbs-vtl-platform",
    WARNING,
    "vtl of a register should not be above highest_vtl of the platform",
    "IGVM_VHS_SUPPORTED_PLATFORM.highest_vtl; VbsVpContextRegister.vtl",
)
def vbs_vtl_platform(inspected: InspectedFile) -> Found:
    """The registers are for a VTL that is never activated."""
    table = inspected.table(SupportedPlatform)
    is_vbs = table[SupportedPlatform.platform_type] == PlatformType.VSM_ISOLATION
    highest = int(table[SupportedPlatform.highest_vtl][is_vbs].max(initial=0))
    vtl = inspected.contexts.registers.values["vtl"]
    is_above = (vtl > highest) & (vtl <= 2)
    if is_vbs.any():
        yield from _blamed_registers(inspected, is_above, "vtl", "vtl of {name} is {value}")


@rule(
    "vbs-vp-index",
    WARNING,
    "a VBS context should be for VP 0",
    "IGVM_VHS_VP_CONTEXT.vp_index; the igvm crate",
)
def vbs_vp_index(inspected: InspectedFile) -> Found:
    """The specification allows any VP.

    The reference crate crashes on others, and with it the VMM.
    """
    contexts = inspected.contexts
    is_other_vp = contexts.of(VBSContextHeader) & (contexts.vp_index != 0)
    yield from headers(contexts.index, is_other_vp, "vp_index")


@rule(
    "vbs-register-unknown",
    ERROR,
    "register_name must be a register of the Hyper-V specification",
    "VbsVpContextRegister.register_name; Hyper-V TLFS",
)
def vbs_register_unknown(inspected: InspectedFile) -> Found:
    """X64 and AARCH64 have numbers of their own; one is easily taken for the other."""
    is_unknown = ~_is_named(inspected, _ALL[_is_arm(inspected)])
    message = "there is no register {value:#x}"
    yield from _blamed_registers(inspected, is_unknown, "register_name", message)


@rule(
    "vbs-register-unsupported",
    WARNING,
    "register_name should be a register that the igvm crate takes",
    "the igvm crate, X86Register and AArch64Register",
)
def vbs_register_unsupported(inspected: InspectedFile) -> Found:
    """The reference crate refuses the file, and so do loaders that read files with it.

    It takes segment and table registers, CR0, CR3, CR4, EFER, PAT, RIP, RFLAGS, RSP, RBP, RSI,
    R8 to R12 and some MTRRs; RAX and its siblings cannot be stored.
    """
    is_arm = _is_arm(inspected)
    is_refused = _is_named(inspected, _ALL[is_arm] - _STORABLE[is_arm])
    message = "the crate does not take {name}"
    yield from _blamed_registers(inspected, is_refused, "register_name", message)


@rule(
    "vbs-register-twice",
    WARNING,
    "a VBS context should have a register once",
    "VbsVpContextRegister.register_name",
)
def vbs_register_twice(inspected: InspectedFile) -> Found:
    """Both values are measured and the last one counts, or the first; it depends on the loader."""
    import numpy as np

    registers = inspected.contexts.registers
    name = registers.values["register_name"].astype(np.int64)
    key = registers.list_number.astype(np.int64) << 32 | name
    order = np.argsort(key, kind="stable")
    is_repeated = np.zeros(len(key), bool)
    is_repeated[order[1:][key[order][1:] == key[order][:-1]]] = True
    message = "{name} comes a second time"
    yield from _blamed_registers(inspected, is_repeated, "register_name", message)


@rule(
    "vbs-mbz",
    ERROR,
    "mbz of a register must be zero",
    "VbsVpContextRegister.mbz",
)
def vbs_mbz(inspected: InspectedFile) -> Found:
    """The reference crate drops what is there; another tool may measure it."""
    is_set = not_zero(inspected.contexts.registers.values["mbz"])
    yield from _blamed_registers(inspected, is_set, "mbz", "mbz of {name} is {value}")


@rule(
    "vbs-value-high",
    WARNING,
    "the upper half of a 64 bit register should be zero",
    "VbsVpContextRegister.register_value",
)
def vbs_value_high(inspected: InspectedFile) -> Found:
    """The reference crate drops the upper eight bytes, so that the measurement changes."""
    is_arm = _is_arm(inspected)
    wide = frozenset() if is_arm else X64_SEGMENT_REGISTERS | X64_TABLE_REGISTERS
    has_upper_half = not_zero(inspected.contexts.registers.values["register_value"][:, 8:])
    is_lost = has_upper_half & _is_named(inspected, _STORABLE[is_arm] - wide)
    yield from _blamed_registers(inspected, is_lost, "register_value", "{name} is {value}")


@rule(
    "vbs-segment-bits",
    WARNING,
    "bits 11 to 8 of the attributes of a segment register should be zero",
    "HV_X64_SEGMENT_REGISTER (Hyper-V TLFS)",
)
def vbs_segment_bits(inspected: InspectedFile) -> Found:
    """The limit has a field of its own; these bits are reserved."""
    if not _is_arm(inspected):
        bits = inspected.contexts.registers.values["register_value"][:, 15] & 0x0F
        is_set = _is_named(inspected, X64_SEGMENT_REGISTERS) & (bits != 0)
        yield from _blamed_registers(inspected, is_set, "register_value", "{name} is {value}")
