"""What a VP_CONTEXT refers to on platforms without a VMSA: native, VBS and CCA registers."""

from __future__ import annotations

from igvm.wire.record import Record, field, octets, u8, u16, u32, u64


class NativeContextX64(Record):
    """IgvmNativeVpContextX64: registers on NATIVE and SEV; zeroes up to 4 KiB. Version 2 files.

    Registers that are not here have their architectural reset values.
    """

    rax: u64 = field(default=0)
    """RAX."""
    rcx: u64 = field(default=0)
    """RCX."""
    rdx: u64 = field(default=0)
    """RDX."""
    rbx: u64 = field(default=0)
    """RBX."""
    rsp: u64 = field(default=0)
    """Stack pointer."""
    rbp: u64 = field(default=0)
    """RBP."""
    rsi: u64 = field(default=0)
    """RSI."""
    rdi: u64 = field(default=0)
    """RDI."""
    r8: u64 = field(default=0)
    """R8."""
    r9: u64 = field(default=0)
    """R9."""
    r10: u64 = field(default=0)
    """R10."""
    r11: u64 = field(default=0)
    """R11."""
    r12: u64 = field(default=0)
    """R12."""
    r13: u64 = field(default=0)
    """R13."""
    r14: u64 = field(default=0)
    """R14."""
    r15: u64 = field(default=0)
    """R15."""
    rip: u64 = field(default=0)
    """Instruction pointer."""
    rflags: u64 = field(default=0)
    """RFLAGS."""
    idtr_base: u64 = field(default=0)
    """Base of the IDT."""
    idtr_limit: u16 = field(default=0)
    """Limit of the IDT."""
    reserved: octets = field(size=4, default=bytes(4))
    """Must be zero."""
    gdtr_limit: u16 = field(default=0)
    """Limit of the GDT."""
    gdtr_base: u64 = field(default=0)
    """Base of the GDT."""
    code_selector: u16 = field(default=0)
    """Selector of CS."""
    code_attributes: u16 = field(default=0)
    """Attributes of CS. Bits 11:8 must be zero."""
    code_base: u32 = field(default=0)
    """Base of CS."""
    code_limit: u32 = field(default=0)
    """Limit of CS."""
    data_selector: u16 = field(default=0)
    """Selector of ES, DS, SS, FS and GS."""
    data_attributes: u16 = field(default=0)
    """Attributes of ES, DS, SS, FS and GS. Bits 11:8 must be zero."""
    data_base: u32 = field(default=0)
    """Base of ES, DS, SS, FS and GS."""
    data_limit: u32 = field(default=0)
    """Limit of ES, DS, SS, FS and GS."""
    gs_base: u64 = field(default=0)
    """Base of GS."""
    cr0: u64 = field(default=0)
    """CR0."""
    cr3: u64 = field(default=0)
    """CR3."""
    cr4: u64 = field(default=0)
    """CR4."""
    efer: u64 = field(default=0)
    """EFER."""


class CCAContext(Record):
    """IgvmVpContextAArch64Cca: registers of a REC (RmiRecParams); zeroes follow up to 4 KiB."""

    x0: u64 = field(default=0)
    """X0."""
    x1: u64 = field(default=0)
    """X1."""
    x2: u64 = field(default=0)
    """X2."""
    x3: u64 = field(default=0)
    """X3."""
    x4: u64 = field(default=0)
    """X4."""
    x5: u64 = field(default=0)
    """X5."""
    x6: u64 = field(default=0)
    """X6."""
    x7: u64 = field(default=0)
    """X7."""
    pc: u64 = field(default=0)
    """Program counter."""
    flags: u64 = field(default=0)
    """Flags of the REC; bit 0: runnable."""


class VBSContextHeader(Record):
    """VbsVpContextHeader: how many registers follow."""

    register_count: u32
    """VBSRegister records that follow. At least one; all of one VTL."""


class VBSRegister(Record):
    """VbsVpContextRegister: one register as Hyper-V has it; packed."""

    vtl: u8
    """The VTL the register is for. 0 to 2."""
    register_name: u32
    """HvX64Register or HvArm64Register, by the file's architecture."""
    mbz: octets = field(size=11, default=bytes(11))
    """Must be zero."""
    register_value: octets = field(size=16)
    """A u64 with zeroes after it, an HvTableRegister or an HvSegmentRegister."""


class HvTableRegister(Record):
    """HV_X64_TABLE_REGISTER: the value of Gdtr and Idtr (Hyper-V TLFS)."""

    pad: octets = field(size=6, default=bytes(6))
    """Ignored."""
    limit: u16 = field(default=0)
    """Limit of the table."""
    base: u64 = field(default=0)
    """Base of the table."""


class HvSegmentRegister(Record):
    """HV_X64_SEGMENT_REGISTER: the value of a segment register (Hyper-V TLFS)."""

    base: u64 = field(default=0)
    """Base of the segment."""
    limit: u32 = field(default=0)
    """Limit of the segment."""
    selector: u16 = field(default=0)
    """Selector of the segment."""
    attributes: u16 = field(default=0)
    """Descriptor bits 40 to 55: type, S, DPL, P, limit 19:16 as zero, AVL, L, D/B, G."""
