"""The VMSA of AMD SEV-ES and SEV-SNP: what a VP_CONTEXT refers to on those platforms."""

from __future__ import annotations

from igvm.wire.bits import BitField, Bits
from igvm.wire.openenum import OpenFlags
from igvm.wire.record import Record, field, flags64, nested, octets, u8, u16, u32, u64


class SEVFeatures(OpenFlags):
    """SEV_FEATURES (APM volume 2, VMSA); the igvm crate names bits 0 to 9, 14 and 15 only."""

    SNP = 1 << 0
    VTOM = 1 << 1
    REFLECT_VC = 1 << 2
    RESTRICTED_INJECTION = 1 << 3
    ALTERNATE_INJECTION = 1 << 4
    DEBUG_SWAP = 1 << 5
    PREVENT_HOST_IBS = 1 << 6
    BTB_ISOLATION = 1 << 7
    VMPL_SSS = 1 << 8
    SECURE_TSC = 1 << 9
    VMGEXIT_PARAMETER = 1 << 10
    PMC_VIRTUALIZATION = 1 << 11
    IBS_VIRTUALIZATION = 1 << 12
    GUEST_INTERCEPT_CONTROL = 1 << 13
    VMSA_REG_PROTECTION = 1 << 14
    SMT_PROTECTION = 1 << 15
    SECURE_AVIC = 1 << 16
    IBPB_ON_ENTRY = 1 << 21
    ALLOWED_SEV_FEATURES_ENABLE = 1 << 63


class SEVEventInjectInfo(BitField):
    """SevEventInjectInfo: what `event_inject` of a VMSA means (APM volume 2, EVENTINJ)."""

    vector = Bits(0, 8, "The vector.")
    interruption_type = Bits(8, 3, "0 an interrupt, 2 an NMI, 3 an exception, 4 software.")
    deliver_error_code = Bits(11, 1, "An error code is pushed.")
    valid = Bits(31, 1, "There is an event to inject.")
    error_code = Bits(32, 32, "The error code.")


class SEVVirtualInterruptControl(BitField):
    """SevVirtualInterruptControl: what `v_intr_cntrl` of a VMSA means (APM volume 2, VMCB)."""

    tpr = Bits(0, 8, "The virtual task priority.")
    irq = Bits(8, 1, "A virtual interrupt is pending.")
    gif = Bits(9, 1, "The virtual global interrupt flag.")
    interrupt_shadow = Bits(10, 1, "The guest is in an interrupt shadow.")
    priority = Bits(16, 4, "The priority of the virtual interrupt.")
    ignore_tpr = Bits(20, 1, "The task priority does not hold the interrupt back.")
    vector = Bits(32, 8, "The vector of the virtual interrupt.")
    guest_busy = Bits(63, 1, "The VMSA is in use.")


class SEVSelector(Record):
    """SevSelector: a segment or table register in a VMSA."""

    selector: u16 = field(default=0)
    """Selector."""
    attrib: u16 = field(default=0)
    """Attributes: descriptor bits 40 to 47 in bits 0 to 7, 52 to 55 in bits 8 to 11."""
    limit: u32 = field(default=0)
    """Limit."""
    base: u64 = field(default=0)
    """Base."""


_ZERO = SEVSelector()


