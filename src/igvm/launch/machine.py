"""The machine that a guest is started on, as far as it was said: kind, memory, vCPUs, VGA."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.errors import ValidationError, nearest

if TYPE_CHECKING:
    from typing import Self

NAME = "q35"
MEMORY = 128 << 20
VCPUS = 1
"""What is assumed where nothing was said; memory and vCPUs are QEMU's own defaults."""

_MIB = 1 << 20


class Machine(msgspec.Struct, frozen=True):
    """A machine of QEMU as its command line describes it; None is what was not said."""

    name: str | None = None
    """`q35`, `pc`, `microvm` or `isapc`; q35 is assumed."""
    memory: int | None = None
    """Bytes of RAM (`-m`); 128 MiB are assumed."""
    vcpus: int | None = None
    """How many vCPUs (`-smp`); one is assumed."""
    has_vga: bool | None = None
    """Whether it has the VGA adapter that it comes with; False is `-vga none` or `-nodefaults`."""

    @classmethod
    def of(cls, text: str, *, memory: int | None = None, vcpus: int | None = None) -> Self:
        """The machine that `NAME` or `NAME,vga=none` stands for.

        Raises:
            ValidationError: the text is neither.
        """
        if text.startswith("@"):
            raise ValidationError(
                "descriptions of machines in files are not read yet",
                hint="give q35, pc, microvm or isapc, with ,vga=none where there is no VGA adapter",
            )
        name, *options = (part.strip().lower() for part in text.split(","))
        if options not in ([], ["vga=none"]):
            message = f"{','.join(options)!r} is nothing that is known of a machine"
            raise ValidationError(message, hint="only vga=none is")
        return cls(name, memory, vcpus, False if options else None)

    @property
    def kind(self) -> str:
        """Its name, or the one that is assumed."""
        return NAME if self.name is None else self.name

    @property
    def memory_size(self) -> int:
        """Bytes of RAM, or those that are assumed."""
        return MEMORY if self.memory is None else self.memory

    @property
    def vcpu_count(self) -> int:
        """How many vCPUs, or how many are assumed."""
        return VCPUS if self.vcpus is None else self.vcpus

    def require(self, names: tuple[str, ...]) -> None:
        """Whether it is one of `names` and has a vCPU.

        Raises:
            ValidationError: it is not.
        """
        if self.kind not in names:
            raise ValidationError(
                f"there is no machine {self.kind!r}", hint=nearest(self.kind, names)
            )
        if self.vcpu_count < 1:
            raise ValidationError(f"{self.vcpus} is no number of vCPUs")


def memory_text(size: int) -> str:
    """Bytes of RAM as command lines give them: `512 MiB`, `2.5 MiB`."""
    return f"{size // _MIB} MiB" if size % _MIB == 0 else f"{size:#x} bytes"


def machine_of(
    machine: str | Machine | None, names: tuple[str, ...], *, loader: str
) -> Machine | None:
    """The machine that is meant for a loader that knows those called `names`; None without any.

    Raises:
        ValidationError: there is no such machine, or the loader knows none at all.
    """
    if machine is not None and not names:
        message = f"what loader {loader} does is not known machine by machine"
        raise ValidationError(message, hint="leave the machine out; the loaders for QEMU take one")
    if not names:
        return None
    chosen = Machine.of(machine) if isinstance(machine, str) else machine or Machine()
    chosen.require(names)
    return chosen
