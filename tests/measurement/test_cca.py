"""Realm Initial Measurements computed by hand: parameters, then one descriptor an extension."""

from __future__ import annotations

import hashlib
import struct

import pytest

import igvm
from igvm.errors import LoadError, MeasurementError
from tests.small_files import raw
from tests.small_files.contents import PAGE, REC, padded
from tests.small_files.guests import CCA, file_for

HASHES = {0: "sha256", 1: "sha512", 2: "sha384"}
REALM = igvm.RealmParameters(s2sz=40)
LATER = igvm.RealmParameters(s2sz=40, num_bps=1, num_wps=1, rmm=(2, 0))
CONTEXT = REC.replace(**{f"x{n}": 0x100 + n for n in range(8)})


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


DATA, RUNNING, IDLE = map(raw.at, range(3))
"""A page, a context that runs and one that does not, as what a header of `realm_of` refers to."""


def realm_of(*headers: bytes, page: bytes = PAGE, **fixed: int) -> igvm.IgvmFile:
    """A file for a Realm with `page` as its DATA."""
    contexts = [padded(CONTEXT.pack()), padded(CONTEXT.replace(flags=0).pack())]
    return file_for(CCA, *headers, data=[page, *contexts], **fixed)


def measurement_of(file: igvm.IgvmFile, realm: igvm.RealmParameters = REALM) -> igvm.Measurement:
    """The measurement that we make."""
    return igvm.measure(file, CCA, realm=realm)


@pytest.mark.parametrize("number", HASHES)
def test_every_hash(number: int) -> None:
    """The policy's hash is used for parameters, contents and descriptors, and stored in them."""
    name = HASHES[number]
    rim = hashlib.new(name, parameters(number, num_bps=1, num_wps=1)).digest()
    rim = rec(data(rim, 0x8000, PAGE, name), name)
    measurement = measurement_of(
        realm_of(raw.cca_policy(algorithm=number), raw.page(0x8000, DATA), raw.context(RUNNING)),
        LATER,
    )
    assert (rim, name) == (measurement.digest, measurement.algorithm)


def test_a_hash_that_is_none() -> None:
    """An unknown number of a hash is refused at the policy's field."""
    with pytest.raises(MeasurementError, match=r"CCA_POLICY\.hash_algorithm: there is no hash 3"):
        measurement_of(realm_of(raw.cca_policy(algorithm=3)))


def test_realm_parameters() -> None:
    """What the VMM chooses, SVE and PMU with their flags."""
    realm = igvm.RealmParameters(
        s2sz=48, sve_vl=3, num_bps=5, num_wps=4, pmu_num_ctrs=6, flags=1 | 8
    )
    page = parameters(0, 1 | 2 | 4 | 8, s2sz=48, sve_vl=3, num_bps=5, num_wps=4, pmu_num_ctrs=6)
    assert hashlib.sha256(page).digest() == measurement_of(realm_of(), realm).digest


def test_a_realm_parameter_that_does_not_fit() -> None:
    """A value wider than its field is refused."""
    with pytest.raises(MeasurementError, match="does not fit its field"):
        measurement_of(realm_of(), igvm.RealmParameters(s2sz=1 << 32))


def test_realm_parameters_are_needed() -> None:
    """Nothing is guessed: without them there is no measurement."""
    with pytest.raises(MeasurementError, match="parameters that the VMM chooses"):
        igvm.measure(realm_of(), CCA)


def test_data() -> None:
    """Measured, empty and unmeasured pages, a parameter area; a shared page is not there."""
    file = realm_of(
        raw.page(0x1000, DATA),
        raw.page(0x2000),
        raw.page(0x3000, DATA, flags=2),
        raw.page(0x4000, DATA, flags=4),
        raw.area(1, 0x2000),
        raw.insert(1, 0x5000),
    )
    rim = hashlib.sha256(parameters()).digest()
    rim = data(rim, 0x1000, PAGE)
    rim = data(rim, 0x2000, bytes(4096))
    rim = data(rim, 0x3000, None)
    rim = data(rim, 0x5000, None)
    rim = data(rim, 0x6000, None)
    assert rim == measurement_of(file).digest


def test_only_runnable_recs() -> None:
    """A REC that does not run is not measured; those that do are, in order."""
    idle, last = raw.context(IDLE, index=1), raw.context(RUNNING, index=2)
    file = realm_of(raw.context(RUNNING), idle, raw.page(0x1000, DATA), last)
    rim = rec(hashlib.sha256(parameters()).digest())
    assert rec(data(rim, 0x1000, PAGE)) == measurement_of(file).digest


@pytest.mark.parametrize("rmm", [(1, 0), (1, 1), (2, 0)])
def test_ripas(rmm: tuple[int, int]) -> None:
    """RMM 1.x measures each range that becomes RAM, before the data; RMM 2.0 does not."""
    ranges = ((0, 0x200000), (0x40000000, 0x40200000))
    realm = igvm.RealmParameters(s2sz=40, num_bps=1, num_wps=1, ripas=ranges, rmm=rmm)
    rim = hashlib.sha256(parameters(num_bps=1, num_wps=1)).digest()
    if rmm < (2, 0):
        for base, top in ranges:
            rim = extended("sha256", rim, 2, struct.pack("<QQ", base, top))
    assert data(rim, 0x1000, PAGE) == measurement_of(realm_of(raw.page(0x1000, DATA)), realm).digest


def test_pages_of_64_kib() -> None:
    """A page of a file with larger pages is as many granules of 4 KiB."""
    large = b"".join(bytes([number]) * 4096 for number in range(16))
    file = realm_of(raw.page(0x10000, DATA), raw.page(0x20000), page=large, page_size=0x10000)
    rim = hashlib.sha256(parameters()).digest()
    for number in range(16):
        rim = data(rim, 0x10000 + number * 4096, bytes([number]) * 4096)
    for number in range(16):
        rim = data(rim, 0x20000 + number * 4096, bytes(4096))
    assert rim == measurement_of(file).digest


def test_pages_of_2_mib() -> None:
    """A page with IS_2MB_PAGE is 512 granules, with 2 MiB of data in the file."""
    large = b"".join(number.to_bytes(2, "little") * 2048 for number in range(512))
    file = realm_of(raw.page(0x200000, DATA, flags=1), page=large)
    rim = hashlib.sha256(parameters()).digest()
    for number in range(512):
        page = number.to_bytes(2, "little") * 2048
        rim = data(rim, 0x200000 + number * 4096, page)
    assert rim == measurement_of(file).digest
    with pytest.raises(LoadError, match="its data is not in the file"):
        measurement_of(realm_of(raw.page(0x200000, DATA, flags=1)))
