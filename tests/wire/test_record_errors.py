"""What does not fit a record is a FormatError that says where, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from igvm.errors import FormatError
from igvm.spec.context import VBSRegister
from igvm.spec.directive import PageData, SNPIDBlock, VPCount
from igvm.spec.payload import MemoryRange, MMIORangesPayload
from igvm.spec.snp_structures import CPUIDPage, SNPPublicKey, SNPSignature
from igvm.spec.vmsa import SEVVMSA, SEVSelector
from tests.spec.records import RECORDS

if TYPE_CHECKING:
    from igvm.wire.record import Record

every_record = pytest.mark.parametrize("kind", RECORDS.values(), ids=RECORDS)

WRONG_INTEGERS: list[object] = [-1, -(1 << 80), 1 << 80, "1", b"\x01", None, 1.0, [], ()]
WRONG_OCTETS: list[object] = [None, "text", 1.5, object(), b""]

ID_BLOCK = SNPIDBlock(compatibility_mask=1, ld=bytes(48))
RANGE = MemoryRange(starting_gpa_page_number=1, number_of_pages=1)


def pack_error(record: Record, **changes: object) -> FormatError:
    """The error that packing the changed record raises."""
    bent = record.replace(**changes)
    with pytest.raises(FormatError) as caught:
        bent.pack()
    return caught.value


@every_record
def test_integers_that_do_not_fit(kind: type[Record]) -> None:
    """Each scalar refuses what its bits cannot hold, and the error names it."""
    record = kind.unpack_from(bytes(kind.SIZE))
    for item in kind.FIELDS:
        if item.code:
            for value in (*WRONG_INTEGERS, 1 << 8 * item.size):
                error = pack_error(record, **{item.name: value})
                assert (kind.__name__, item.name) == (error.header, error.field)
                assert f"{value!r} does not fit {8 * item.size} unsigned bits" == error.message


@every_record
def test_integers_that_just_fit(kind: type[Record]) -> None:
    """Each scalar takes the highest value of its bits, and keeps it to itself."""
    record = kind.unpack_from(bytes(kind.SIZE))
    for item in kind.FIELDS:
        if item.code:
            data = record.replace(**{item.name: (1 << 8 * item.size) - 1}).pack()
            expected = bytes(item.offset) + b"\xff" * item.size
            assert expected.ljust(kind.SIZE, b"\0") == data


@every_record
def test_octets_that_do_not_fit(kind: type[Record]) -> None:
    """Each run of bytes refuses another length and other types, and the error names it."""
    record = kind.unpack_from(bytes(kind.SIZE))
    for item in kind.FIELDS:
        if item.kind == "octets":
            for value in (*WRONG_OCTETS, bytes(item.size - 1), bytes(item.size + 1), item.size):
                error = pack_error(record, **{item.name: value})
                assert (kind.__name__, item.name) == (error.header, error.field)
                assert f"a value of exactly {item.size} bytes is needed" == error.message


@pytest.mark.parametrize("make", [bytearray, memoryview], ids=["bytearray", "memoryview"])
def test_octets_of_other_buffers(make: Any) -> None:
    """Bytes can be given as any buffer of the right length."""
    assert (
        ID_BLOCK.replace(ld=b"\x05" * 48).pack() == ID_BLOCK.replace(ld=make(b"\x05" * 48)).pack()
    )


def test_first_wrong_field_is_named() -> None:
    """With two wrong fields, the one that comes first in the bytes is named."""
    page = PageData(gpa=0, compatibility_mask=0)
    assert "file_offset" == pack_error(page, reserved=-1, file_offset=-1).field


def test_error_inside_an_inner_record_names_the_inner_field() -> None:
    """What does not fit an inner record is said of that record."""
    error = pack_error(ID_BLOCK, id_public_key=SNPPublicKey(qx=b"short"))
    assert ("SNPPublicKey", "qx") == (error.header, error.field)
    error = pack_error(SEVVMSA(), gs=SEVSelector(limit=1 << 32))
    assert ("SEVSelector", "limit") == (error.header, error.field)


@pytest.mark.parametrize("value", [None, b"", bytes(144), 0, "key"], ids=repr)
def test_inner_records_of_wrong_types(value: object) -> None:
    """What is no record at all does not pack."""
    assert "SNPIDBlock" == pack_error(ID_BLOCK, id_key_signature=value).header


@pytest.mark.parametrize(
    "value",
    [(), (RANGE,), (RANGE,) * 3, None, 0, (1, 2), (RANGE, None)],
    ids=["none", "one", "three", "None", "zero", "integers", "half"],
)
def test_arrays_of_wrong_lengths(value: object) -> None:
    """An array has as many records as the structure says."""
    payload = MMIORangesPayload(mmio_ranges=(RANGE, RANGE))
    assert "MMIORangesPayload" == pack_error(payload, mmio_ranges=value).header


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        (ID_BLOCK, "id_key_signature", None),
        (ID_BLOCK, "author_public_key", bytes(152)),
        (MMIORangesPayload(mmio_ranges=(RANGE, RANGE)), "mmio_ranges", (RANGE,)),
        (MMIORangesPayload(mmio_ranges=(RANGE, RANGE)), "mmio_ranges", None),
    ],
    ids=["missing", "bytes", "short-array", "no-array"],
)
def test_inner_records_that_do_not_fit_are_named(record: Record, field: str, value: object) -> None:
    """The error names the field that should hold a record, or an array of them."""
    assert field == pack_error(record, **{field: value}).field


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        (ID_BLOCK, "id_key_signature", SNPPublicKey()),
        (ID_BLOCK, "id_public_key", SNPSignature()),
        (SEVVMSA(), "es", RANGE),
        (MMIORangesPayload(mmio_ranges=(RANGE, RANGE)), "mmio_ranges", (SEVSelector(),) * 2),
    ],
    ids=["cut", "padded", "same-size", "array"],
)
def test_inner_records_of_another_class(record: Record, field: str, value: object) -> None:
    """A record of another class is refused, rather than cut or padded to the size."""
    assert field == pack_error(record, **{field: value}).field


@pytest.mark.parametrize(
    "value", [-1, 1 << 80, [300] * 48, [0] * 48], ids=["-1", "big", "300", "0"]
)
def test_octets_of_integers(value: object) -> None:
    """What bytes() makes something else of than bytes is refused as anything else is."""
    assert "ld" == pack_error(ID_BLOCK, ld=value).field


def test_integers_of_numpy_are_not_blamed() -> None:
    """A value that packs is not named when another field does not."""
    page = PageData(gpa=0, compatibility_mask=0)
    scalar: Any = np.uint64(1)
    assert page.replace(gpa=1).pack() == page.replace(gpa=scalar).pack()
    assert "file_offset" == pack_error(page, gpa=scalar, file_offset=-1).field


@every_record
def test_short_buffers(kind: type[Record]) -> None:
    """A buffer that ends within the record is an error that says where and how much is missing."""
    for length in sorted({0, 1, kind.SIZE // 2, kind.SIZE - 1}):
        for offset in (0, 3):
            with pytest.raises(FormatError) as caught:
                kind.unpack_from(bytes(offset + length), offset)
            error = caught.value
            assert (kind.__name__, offset) == (error.header, error.offset)
            assert f"{kind.SIZE} bytes are needed and {length} are left" == error.message


@every_record
def test_exact_buffers(kind: type[Record]) -> None:
    """A buffer that ends with the record is enough."""
    assert kind is type(kind.unpack_from(bytes(kind.SIZE)))
    assert kind is type(kind.unpack_from(bytes(5 + kind.SIZE), 5))


@pytest.mark.parametrize("offset", [25, 1 << 31, 1 << 63, 1 << 80], ids=hex)
def test_offsets_past_the_end(offset: int) -> None:
    """An offset that a file made up is an error like any other."""
    with pytest.raises(FormatError, match="24 bytes are needed and 0 are left") as caught:
        PageData.unpack_from(bytes(24), offset)
    assert offset == caught.value.offset


@every_record
def test_ragged_buffers(kind: type[Record]) -> None:
    """Iteration wants a whole number of records, and says so before it gives the first."""
    for length in {1, kind.SIZE - 1, kind.SIZE + 1, 3 * kind.SIZE - 1}:
        with pytest.raises(FormatError) as caught:
            next(kind.iter_unpack(bytes(length)))
        assert f"{length} bytes are not a whole number" in caught.value.message
        assert f"{kind.SIZE} byte records" in caught.value.message
        assert kind.__name__ == caught.value.header


@every_record
def test_iteration_over_nothing(kind: type[Record]) -> None:
    """An empty buffer holds no records, which is no error."""
    assert [] == list(kind.iter_unpack(b""))


def test_inner_records_do_not_read_past_the_record() -> None:
    """A count that lies does not make a CPUID page longer."""
    page = CPUIDPage.unpack_from(b"\xff" * 4096 + b"\x01" * 48)
    assert (0xFFFFFFFF, 64) == (page.count, len(page.entries))
    assert {0xFFFFFFFF} == {entry.eax for entry in page.entries}


def test_subclasses_are_named_in_errors() -> None:
    """An error about a VPCount says VPCount, not Parameter."""
    assert "VPCount" == pack_error(VPCount(parameter_area_index=-1)).header
    with pytest.raises(FormatError, match="VPCount: 8 bytes are needed"):
        VPCount.unpack_from(b"")


def test_unaligned_records_report_where_they_start() -> None:
    """The offset of the error is the record's, in hexadecimal."""
    with pytest.raises(FormatError) as caught:
        VBSRegister.unpack_from(bytes(0x30), 0x24)
    assert "+0x24: VBSRegister: 32 bytes are needed and 12 are left" == str(caught.value)