class SEVVMSA(Record):
    """SevVmsa: the save area of a virtual processor, 4 KiB (APM volume 2, appendix B)."""

    es: nested[SEVSelector] = field(default=_ZERO)
    """ES."""
    cs: nested[SEVSelector] = field(default=_ZERO)
    """CS."""
    ss: nested[SEVSelector] = field(default=_ZERO)
    """SS."""
    ds: nested[SEVSelector] = field(default=_ZERO)
    """DS."""
    fs: nested[SEVSelector] = field(default=_ZERO)
    """FS."""
    gs: nested[SEVSelector] = field(default=_ZERO)
    """GS."""
    gdtr: nested[SEVSelector] = field(default=_ZERO)
    """GDTR: limit and base."""
    ldtr: nested[SEVSelector] = field(default=_ZERO)
    """LDTR."""
    idtr: nested[SEVSelector] = field(default=_ZERO)
    """IDTR: limit and base."""
    tr: nested[SEVSelector] = field(default=_ZERO)
    """TR."""
    pl0_ssp: u64 = field(default=0)
    """Shadow stack pointer of ring 0."""
    pl1_ssp: u64 = field(default=0)
    """Shadow stack pointer of ring 1."""
    pl2_ssp: u64 = field(default=0)
    """Shadow stack pointer of ring 2."""
    pl3_ssp: u64 = field(default=0)
    """Shadow stack pointer of ring 3."""
    u_cet: u64 = field(default=0)
    """U_CET."""
    reserved1: octets = field(size=2, default=bytes(2))
    """Must be zero."""
    vmpl: u8 = field(default=0)
    """VM privilege level."""
    cpl: u8 = field(default=0)
    """Current privilege level."""
    reserved2: u32 = field(default=0)
    """Must be zero."""
    efer: u64 = field(default=0)
    """EFER."""
    reserved3: octets = field(size=104, default=bytes(104))
    """Must be zero."""
    xss: u64 = field(default=0)
    """XSS."""
    cr4: u64 = field(default=0)
    """CR4."""
    cr3: u64 = field(default=0)
    """CR3."""
    cr0: u64 = field(default=0)
    """CR0."""
    dr7: u64 = field(default=0)
    """DR7."""
    dr6: u64 = field(default=0)
    """DR6."""
    rflags: u64 = field(default=0)
    """RFLAGS."""
    rip: u64 = field(default=0)
    """Instruction pointer."""
    dr0: u64 = field(default=0)
    """DR0."""
    dr1: u64 = field(default=0)
    """DR1."""
    dr2: u64 = field(default=0)
    """DR2."""
    dr3: u64 = field(default=0)
    """DR3."""
    dr0_addr_mask: u64 = field(default=0)
    """Address mask of DR0."""
    dr1_addr_mask: u64 = field(default=0)
    """Address mask of DR1."""
    dr2_addr_mask: u64 = field(default=0)
    """Address mask of DR2."""
    dr3_addr_mask: u64 = field(default=0)
    """Address mask of DR3."""
    reserved4: octets = field(size=24, default=bytes(24))
    """Must be zero."""
    rsp: u64 = field(default=0)
    """Stack pointer."""
    s_cet: u64 = field(default=0)
    """S_CET."""
    ssp: u64 = field(default=0)
    """Shadow stack pointer."""
    interrupt_ssp_table_addr: u64 = field(default=0)
    """Interrupt shadow stack table."""
    rax: u64 = field(default=0)
    """RAX."""
    star: u64 = field(default=0)
    """STAR."""
    lstar: u64 = field(default=0)
    """LSTAR."""
    cstar: u64 = field(default=0)
    """CSTAR."""
    sfmask: u64 = field(default=0)
    """SFMASK."""
    kernel_gs_base: u64 = field(default=0)
    """Kernel GS base."""
    sysenter_cs: u64 = field(default=0)
    """SYSENTER CS."""
    sysenter_esp: u64 = field(default=0)
    """SYSENTER ESP."""
    sysenter_eip: u64 = field(default=0)
    """SYSENTER EIP."""
    cr2: u64 = field(default=0)
    """CR2."""
    reserved5: octets = field(size=32, default=bytes(32))
    """Must be zero."""
    pat: u64 = field(default=0)
    """Guest PAT."""
    dbgctl: u64 = field(default=0)
    """DBGCTL."""
    last_branch_from_ip: u64 = field(default=0)
    """BR_FROM."""
    last_branch_to_ip: u64 = field(default=0)
    """BR_TO."""
    last_excp_from_ip: u64 = field(default=0)
    """LASTEXCPFROM."""
    last_excp_to_ip: u64 = field(default=0)
    """LASTEXCPTO."""
    reserved6: octets = field(size=72, default=bytes(72))
    """Must be zero."""
    spec_ctrl: u64 = field(default=0)
    """SPEC_CTRL."""
    reserved7: octets = field(size=32, default=bytes(32))
    """Must be zero for the igvm crate; later APMs have PKRU at 0x2e8 and TSC_AUX at 0x2ec."""
    rcx: u64 = field(default=0)
    """RCX."""
    rdx: u64 = field(default=0)
    """RDX; the CPU signature where KVM builds the page."""
    rbx: u64 = field(default=0)
    """RBX."""
    reserved8: u64 = field(default=0)
    """Must be zero."""
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
    reserved9: octets = field(size=16, default=bytes(16))
    """Must be zero."""
    exit_info1: u64 = field(default=0)
    """EXITINFO1."""
    exit_info2: u64 = field(default=0)
    """EXITINFO2."""
    exit_int_info: u64 = field(default=0)
    """EXITINTINFO."""
    next_rip: u64 = field(default=0)
    """NRIP."""
    sev_features: flags64[SEVFeatures] = field(default=SEVFeatures(0))
    """Features the guest runs with."""
    v_intr_cntrl: u64 = field(default=0)
    """Virtual interrupt control; SEVVirtualInterruptControl names its bits."""
    guest_error_code: u64 = field(default=0)
    """Guest exit code."""
    virtual_tom: u64 = field(default=0)
    """Virtual top of memory; addresses from here up are shared with VTOM."""
    tlb_id: u64 = field(default=0)
    """TLB ID."""
    pcpu_id: u64 = field(default=0)
    """PCPU ID; zero forces a TLB flush at the next entry."""
    event_inject: u64 = field(default=0)
    """Event injection; SEVEventInjectInfo names its bits."""
    xcr0: u64 = field(default=0)
    """XCR0."""
    xsave_valid_bitmap: octets = field(size=16, default=bytes(16))
    """Which X87 and SSE state is valid."""
    x87dp: u64 = field(default=0)
    """X87 data pointer."""
    mxcsr: u32 = field(default=0)
    """MXCSR."""
    x87_ftw: u16 = field(default=0)
    """X87 tag word."""
    x87_fsw: u16 = field(default=0)
    """X87 status word."""
    x87_fcw: u16 = field(default=0)
    """X87 control word."""
    x87_op: u16 = field(default=0)
    """X87 opcode."""
    x87_ds: u16 = field(default=0)
    """X87 data segment."""
    x87_cs: u16 = field(default=0)
    """X87 code segment."""
    x87_rip: u64 = field(default=0)
    """X87 instruction pointer."""
    x87_registers: octets = field(size=80, default=bytes(80))
    """The X87 stack, 8 registers of 10 bytes."""
    xmm_registers: octets = field(size=256, default=bytes(256))
    """XMM0 to XMM15."""
    ymm_registers: octets = field(size=256, default=bytes(256))
    """Upper halves of YMM0 to YMM15."""
    reserved10: octets = field(size=2448, default=bytes(2448))
    """Must be zero; fills the page."""
