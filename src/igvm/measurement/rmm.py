"""What the RMM makes of a Realm before it measures: RTT entries of RAM, and what it refuses.

Read in TF-RMM v0.5.0 and 9a7f8ef4 (`runtime/rmi/realm.c`, `rtt.c`, `rtt_map.c`) and run there;
the host's part in Linux, `arch/arm64/kvm/rmi.c` (`get_start_level`, `find_map_level`).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.launch.plan import PAGE
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.realm import RealmParameters

DATA = (Operation.NORMAL, Operation.UNMEASURED, Operation.PARAMETER)
"""Operations that create a DATA granule for every page."""

_LEAST_S2SZ, _MOST_S2SZ, _MOST_S2SZ_LPA2 = 32, 48, 52
_LPA2 = 1
_STRIDE = 9
"""Bits of an address that one level of tables resolves: 512 entries of 8 bytes in a page."""


def version_of(realm: RealmParameters, algorithm: str) -> tuple[int, int]:
    """The version of the RMM: as it was said, else the first that has the hash `algorithm`."""
    return realm.rmm or ((2, 0) if algorithm == "sha384" else (1, 0))


def measured_ripas(realm: RealmParameters, algorithm: str) -> tuple[tuple[int, int], ...]:
    """The ranges of RAM that the RMM measures: all, or from 2.0 on none."""
    return realm.ripas if version_of(realm, algorithm) < (2, 0) else ()


def ripas_entries(base: int, top: int, s2sz: int) -> Iterator[tuple[int, int]]:
    """The RTT entries that become RAM when a host asks for `base` to `top`, each as its own range.

    The RMM converts entries of the deepest table that is there, and KVM makes a deeper block only
    where an entry would reach beyond the range. So each is the largest aligned block that fits:
    4 KiB, 2 MiB, 1 GiB or 512 GiB, up to what an entry at KVM's starting level spans, which is
    2 MiB below 35 bits of IPA, 1 GiB below 44, and 512 GiB from there on.

    They are made one by one, and there are at most 7,160 of a range in the protected half: 511
    of each smaller size on either side of it, and 4,094 of the largest.
    """
    levels = (s2sz - 8) // _STRIDE  # as KVM counts them: up to 16 tables side by side at the start
    sizes = [PAGE << _STRIDE * level for level in reversed(range(levels))]
    while base < top:
        size = next(block for block in sizes if base % block == 0 and base + block <= top)
        yield base, base + size
        base += size


def require_realm(realm: RealmParameters, version: tuple[int, int]) -> None:
    """Refuse what no RMM makes a Realm of, or no host asks for in one way only.

    Raises:
        MeasurementError: the error says which parameter, and why.
    """
    bits = realm.s2sz
    most = _MOST_S2SZ_LPA2 if realm.flags & _LPA2 else _MOST_S2SZ
    if not _LEAST_S2SZ <= bits <= most:
        lpa2 = most < bits <= _MOST_S2SZ_LPA2
        raise MeasurementError(
            f"s2sz is {bits}, and an IPA space has {_LEAST_S2SZ} to {most} bits",
            hint=f"that many are there with LPA2: s2sz={bits},flags=1"
            if lpa2
            else "say how many the VMM chooses",
            missing="realm",
        )
    if realm.rmm and version >= (2, 0) and not (realm.num_bps and realm.num_wps):
        name = "num_wps" if realm.num_bps else "num_bps"
        raise MeasurementError(
            f"{name} is 0, which RMM {version[0]}.{version[1]} refuses",
            hint="say one less than a vCPU has: num_bps=5,num_wps=3",
            missing="realm",
        )
    for base, top in realm.ripas:
        _require_range(base, top, bits)
    if version < (2, 0):
        for (base, top), (other, last) in itertools.pairwise(sorted(realm.ripas)):
            if other < top:
                # The entries of the second range would depend on the tables that the first left.
                message = f"{_named(base, top)} overlaps {_named(other, last)}"
                hint = "say each part of memory once"
                raise MeasurementError(message, hint=hint, missing="realm")


def _require_range(base: int, top: int, bits: int) -> None:
    """Refuse a RIPAS range that RMI_RTT_INIT_RIPAS refuses."""
    if base % PAGE or top % PAGE:
        what, hint = "does not lie at multiples of 4 KiB", None
    elif not 0 <= base < top:
        what, hint = "has nothing in it", None
    elif top > 1 << bits - 1:
        what, hint = f"is not all in {_half(bits)}", _wider(top)
    else:
        return
    hint = hint or "say where memory begins and ends: ripas=0x40000000-0x80000000"
    raise MeasurementError(f"{_named(base, top)} {what}", hint=hint, missing="realm")


def require_pages(plan: LaunchPlan, realm: RealmParameters) -> None:
    """Refuse a plan with a page for which the RMM creates no DATA granule.

    Raises:
        MeasurementError: a page is not aligned, not in the protected half, or reach already.
    """
    import numpy as np

    rows = plan.rows[plan.of(*DATA) & (plan.rows["loaded"] != 0)]
    gpa, headers = rows["gpa"], rows["header"]
    first = gpa // np.uint64(PAGE)
    after = first + rows["loaded"]
    askew = gpa % np.uint64(PAGE) != 0
    if askew.any():
        row = int(askew.argmax())
        reason = f"{int(gpa[row]):#x} is not at a multiple of 4 KiB"
        raise _refused(plan, int(headers[row]), reason)
    end = (1 << realm.s2sz - 1) // PAGE
    beyond = after > end
    if beyond.any():
        row = int(beyond.argmax())
        reason = f"{max(int(gpa[row]), end * PAGE):#x} is not in {_half(realm.s2sz)}"
        raise _refused(plan, int(headers[row]), reason, _wider(int(after.max()) * PAGE))
    order = np.argsort(first, kind="stable")
    reach = np.maximum.accumulate(after[order])
    again = np.flatnonzero(first[order][1:] < reach[:-1])
    if len(again):
        row = int(order[again[0] + 1])
        raise _refused(plan, int(headers[row]), f"{int(gpa[row]):#x} is loaded twice")


def _refused(plan: LaunchPlan, index: int, said: str, hint: str | None = None) -> MeasurementError:
    """The error for a page of the header at position `index`, or of none."""
    error = MeasurementError(
        f"the page at IPA {said}",
        path=plan.file.path, hint=hint, missing=None if hint is None else "realm",
    )  # fmt: skip
    if index >= 0:
        header = plan.file.header(index)
        error.offset, error.header, error.field = header.offset, header.name, "gpa"
    return error


def _named(base: int, top: int) -> str:
    return f"RIPAS {base:#x}-{top:#x}"


def _half(bits: int) -> str:
    return f"the protected half of {bits} bits of IPA, below {1 << bits - 1:#x}"


def _wider(top: int) -> str | None:
    """Which s2sz has everything below `top` in its lower half."""
    bits = (top - 1).bit_length() + 1
    flags = ",flags=1" if bits > _MOST_S2SZ else ""
    return f"{bits} bits have room: s2sz={bits}{flags}" if bits <= _MOST_S2SZ_LPA2 else None
