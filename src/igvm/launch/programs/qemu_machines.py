"""The memory of QEMU's machines before a file is loaded: RAM, ROM and devices, as data.

Sources: QEMU 11.1, hw/i386/pc_q35.c, pc_piix.c, microvm.c, isapc.c, pc.c and hw/display/vga-isa.c.
q35 and pc were run with a thousand files; the others were read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from igvm.errors import ValidationError
from igvm.launch.machine import Machine, memory_text

if TYPE_CHECKING:
    from collections.abc import Iterable

MIB, GIB = 1 << 20, 1 << 30
LEAST_MEMORY = MIB
MOST_MEMORY = 512 * GIB
"""Above it QEMU moves RAM around AMD's hole below 1 TiB, and asks for more address bits."""

MOST_XAPIC_VCPUS = 255
"""vCPUs that have entries of eight bytes in a MADT; the others have APIC IDs above 254."""

SHADOW = (0xC0000, 0xE0000)
"""Where the ROMs of adapters are: on q35 RAM until the chipset's first reset."""


class Region(NamedTuple):
    """A piece of the address space that QEMU has as one."""

    start: int
    end: int
    what: str
    """`RAM`, `ROM` or the device."""
    is_ram: bool = False
    """Whether a file may put something there; QEMU writes to ROM as to RAM."""


class QemuMachine(msgspec.Struct, frozen=True, kw_only=True):
    """What one machine has."""

    name: str
    split_from: int
    """Memory from which on only `below_4g` of it lie below 4 GiB, the others above."""
    below_4g: int
    most_memory: int = MOST_MEMORY
    devices: tuple[Region, ...] = ()
    """Those that it always has, by address."""
    vga: tuple[Region, ...] = ()
    """What the VGA adapter that it comes with adds."""
    has_rom_at_first: bool = False
    """Whether 0xc0000 to 0xdffff is apart from RAM at the first boot already."""
    has_rom_after_reset: bool = False
    """Whether it is after a reset of the guest."""
    has_device_tree: bool = False
    map_entries: int = 1
    """Entries of its memory map without RAM above 4 GiB."""
    was_run: bool = False
    """Whether files were run on it, and not only its source read."""


IOAPIC = Region(0xFEC00000, 0xFEC01000, "the I/O APIC")
HPET = Region(0xFED00000, 0xFED00400, "the HPET")
LOCAL_APIC = Region(0xFEE00000, 0xFEF00000, "the local APIC")
VGA = Region(0xA0000, 0xC0000, "the VGA adapter")
ROM = Region(*SHADOW, "ROM", is_ram=True)

MACHINES = {
    machine.name: machine
    for machine in (
        QemuMachine(
            name="q35",
            split_from=0xB0000000,
            below_4g=2 * GIB,
            devices=(IOAPIC, HPET, LOCAL_APIC),
            vga=(VGA,),
            has_rom_after_reset=True,
            # AMD's hole below 1 TiB is in the map of the default processor, qemu64.
            map_entries=2,
            was_run=True,
        ),
        QemuMachine(
            name="pc",
            split_from=0xE0000000,
            below_4g=3 * GIB,
            devices=(IOAPIC, HPET, LOCAL_APIC),
            vga=(VGA,),
            has_rom_at_first=True,
            has_rom_after_reset=True,
            map_entries=2,
            was_run=True,
        ),
        QemuMachine(
            name="microvm",
            split_from=3 * GIB + 1,
            below_4g=3 * GIB,
            devices=(
                Region(0xFEA00000, 0xFEA00004, "the event device"),
                Region(0xFEA00200, 0xFEA00203, "the event device"),
                Region(0xFEB00000, 0xFEB03000, "virtio-mmio"),
                IOAPIC,
                Region(0xFEC10000, 0xFEC11000, "the second I/O APIC"),
                LOCAL_APIC,
            ),
            has_device_tree=True,
        ),
        QemuMachine(
            name="isapc",
            split_from=4 * GIB,
            below_4g=4 * GIB,
            most_memory=3584 * MIB,
            # The 486 that it comes with has no APIC.
            vga=(VGA, Region(0xE0000000, 0xE0800000, "the VGA adapter's memory", is_ram=True)),
            has_rom_at_first=True,
            has_rom_after_reset=True,
        ),
    )
}
"""The machines that take `igvm-cfg`, by name; the first is assumed."""


