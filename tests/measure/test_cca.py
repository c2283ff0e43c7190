"""Realm Initial Measurements computed by hand: parameters, then one descriptor an extension."""

from __future__ import annotations

import hashlib
import struct

import pytest

import igvm
from igvm.errors import LoadError, MeasurementError
from tests import raw
from tests.measure.files import CCA, A, build

HASHES = {0: "sha256", 1: "sha512", 2: "sha384"}
REALM = igvm.RealmParameters(s2sz=40)
LATER = igvm.RealmParameters(s2sz=40, num_bps=1, num_wps=1, rmm=(2, 0))
CONTEXT = igvm.CCAContext(**{f"x{n}": 0x100 + n for n in range(8)}, pc=0x8000, flags=1)


def parameters(hash_algorithm: int = 0, flags: int = 0, **fields: int) -> bytes:
    """RmiRealmParams: flags0, s2sz, sve_vl, num_bps, num_wps, pmu_num_ctrs and hash_algo count."""
    page = bytearray(4096)
    struct.pack_into("<Q", page, 0x00, flags)
    struct.pack_into("<I", page, 0x08, fields.get("s2sz", 40))
    struct.pack_into("<I", page, 0x10, fields.get("sve_vl", 0))
    struct.pack_into("<I", page, 0x18, fields.get("num_bps", 0))
    struct.pack_into("<I", page, 0x20, fields.get("num_wps", 0))
    struct.pack_into("<I", page, 0x28, fields.get("pmu_num_ctrs", 0))
    page[0x30] = hash_algorithm
    return bytes(page)


def extended(algorithm: str, rim: bytes, kind: int, fields: bytes) -> bytes:
    """The RIM after one extension: type, length, RIM in 64 bytes, fields; 256 bytes, hashed."""
    descriptor = bytes([kind]) + bytes(7) + struct.pack("<Q", 0x100)
    descriptor += rim.ljust(64, b"\0") + fields
    return hashlib.new(algorithm, descriptor.ljust(256, b"\0")).digest()


def data(rim: bytes, ipa: int, page: bytes | None, algorithm: str = "sha256") -> bytes:
    """The RIM after a DATA granule: its IPA, flag 1 and its hash if its content is measured."""
    content = b"" if page is None else hashlib.new(algorithm, page).digest()
    return extended(algorithm, rim, 0, struct.pack("<QQ", ipa, page is not None) + content)


def rec(rim: bytes, algorithm: str = "sha256") -> bytes:
    """The RIM after the REC of CONTEXT: the hash of RmiRecParams with flags, pc and x0 to x7."""
    page = bytearray(4096)
    struct.pack_into("<Q", page, 0, 1)
    struct.pack_into("<Q", page, 0x200, 0x8000)
    struct.pack_into("<8Q", page, 0x300, *range(0x100, 0x108))
    return extended(algorithm, rim, 1, hashlib.new(algorithm, page).digest())


def arm(*heads: bytes, page: bytes = A, **fixed: int) -> igvm.IgvmFile:
    """A file for a Realm; offset 1 in a head stands for the page, 2 for a context, 3 for another.

    The last does not run.
    """
    idle = CONTEXT.replace(flags=0).pack().ljust(4096, b"\0")
    blobs = [page, CONTEXT.pack().ljust(4096, b"\0"), idle]

    def placed(at: object) -> list[bytes]:
        result = []
        for head in heads:
            kind, where = int.from_bytes(head[:4], "little"), {0x302: 20, 0x304: 20}
            made = bytearray(head)
            if kind in where:
                number = int.from_bytes(made[where[kind] : where[kind] + 4], "little")
                if number:
                    made[where[kind] : where[kind] + 4] = at[number - 1].to_bytes(4, "little")  # type: ignore[index]
            result.append(bytes(made))
        return result

    return build(CCA, placed, *blobs, version=2, architecture=1, **fixed)


def policy(algorithm: int) -> bytes:
    """A CCA_POLICY that chooses a hash."""
    return raw.header(0x106, struct.pack("<IIQQBB6x", 1, 0, 0, 0, algorithm, 0))


def of(file: igvm.IgvmFile, realm: igvm.RealmParameters = REALM) -> igvm.Measurement:
    """What we say."""
    return igvm.measure(file, CCA, realm=realm)


@pytest.mark.parametrize("number", HASHES)
def test_every_hash(number: int) -> None:
    """The policy's hash is used for parameters, contents and descriptors, and stored in them."""
    name = HASHES[number]
    rim = hashlib.new(name, parameters(number, num_bps=1, num_wps=1)).digest()
    rim = rec(data(rim, 0x8000, A, name), name)
    measured = of(arm(policy(number), raw.page(0x8000, 1), raw.context(2)), LATER)
    assert (rim, name) == (measured.digest, measured.algorithm)


