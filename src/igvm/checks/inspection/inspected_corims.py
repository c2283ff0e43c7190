"""CoRIM documents and signatures: which form of CBOR each has."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from igvm.checks.inspection.cbor_items import ARRAY, MAP, TEXT, is_one_item, member, tags_of
from igvm.spec.initialization import CorimDocument, CorimSignature

if TYPE_CHECKING:
    from igvm.checks.inspection.inspected_file import InspectedFile

_DOCUMENT, _SIGNATURE = 501, 18
_OLDER_ANY, _OLDER_SIGNED = 500, 502
_URI = 32
_PROFILE = 3
_SIGN1_PARTS = 4
_MOST_ITEMS = 1 << 14
"""Items that are followed of one document; those of the reference have some fifty."""
_SPARE_BYTES = 1 << 16


class CorimForm(Enum):
    """What the bytes of a CoRIM header are."""

    KNOWN = "as the drafts have it now"
    OLDER = "as earlier drafts had it"
    OTHER = "CBOR of another kind"
    NO_CBOR = "no CBOR"


class InspectedCorim(NamedTuple):
    """One document or signature."""

    header: int
    """Position of the header in the file."""
    form: CorimForm
    start: str
    """How it starts, in words."""
    profile: str
    """Which form its profile has, in words; empty where it has none."""


def read_corims(inspected: InspectedFile) -> list[InspectedCorim]:
    """Every document and signature that is in the file and has bytes, in file order.

    Bytes that several headers of one kind refer to are looked at once; what overlaps so much that
    the file would be read twice is left out.
    """
    found: list[InspectedCorim] = []
    left = inspected.file_size + _SPARE_BYTES
    for record in (CorimDocument, CorimSignature):
        table = inspected.table(record)
        seen: dict[tuple[int, int], InspectedCorim] = {}
        offsets, sizes = table.column("file_offset").tolist(), table.column("size_bytes").tolist()
        for header, start, size in zip(table.index.tolist(), offsets, sizes, strict=True):
            if start < inspected.file.data_offset or not 0 < size <= inspected.file_size - start:
                continue
            known = seen.get((start, size))
            if known is None:
                if size > left:
                    continue
                left -= size
                data = inspected.file.buffer[start : start + size]
                is_document = record is CorimDocument
                known = _inspected(data, header, is_document=is_document)
                seen[start, size] = known
            found.append(known._replace(header=header))
    return sorted(found)


def _inspected(data: memoryview, header: int, *, is_document: bool) -> InspectedCorim:
    """What one header refers to."""
    tags, head = tags_of(data)
    names = [f"tag {tag}" for tag in tags]
    kinds = {MAP: "a map", ARRAY: "an array"}
    names.append(kinds.get(-1 if head is None else head.kind, f"byte {data[0]:#04x}"))
    start = ", ".join(names)
    if is_one_item(data, _MOST_ITEMS) is False or head is None:
        return InspectedCorim(header, CorimForm.NO_CBOR, start, "")
    is_sign1 = head.kind == ARRAY and head.value == _SIGN1_PARTS
    form = CorimForm.OTHER
    if tags == ((_DOCUMENT,) if is_document else (_SIGNATURE,)):
        is_known = head.kind == MAP if is_document else is_sign1
        form = CorimForm.KNOWN if is_known else CorimForm.OTHER
    elif is_sign1 and set(tags) <= {_OLDER_ANY, _OLDER_SIGNED, _SIGNATURE}:
        form = CorimForm.OLDER
    elif is_document and head.kind == MAP and set(tags) <= {_OLDER_ANY, _OLDER_SIGNED, _DOCUMENT}:
        form = CorimForm.OLDER if tags else CorimForm.OTHER
    profile = ""
    if is_document and head.kind == MAP:
        at = member(data, head, _PROFILE, _MOST_ITEMS)
        if at is not None:
            profile = _profile(data, at)
    return InspectedCorim(header, form, start, profile)


def _profile(data: memoryview, at: int) -> str:
    """Which form the profile at `at` has."""
    tags, head = tags_of(data, at)
    if head is not None and head.kind == TEXT and tags in {(), (_URI,)}:
        return "the profile is a URI, tag 32" if tags else "the profile is bare text"
    return "another profile"
