"""What checkers know of records, columns, enums and bit fields; never run, read by mypy only.

A `type: ignore` here says that the line must be an error: mypy reports one that is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, assert_type

import numpy as np
from numpy.typing import NDArray

from igvm.spec.context import NativeContextX64
from igvm.spec.directive import PageData, Parameter, SNPIDBlock, VPCount
from igvm.spec.enums import HeaderType, PageDataFlags, PageDataType, Section
from igvm.spec.payload import MemoryRange, MMIORangesPayload
from igvm.spec.policy import SNPPolicy
from igvm.spec.snp_structures import SNPPublicKey
from igvm.spec.vmsa import SEVVMSA, SEVFeatures, SEVSelector
from igvm.wire.bits import Bits
from igvm.wire.record import Wire

if TYPE_CHECKING:
    from igvm.file.table import Table


def fields_of_objects(page: PageData, block: SNPIDBlock, vmsa: SEVVMSA) -> None:
    """On an object a field is its value."""
    assert_type(page.gpa, int)
    assert_type(page.flags, PageDataFlags)
    assert_type(page.data_type, PageDataType)
    assert_type(block.ld, bytes)
    assert_type(block.id_public_key, SNPPublicKey)
    assert_type(block.id_public_key.qx, bytes)
    assert_type(vmsa.cs, SEVSelector)
    assert_type(vmsa.cs.limit, int)
    assert_type(vmsa.sev_features, SEVFeatures)


def arrays(payload: MMIORangesPayload) -> None:
    """An array is a tuple of records."""
    assert_type(payload.mmio_ranges, tuple[MemoryRange, ...])
    assert_type(payload.mmio_ranges[0].number_of_pages, int)


def fields_of_classes() -> None:
    """On a class a field is a column to ask a table for."""
    assert_type(PageData.gpa, Wire[int, np.uint64])
    assert_type(PageData.compatibility_mask, Wire[int, np.uint32])
    assert_type(PageData.file_offset, Wire[int, np.uint32])
    assert_type(PageData.flags, Wire[PageDataFlags, np.uint32])
    assert_type(PageData.data_type, Wire[PageDataType, np.uint16])
    assert_type(SNPIDBlock.author_key_enabled, Wire[int, np.uint8])
    assert_type(SNPIDBlock.ld, Wire[bytes, np.uint8])
    assert_type(SNPIDBlock.id_public_key, Wire[SNPPublicKey, np.void])
    assert_type(Parameter.byte_offset, Wire[int, np.uint32])
    assert_type(PageData.gpa.__name__, str)


def inherited_fields() -> None:
    """Of a subclass, mypy takes the frozen fields of its base for plain values on the class too."""
    assert_type(VPCount.byte_offset, Wire[int, np.uint32])  # type: ignore[assert-type]


def columns(pages: Table[PageData], counts: Table[VPCount]) -> None:
    """A column is an array of the field's own width."""
    assert_type(pages[PageData.gpa], NDArray[np.uint64])
    assert_type(pages[PageData.flags], NDArray[np.uint32])
    assert_type(pages[PageData.data_type], NDArray[np.uint16])
    assert_type(counts[Parameter.byte_offset], NDArray[np.uint32])
    assert_type(pages.record, type[PageData])


def construction() -> None:
    """Fields are keywords, those without a default are required, and types are checked."""
    assert_type(PageData(gpa=0x1000, compatibility_mask=1), PageData)
    PageData(gpa=0x1000, compatibility_mask=1, flags=PageDataFlags.SHARED)
    PageData(gpa=0x1000)  # type: ignore[call-arg]
    PageData(0x1000, 1)  # type: ignore[call-arg]
    PageData(gpa=0x1000, compatibility_mask=1, mask=2)  # type: ignore[call-arg]
    PageData(gpa="0x1000", compatibility_mask=1)  # type: ignore[arg-type]
    PageData(gpa=0, compatibility_mask=1, data_type=1)  # type: ignore[arg-type]
    PageData(gpa=0, compatibility_mask=1, flags=HeaderType.SRAT)  # type: ignore[arg-type]
    MMIORangesPayload(mmio_ranges=[])  # type: ignore[arg-type]
    SNPIDBlock(compatibility_mask=1, ld=bytes(48), id_public_key=b"")  # type: ignore[arg-type]
    assert_type(VPCount(parameter_area_index=1), VPCount)
    assert_type(NativeContextX64(), NativeContextX64)


def frozen(page: PageData) -> None:
    """A field cannot be set, and a misspelt one is no attribute."""
    page.gpa = 0x2000  # type: ignore[misc]
    page.gap  # type: ignore[attr-defined] # noqa: B018


def codecs(data: memoryview, count: VPCount) -> None:
    """Codecs give the class that they were asked of."""
    assert_type(PageData.unpack_from(data), PageData)
    assert_type(PageData.unpack_from(bytes(24), 8), PageData)
    assert_type(VPCount.unpack_from(data), VPCount)
    assert_type(VPCount.iter_unpack(data), Iterator[VPCount])
    assert_type(count.replace(byte_offset=1), VPCount)
    assert_type(count.pack(), bytes)
    assert_type(PageData.SIZE, int)
    assert_type(PageData.dtype(), np.dtype[np.void])
    PageData.unpack_from("text")  # type: ignore[arg-type]


def enums(kind: HeaderType) -> None:
    """Enums are integers with names, and stay of their class."""
    assert_type(HeaderType(0x302), HeaderType)
    assert_type(kind.section, Section)
    assert_type(kind.is_known, bool)
    assert_type(kind + 1, int)
    assert_type(PageDataFlags.SHARED | PageDataFlags.UNMEASURED, PageDataFlags)


def policies(policy: SNPPolicy) -> None:
    """A policy's fields are integers, and a changed policy is a policy."""
    assert_type(policy.smt, int)
    assert_type(SNPPolicy.smt, Bits)
    assert_type(SNPPolicy.of(smt=1), SNPPolicy)
    assert_type(policy.replace(debug=0), SNPPolicy)
    assert_type(policy.unknown, int)
    assert_type(policy.as_dict(), dict[str, int])
    SNPPolicy.of(smt="yes")  # type: ignore[arg-type]