def qemu_machine(machine: Machine) -> QemuMachine:
    """What `machine` has.

    Raises:
        ValidationError: it cannot have so much memory, or so little.
    """
    found = MACHINES[machine.kind]
    size = machine.memory_size
    if not LEAST_MEMORY <= size <= found.most_memory:
        least, most = memory_text(LEAST_MEMORY), memory_text(found.most_memory)
        message = f"{memory_text(size)} is no memory for {found.name}, which has {least} to {most}"
        raise ValidationError(message)
    return found


def has_vga(machine: Machine) -> bool:
    """Whether the machine has a VGA adapter, said or by default."""
    return machine.has_vga is not False and bool(MACHINES[machine.kind].vga)


def ram_above_4g(machine: Machine) -> int:
    """How many bytes of RAM lie above 4 GiB."""
    found, size = qemu_machine(machine), _rounded(machine.memory_size)
    return max(0, size - found.below_4g) if size >= found.split_from else 0


def _rounded(size: int) -> int:
    """Memory as QEMU has it, in units of 8 KiB (system/vl.c)."""
    return -(-size // 8192) * 8192


def regions(machine: Machine, *, after_reset: bool = False) -> list[Region]:
    """The regions before a file is loaded, by address; they do not overlap.

    Raises:
        ValidationError: the machine cannot have so much memory, or so little.
    """
    found = qemu_machine(machine)
    above = ram_above_4g(machine)
    ram = [Region(0, _rounded(machine.memory_size) - above, "RAM", is_ram=True)]
    if above:
        ram.append(Region(4 * GIB, 4 * GIB + above, "RAM", is_ram=True))
    over = [*found.devices]
    if has_vga(machine):
        over += found.vga
    if found.has_rom_after_reset if after_reset else found.has_rom_at_first:
        over.append(ROM)
    return sorted([*_without(ram, over), *over])


def _without(ram: Iterable[Region], over: list[Region]) -> Iterable[Region]:
    """What is left of `ram` under the regions that lie over it."""
    for region in ram:
        start = region.start
        for cover in sorted(over):
            if cover.end <= start or cover.start >= region.end:
                continue
            if start < cover.start:
                yield region._replace(start=start, end=cover.start)
            start = cover.end
        if start < region.end:
            yield region._replace(start=start)


def memory_map_size(machine: Machine) -> int:
    """Bytes of the memory map that QEMU gives a guest that runs one processor of AMD's models."""
    return 24 * (qemu_machine(machine).map_entries + (ram_above_4g(machine) > 0))


def madt_size(machine: Machine) -> int:
    """Bytes of the MADT of a PC: a head, the I/O APIC with five overrides, and its vCPUs."""
    small = min(machine.vcpu_count, MOST_XAPIC_VCPUS)
    large = machine.vcpu_count - small
    return 44 + 12 + 5 * 10 + (12 if large else 6) + 8 * small + 16 * large


def assumptions(machine: Machine) -> tuple[str, ...]:
    """What was taken for granted of a machine, one sentence without a full stop each."""
    found = qemu_machine(machine)
    parts = []
    if machine.name is None:
        parts.append(f"machine {found.name}")
    if machine.has_vga is None and found.vga:
        parts.append("a VGA adapter")
    if machine.memory is None:
        parts.append(f"{memory_text(machine.memory_size)} of memory")
    if machine.vcpus is None:
        parts.append(f"{machine.vcpu_count} vCPU")
    sentences = [", ".join(parts)] if parts else []
    if not found.was_run:
        sentences.append(f"where things lie on {found.name} was read in the source and not run")
    return tuple(sentences)
