"""VBS contexts: lists of Hyper-V registers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection.inspected_file import some
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

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING


def _registers(facts: Facts, where: NDArray[np.bool_], field: str, describe: str) -> Found:
    """The registers of all contexts at which `where` holds."""
    registers = facts.contexts.registers
    rows = where.nonzero()[0]
    inside = next(item.offset for item in VBSRegister.FIELDS if item.name == field)

    def place(number: int) -> Place:
        row = rows[number]
        raw = registers.values[field][row]
        value = raw.tobytes().hex() if raw.ndim else int(raw)
        name = register_name(
            facts.file.architecture, int(registers.values["register_name"][row])
        ).name
        return Place(
            describe.format(name=name, value=value),
            int(registers.owner[row]),
            None,
            f"registers[{int(registers.row[row])}].{field}",
            int(registers.at[row]) + inside,
            value,
        )

    if len(rows):
        yield Lazy(len(rows), place)


@functools.cache
def _numbers(names: frozenset[int]) -> NDArray[np.uint32]:
    """The numbers of some registers, ascending."""
    import numpy as np

    return np.array(sorted(map(int, names)), np.uint32)


def _named(facts: Facts, names: frozenset[int]) -> NDArray[np.bool_]:
    """Which registers are among `names`."""
    import numpy as np

    numbers = _numbers(names)
    found = facts.contexts.registers.values["register_name"]
    at = np.minimum(np.searchsorted(numbers, found), len(numbers) - 1)
    named: NDArray[np.bool_] = numbers[at] == found
    return named


_ALL = {True: frozenset(map(int, HvArm64Register)), False: frozenset(map(int, HvX64Register))}
_STORABLE = {True: ARM64_STORABLE, False: X64_STORABLE}


def _is_arm(facts: Facts) -> bool:
    """Whether the register names are those of AArch64."""
    return facts.file.architecture == Architecture.AARCH64


@rule(
    "vbs-empty",
    ERROR,
    "a VBS context must have at least one register",
    "VbsVpContextHeader.register_count; the igvm crate",
)
def vbs_empty(facts: Facts) -> Found:
    """A list without registers says nothing, not even which VTL it is for.

    The reference crate refuses the file.
    """
    contexts = facts.contexts
    yield from headers(
        contexts.index, contexts.count == 0, "file_offset", "there are no registers at {shown}"
    )


@rule(
    "vbs-lists-overlap",
    WARNING,
    "the register lists of VBS contexts should not overlap",
    "VbsVpContextHeader",
)
def vbs_lists_overlap(facts: Facts) -> Found:
    """The file has more registers than bytes for them; some of its lists were not looked at.

    Nobody writes such a file by accident.
    """
    if len(facts.contexts.unread):
        yield Many(facts.contexts.unread, "file_offset", "the list at {shown} was not looked at")


@rule(
    "vbs-vtl",
    ERROR,
    "vtl of a register must be 0, 1 or 2",
    "VbsVpContextRegister.vtl",
)
def vbs_vtl(facts: Facts) -> Found:
    """There are three VTLs; the reference crate refuses other numbers."""
    vtl = facts.contexts.registers.values["vtl"]
    yield from _registers(facts, vtl > 2, "vtl", "vtl of {name} is {value}")


@rule(
    "vbs-vtl-mixed",
    ERROR,
    "all registers of a VBS context must have the same vtl",
    "VbsVpContextRegister.vtl; the igvm crate",
)
def vbs_vtl_mixed(facts: Facts) -> Found:
    """A context is for one VTL. The reference crate crashes on another, and with it the VMM.

    Write one VP_CONTEXT for each VTL.
    """
    import numpy as np

    registers = facts.contexts.registers
    vtl = registers.values["vtl"]
    heads = np.maximum.accumulate(np.where(registers.row == 0, np.arange(len(vtl)), 0))
    yield from _registers(facts, vtl != vtl[heads], "vtl", "vtl of {name} is {value}")


@rule(
    "vbs-vtl-platform",
    WARNING,
    "vtl of a register should not be above highest_vtl of the platform",
    "IGVM_VHS_SUPPORTED_PLATFORM.highest_vtl; VbsVpContextRegister.vtl",
)
def vbs_vtl_platform(facts: Facts) -> Found:
    """The registers are for a VTL that is never activated."""
    table = facts.table(SupportedPlatform)
    vbs = table[SupportedPlatform.platform_type] == PlatformType.VSM_ISOLATION
    highest = int(table[SupportedPlatform.highest_vtl][vbs].max(initial=0))
    vtl = facts.contexts.registers.values["vtl"]
    if vbs.any():
        yield from _registers(
            facts, (vtl > highest) & (vtl <= 2), "vtl", "vtl of {name} is {value}"
        )


@rule(
    "vbs-vp-index",
    WARNING,
    "a VBS context should be for VP 0",
    "IGVM_VHS_VP_CONTEXT.vp_index; the igvm crate",
)
def vbs_vp_index(facts: Facts) -> Found:
    """The specification allows any VP.

    The reference crate crashes on others, and with it the VMM.
    """
    contexts = facts.contexts
    wrong = contexts.of(VBSContextHeader) & (contexts.vp != 0)
    yield from headers(contexts.index, wrong, "vp_index")


@rule(
    "vbs-register-unknown",
    ERROR,
    "register_name must be a register of the Hyper-V specification",
    "VbsVpContextRegister.register_name; Hyper-V TLFS",
)
def vbs_register_unknown(facts: Facts) -> Found:
    """X64 and AARCH64 have numbers of their own; one is easily taken for the other."""
    unknown = ~_named(facts, _ALL[_is_arm(facts)])
    yield from _registers(facts, unknown, "register_name", "there is no register {value:#x}")


@rule(
    "vbs-register-unsupported",
    WARNING,
    "register_name should be a register that loaders take",
    "the igvm crate, X86Register and AArch64Register",
)
def vbs_register_unsupported(facts: Facts) -> Found:
    """Every loader that uses the reference crate refuses the file.

    It takes segment and table registers, CR0, CR3, CR4, EFER, PAT, RIP, RFLAGS, RSP, RBP, RSI,
    R8 to R12 and some MTRRs; RAX and its siblings cannot be stored.
    """
    arm = _is_arm(facts)
    other = _named(facts, _ALL[arm] - _STORABLE[arm])
    yield from _registers(facts, other, "register_name", "loaders do not take {name}")


@rule(
    "vbs-register-twice",
    WARNING,
    "a VBS context should have a register once",
    "VbsVpContextRegister.register_name",
)
def vbs_register_twice(facts: Facts) -> Found:
    """Both values are measured and the last one counts, or the first; it depends on the loader."""
    import numpy as np

    registers = facts.contexts.registers
    name = registers.values["register_name"].astype(np.int64)
    key = registers.which.astype(np.int64) << 32 | name
    order = np.argsort(key, kind="stable")
    twice = np.zeros(len(key), bool)
    twice[order[1:][key[order][1:] == key[order][:-1]]] = True
    yield from _registers(facts, twice, "register_name", "{name} comes a second time")


@rule(
    "vbs-mbz",
    ERROR,
    "mbz of a register must be zero",
    "VbsVpContextRegister.mbz",
)
def vbs_mbz(facts: Facts) -> Found:
    """The reference crate drops what is there; the measurement of another tool may have it."""
    dirty = some(facts.contexts.registers.values["mbz"])
    yield from _registers(facts, dirty, "mbz", "mbz of {name} is {value}")


@rule(
    "vbs-value-high",
    WARNING,
    "the upper half of a 64 bit register should be zero",
    "VbsVpContextRegister.register_value",
)
def vbs_value_high(facts: Facts) -> Found:
    """The reference crate drops the upper eight bytes, so that the measurement changes."""
    arm = _is_arm(facts)
    wide = frozenset() if arm else X64_SEGMENT_REGISTERS | X64_TABLE_REGISTERS
    high = some(facts.contexts.registers.values["register_value"][:, 8:])
    narrow = _named(facts, _STORABLE[arm] - wide)
    yield from _registers(facts, high & narrow, "register_value", "{name} is {value}")


@rule(
    "vbs-segment-bits",
    WARNING,
    "bits 11 to 8 of the attributes of a segment register should be zero",
    "HV_X64_SEGMENT_REGISTER (Hyper-V TLFS)",
)
def vbs_segment_bits(facts: Facts) -> Found:
    """The limit has a field of its own; these bits are reserved."""
    if not _is_arm(facts):
        attributes = facts.contexts.registers.values["register_value"][:, 15] & 0x0F
        wrong = _named(facts, X64_SEGMENT_REGISTERS) & (attributes != 0)
        yield from _registers(facts, wrong, "register_value", "{name} is {value}")
