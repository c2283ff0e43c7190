"""What a VMM chooses for a Realm of Arm CCA, the file does not say and the RIM covers."""

from __future__ import annotations

import msgspec

from igvm.errors import MeasurementError


class RealmParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What a VMM chooses for a Realm, the file does not say and the RIM covers (RmiRealmParams)."""

    s2sz: int
    """Width of the IPA space in bits."""
    sve_vl: int | None = None
    """Length of SVE vectors as in RmiRealmParams; None without SVE."""
    num_bps: int = 0
    """Breakpoints, as the field has it: one less than there are. RMM 2.0 refuses 0."""
    num_wps: int = 0
    """Watchpoints, in the same way."""
    pmu_num_ctrs: int | None = None
    """Counters of the PMU; None without a PMU."""
    flags: int = 0
    """Further bits of flags0: LPA2 is bit 0, DA bit 3, the MEC policy bits 7 and 8."""
    ripas: tuple[tuple[int, int], ...] = ()
    """Ranges made RAM before launch, as (base, top) and in order; RMM 1.x measures them.

    It measures each RTT entry that becomes RAM, so a range is split into those that KVM makes:
    the largest aligned blocks that fit (`igvm.measurement.rmm.ripas_entries`). A range that is
    one block stays one. Entries of a host that splits otherwise are given one by one.
    """
    rmm: tuple[int, int] | None = None
    """Version of the RMM: from 2.0 on RIPAS changes are not measured.

    None is 1.0, or 2.0 for a file whose policy chooses SHA-384, which no earlier one has.
    """


def known(realm: RealmParameters | None) -> RealmParameters:
    """`realm`, if it was given.

    Raises:
        MeasurementError: it was not.
    """
    if realm is None:
        message = "a Realm's measurement depends on parameters that the VMM chooses"
        raise MeasurementError(message, missing="realm")
    return realm