def test_a_hash_that_is_none() -> None:
    """An unknown number of a hash is refused at the policy's field."""
    with pytest.raises(MeasurementError, match=r"CCA_POLICY\.hash_algorithm: there is no hash 3"):
        of(arm(policy(3)))


def test_realm_parameters() -> None:
    """What the VMM chooses, SVE and PMU with their flags."""
    realm = igvm.RealmParameters(
        s2sz=48, sve_vl=3, num_bps=5, num_wps=4, pmu_num_ctrs=6, flags=1 | 8
    )
    page = parameters(0, 1 | 2 | 4 | 8, s2sz=48, sve_vl=3, num_bps=5, num_wps=4, pmu_num_ctrs=6)
    assert hashlib.sha256(page).digest() == of(arm(), realm).digest


def test_a_realm_parameter_that_does_not_fit() -> None:
    """A value wider than its field is refused."""
    with pytest.raises(MeasurementError, match="does not fit its field"):
        of(arm(), igvm.RealmParameters(s2sz=1 << 32))


def test_realm_parameters_are_needed() -> None:
    """Nothing is guessed: without them there is no measurement."""
    with pytest.raises(MeasurementError, match="parameters that the VMM chooses"):
        igvm.measure(arm(), CCA)


def test_data() -> None:
    """Measured, empty and unmeasured pages, a parameter area; a shared page is not there."""
    file = arm(
        raw.page(0x1000, 1),
        raw.page(0x2000),
        raw.page(0x3000, 1, flags=2),
        raw.page(0x4000, 1, flags=4),
        raw.area(1, 0x2000),
        raw.insert(1, 0x5000),
    )
    rim = hashlib.sha256(parameters()).digest()
    rim = data(rim, 0x1000, A)
    rim = data(rim, 0x2000, bytes(4096))
    rim = data(rim, 0x3000, None)
    rim = data(rim, 0x5000, None)
    rim = data(rim, 0x6000, None)
    assert rim == of(file).digest


def test_only_runnable_recs() -> None:
    """A REC that does not run is not measured; those that do are, in order."""
    idle, last = raw.context(3, index=1), raw.context(2, index=2)
    file = arm(raw.context(2), idle, raw.page(0x1000, 1), last)
    rim = rec(hashlib.sha256(parameters()).digest())
    assert rec(data(rim, 0x1000, A)) == of(file).digest


@pytest.mark.parametrize("rmm", [(1, 0), (1, 1), (2, 0)])
def test_ripas(rmm: tuple[int, int]) -> None:
    """RMM 1.x measures each range that becomes RAM, before the data; RMM 2.0 does not."""
    ranges = ((0, 0x200000), (0x40000000, 0x40200000))
    realm = igvm.RealmParameters(s2sz=40, num_bps=1, num_wps=1, ripas=ranges, rmm=rmm)
    rim = hashlib.sha256(parameters(num_bps=1, num_wps=1)).digest()
    if rmm < (2, 0):
        for base, top in ranges:
            rim = extended("sha256", rim, 2, struct.pack("<QQ", base, top))
    assert data(rim, 0x1000, A) == of(arm(raw.page(0x1000, 1)), realm).digest


def test_pages_of_64_kib() -> None:
    """A page of a file with larger pages is as many granules of 4 KiB."""
    large = b"".join(bytes([number]) * 4096 for number in range(16))
    file = arm(raw.page(0x10000, 1), raw.page(0x20000), page=large, page_size=0x10000)
    rim = hashlib.sha256(parameters()).digest()
    for number in range(16):
        rim = data(rim, 0x10000 + number * 4096, bytes([number]) * 4096)
    for number in range(16):
        rim = data(rim, 0x20000 + number * 4096, bytes(4096))
    assert rim == of(file).digest


def test_pages_of_2_mib() -> None:
    """A page with IS_2MB_PAGE is 512 granules, with 2 MiB of data in the file."""
    large = b"".join(number.to_bytes(2, "little") * 2048 for number in range(512))
    file = arm(raw.page(0x200000, 1, flags=1), page=large)
    rim = hashlib.sha256(parameters()).digest()
    for number in range(512):
        page = number.to_bytes(2, "little") * 2048
        rim = data(rim, 0x200000 + number * 4096, page)
    assert rim == of(file).digest
    with pytest.raises(LoadError, match="its data is not in the file"):
        of(arm(raw.page(0x200000, 1, flags=1)))
