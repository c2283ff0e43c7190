"""Properties of whole files: what goes in comes out, in order, and as the reference has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

import igvm
from igvm import Builder, PlatformType, canonical
from igvm.file.context import VBSContext
from igvm.spec.registry import HEADERS, type_of
from igvm.write.pending_headers import offset_field, raw_header
from tests.build.naive import Entry, layout

if TYPE_CHECKING:
    from tests.oracle.client import Oracle

# Few and short blobs, so that they often are equal to one another once they are padded.
BLOBS = st.sampled_from(
    [b"", b"\0", b"a", b"ab", b"a\0", bytes(4096), b"a" + bytes(4095), b"b" * 8192]
)
PLATFORMS = {1: PlatformType.SEV_SNP, 2: PlatformType.TDX, 4: PlatformType.VSM_ISOLATION}
MASKS = st.sampled_from([1, 2, 3, 4, 7])
GPAS = st.integers(0, 1 << 40).map(lambda page: page * 4096)
REGISTERS = VBSContext(
    igvm.Architecture.X64,
    (igvm.VBSRegister(vtl=0, register_name=0x20010, register_value=bytes(16)),),
)
ONES: dict[str, st.SearchStrategy[Any]] = {
    "page": st.builds(
        igvm.PageData,
        gpa=GPAS,
        compatibility_mask=MASKS,
        flags=st.sampled_from([0, 2, 4, 6]).map(igvm.PageDataFlags),
        data_type=st.sampled_from(igvm.PageDataType),
    ),
    "memory": st.builds(
        igvm.RequiredMemory, gpa=GPAS, compatibility_mask=MASKS, number_of_bytes=st.just(8192)
    ),
    "policy": st.builds(igvm.GuestPolicy, policy=st.integers(0, 99), compatibility_mask=MASKS),
    "error range": st.builds(
        igvm.ErrorRange, gpa=GPAS, compatibility_mask=MASKS, size_bytes=st.just(4096)
    ),
    "corim": st.builds(
        igvm.CorimDocument,
        compatibility_mask=MASKS,
        file_offset=st.just(0),
        size_bytes=st.just(0),
    ),
    "area": st.builds(
        igvm.ParameterArea,
        number_of_bytes=st.sampled_from([8192, 12288]),
        parameter_area_index=st.integers(0, (1 << 32) - 1),
    ),
    "vmsa": st.builds(
        igvm.VPContext, gpa=GPAS, compatibility_mask=st.just(1), file_offset=st.just(0)
    ),
    "registers": st.builds(
        igvm.VPContext, gpa=st.just(0), compatibility_mask=st.just(4), file_offset=st.just(0)
    ),
}
OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "text": st.builds(igvm.VersionString, text=st.text(max_size=9)),
    "unknown": st.builds(
        igvm.UnknownHeader,
        header_type=st.sampled_from([igvm.HeaderType(0x3F0), igvm.HeaderType(0x1F0)]),
        body=st.binary(max_size=9),
    ),
}


def _data(record: Any, blob: bytes) -> Any:
    """Data that `record` can have."""
    if isinstance(record, igvm.VPContext):
        return igvm.SEVVMSA(rip=len(blob)) if record.compatibility_mask == 1 else REGISTERS
    if isinstance(record, igvm.PageData):
        return blob[:4096]
    return blob if isinstance(record, (igvm.ParameterArea, igvm.CorimDocument)) else None


def _headers(kinds: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[tuple[Any, Any]]]:
    """Up to six headers with their data."""
    header = st.tuples(st.one_of(*kinds.values()), BLOBS)
    return st.lists(header.map(lambda pair: (pair[0], _data(*pair))), max_size=6)


def build(headers: list[tuple[Any, Any]]) -> Builder:
    """A version 1 file for three platforms with these headers."""
    builder = Builder(revision=1)
    for mask, kind in PLATFORMS.items():
        builder.platform(kind, compatibility_mask=mask)
    for record, data in headers:
        builder.add(record, data=data)
    return builder


def stored(record: Any, data: Any) -> bytes | None:
    """The data of a header as it lies in the file."""
    if data is None:
        return None
    if isinstance(record, igvm.VPContext):
        return bytes(data.pack())
    if isinstance(record, igvm.CorimDocument):
        return bytes(data)
    size = 4096 if isinstance(record, igvm.PageData) else record.number_of_bytes
    return bytes(data.ljust(size, b"\0")) if data else None


def in_order(headers: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The headers in the order of their sections."""
    return sorted(headers, key=lambda pair: type_of(pair[0]).section)


@given(_headers(ONES | OTHERS))
def test_what_goes_in_comes_out(headers: list[tuple[Any, Any]]) -> None:
    """Every record comes back with its data, in the order of the calls."""
    file = build(headers).build()
    expected = in_order(headers)
    added = list(file.headers)[3:]
    assert [type_of(record) for record, _ in expected] == [header.header_type for header in added]
    for (record, data), header in zip(expected, added, strict=True):
        changes = {}
        if hasattr(record, "file_offset"):
            changes["file_offset"] = header.record.file_offset  # type: ignore[union-attr]
        if hasattr(record, "size_bytes") and data is not None:
            changes["size_bytes"] = len(data)
        assert (record.replace(**changes) if changes else record) == header.record
        assert (stored(record, data) or b"") == bytes(file.data(header))


@given(_headers(ONES | OTHERS))
def test_layout(headers: list[tuple[Any, Any]]) -> None:
    """The file is that of a writer that is plain and slow."""
    platforms = [
        (igvm.SupportedPlatform(compatibility_mask=mask, platform_type=kind), None)
        for mask, kind in PLATFORMS.items()
    ]
    entries = []
    for record, data in platforms + in_order(headers):
        kind = type_of(record)
        blob = stored(record, data)
        is_corim = isinstance(record, igvm.CorimDocument)
        body = record.replace(size_bytes=len(data)).pack() if is_corim else record.pack()
        spec = HEADERS.get(kind)
        at = offset_field(spec.record) if spec is not None and spec.record is not None else 0
        entries.append(Entry(raw_header(kind, body), at, blob))
    assert layout(entries) == build(headers).to_bytes()


@given(_headers(ONES | OTHERS))
def test_a_built_file_is_canonical(headers: list[tuple[Any, Any]]) -> None:
    """What a builder writes is what `canonical` makes of it, and so is a builder of it."""
    file = build(headers).build()
    assert file.to_bytes() == canonical(file).to_bytes()
    assert file.to_bytes() == Builder.of(file).to_bytes()


@given(st.data(), _headers(ONES | OTHERS))
def test_canonical_is_idempotent(source: st.DataObject, headers: list[tuple[Any, Any]]) -> None:
    """Whatever bits of a header section are changed, the canonical form of it stays."""
    whole = bytearray(build(headers).to_bytes())
    end = 24 + int.from_bytes(whole[12:16], "little")
    for _ in range(source.draw(st.integers(1, 3))):
        whole[source.draw(st.integers(24, end - 1))] = source.draw(st.integers(0, 255))
    try:
        once = canonical(igvm.parse(bytes(whole)))
    except igvm.ValidationError:
        return  # the data is not there any more
    assert once.to_bytes() == canonical(once).to_bytes()
    sections = once.sections.tolist()
    assert sorted(sections) == sections


@given(headers=_headers(ONES))
def test_the_reference_writes_the_same(oracle: Oracle, headers: list[tuple[Any, Any]]) -> None:
    """A file that the reference reads is written by it as it is."""
    whole = build(headers).to_bytes()
    answer = oracle.serialise(whole, with_data=True)
    if answer.verdict.ok:
        assert whole == answer.data
