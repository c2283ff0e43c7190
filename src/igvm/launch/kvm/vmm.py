"""How a VMM hands the contexts of a file to KVM, which has no call that takes a VMSA."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from igvm.launch.kvm.vmsa_rewriting import RESET_VECTOR, kvm_reset_vmsa, reset_vmsa

if TYPE_CHECKING:
    from collections.abc import Callable

    from igvm.spec.vmsa import SEVVMSA

SEGMENTS = frozenset(["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"])
TABLES = frozenset(["gdtr", "idtr"])
_NUMBERED = (f"r{number}" for number in range(8, 16))
GENERAL = frozenset(["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *_NUMBERED])
CONTROL = frozenset(["efer", "cr0", "cr3", "cr4", "rflags", "rip"])
BASIC = SEGMENTS | TABLES | GENERAL | CONTROL
"""What every VMM sets: segments, tables, general and control registers."""
DEBUG_AND_XCR0 = frozenset(["dr6", "dr7", "pat", "xcr0"])
FPU = frozenset(["mxcsr", "x87_fcw"])
"""The FPU's control registers, the only ones of it that are not zero after a reset."""
PAST_THE_REGISTERS = "reserved10"
"""The end of the page, which is not in the structure that VMMs have for a VMSA."""


class VMM(NamedTuple):
    """What becomes of a context of the file before KVM measures it."""

    name: str
    taken: frozenset[str]
    """Fields that it puts into KVM's vCPU; the others have their values after a reset."""
    dropped: frozenset[str] | None = None
    """Further fields that it lets pass; any other must be zero. None: it does not look at them."""
    spared: range = range(0)
    """Bytes of a VMSA that it lets pass in a field that must be zero."""
    own_reset: bool = True
    """Whether it resets the registers of vCPUs without a context, RDX to the CPU signature."""
    fixed_gpa: bool = False
    """Whether a context must name KVM's address."""
    widest_table: int = 0xFFFFFFFF
    """The largest limit of a descriptor table that it takes."""
    is_strict: bool = False
    """Whether it wants the SNP bit in SEV_FEATURES on SEV-SNP, and not on SEV-ES."""
    has_cpu_model: bool = False
    """Whether contexts pass through a CPU model as QEMU's.

    It loads TR's base from LDTR, sets CR0.ET and EFER.LMA, has 32 bits of CR0 and CR4, and cuts
    the limits of tables; and it tells KVM that the FPU is as after a reset.
    """
    first_features: bool = False
    """Whether SEV_FEATURES are those of the first context for vCPU 0; else of the last."""
    start: Callable[[int, int], SEVVMSA] | None = None
    """How it starts a vCPU in real mode, from an address and SEV_FEATURES, where nothing else of a
    context counts."""

    @property
    def host_value(self) -> str:
        """What the axis `vmm` calls it."""
        return self.name.lower().replace(" ", "-")

    @property
    def passed(self) -> frozenset[str]:
        """Every field that it lets pass; anything else that is not zero is fatal."""
        return self.taken | (self.dropped or frozenset()) | {"sev_features"}

    def reset(self, signature: int, features: int, start: int = RESET_VECTOR) -> SEVVMSA:
        """What KVM measures for a vCPU without a context, which `start`s there if it is QEMU's."""
        if self.start is not None:
            return self.start(start, features)
        if self.own_reset:
            return reset_vmsa(signature, features, reset_eip=start)
        return kvm_reset_vmsa(features)
