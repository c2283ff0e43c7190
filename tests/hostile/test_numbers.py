"""Hostile lengths, offsets, counts and alignments in every field of every header."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igvm.spec.fixed import FixedHeaderV2
from igvm.spec.registry import HEADERS
from tests.hostile.bent_fields import bent_fields
from tests.hostile.edge_numbers import NUMBERS_32, NUMBERS_64
from tests.hostile.everything import bounded, use
from tests.small_files import raw
from tests.small_files.raw import with_checksum
from tests.small_files.samples import EVERY_HEADER

pytestmark = pytest.mark.slow

RECORDS = {spec.name: spec for spec in HEADERS.values() if spec.record is not None}


@pytest.mark.parametrize("name", RECORDS.keys())
def test_every_field_takes_every_extreme(name: str) -> None:
    """Each number of each header is set to each boundary value, in each sample that has it."""
    tried = 0
    for data in EVERY_HEADER.values():
        for bent in bent_fields(data, RECORDS[name]):
            assert use(bent, show=tried % 11 == 0)
            tried += 1
    assert tried


@pytest.mark.parametrize(
    "item",
    [item for item in FixedHeaderV2.FIELDS if item.name != "magic"],
    ids=lambda item: item.name,
)
def test_every_field_of_the_fixed_header_takes_every_extreme(item: object) -> None:
    """Sizes and offsets that wrap, overlap or point nowhere are refused or read."""
    name, at = item.name, item.offset  # type: ignore[attr-defined]
    for data in EVERY_HEADER.values():
        for value in NUMBERS_32:
            bent = bytearray(data)
            bent[at : at + 4] = value.to_bytes(4, "little")
            use(bytes(bent) if name == "checksum" else with_checksum(bent))
            use(bytes(bent), show=False)
    assert at < 32


numbers = st.one_of(st.sampled_from(NUMBERS_64), st.integers(0, (1 << 64) - 1))


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """A header of a known or an unknown type whose fields are boundary values or anything."""
    kind = draw(
        st.one_of(st.sampled_from([int(kind) for kind in HEADERS]), st.integers(0, 0xFFFFFFFF))
    )
    spec = HEADERS.get(kind & 0x7FFFFFFF)  # type: ignore[call-overload]
    if spec is None or spec.record is None or draw(st.integers(0, 9)) == 0:
        return raw.header(kind, draw(st.binary(max_size=40)))
    body = b""
    for item in spec.record.FIELDS:
        if item.code:
            small = draw(st.integers(0, 3)) if draw(st.booleans()) else draw(numbers)
            body += (small & (1 << 8 * item.size) - 1).to_bytes(item.size, "little")
        else:
            body += draw(st.sampled_from([bytes, lambda n: b"\xff" * n]))(item.size)
    return raw.header(kind | draw(st.sampled_from([0, 0, 0, 0x80000000])), body)


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.lists(headers(), max_size=6),
    st.binary(max_size=64),
    st.sampled_from([1, 2]),
    st.integers(0, 2),
    st.sampled_from([4096, 0, 1, 65536, 0x80000000, 0xFFFFFFFF]),
)
def test_any_headers_are_read(
    parts: list[bytes], data: bytes, version: int, architecture: int, page_size: int
) -> None:
    """Whatever the headers hold, reading, checking and showing end, in bounded memory."""
    whole = raw.RawFile(
        raw.platform(draw_kind(parts)) + b"".join(parts),
        data,
        version=version,
        architecture=architecture,
        page_size=page_size,
    ).to_bytes()
    assert use(whole)
    bounded(whole)


def draw_kind(parts: list[bytes]) -> int:
    """A platform type that goes with the length of the headers, so that all of them come up."""
    return sum(map(len, parts)) // 8 % 8


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    """Random bytes, bare and behind a magic, do no harm."""
    use(data)
    use(with_checksum(b"IGVM\1\0\0\0" + data))
    assert isinstance(data, bytes)
