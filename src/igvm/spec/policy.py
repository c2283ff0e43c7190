"""Guest policies as named bits: SNP, TDX and CCA."""

from __future__ import annotations

from igvm.wire.bits import BitField, Bits


class SNPPolicy(BitField):
    """SnpPolicy: GUEST_POLICY on SEV_SNP, as in section 4.3 of the SNP firmware ABI."""

    abi_minor = Bits(0, 8, "Minor part of the firmware ABI version the guest needs.")
    abi_major = Bits(8, 8, "Major part of the firmware ABI version the guest needs.")
    smt = Bits(16, 1, "The host may have simultaneous multithreading on.")
    reserved_must_be_one = Bits(17, 1, "Reserved; must be one.", must_be=1)
    migrate_ma = Bits(18, 1, "The guest may be tied to a migration agent.")
    debug = Bits(19, 1, "The host may debug the guest.")
    single_socket = Bits(20, 1, "The guest runs on one socket only.")


class TDXPolicy(BitField):
    """TdxPolicy: GUEST_POLICY on TDX. Not the layout of the TD's ATTRIBUTES."""

    debug_allowed = Bits(0, 1, "The host may debug the TD.")
    sept_ve_disable = Bits(1, 1, "No #VE is raised for pending pages.")
    migratable = Bits(2, 1, "The TD may move to another host.")


class CCAAttributes(BitField):
    """CCA_POLICY_ATTR_*: the attributes that a CCA_POLICY requires to be zero or one."""

    debug = Bits(0, 1, "The Realm may be debugged.")
    mec = Bits(1, 1, "The memory encryption context is shared.")
