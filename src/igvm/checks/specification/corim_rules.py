"""CoRIM documents, their signatures, and the version string."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Lazy, Many, Place, headers, rule
from igvm.spec.enums import HeaderType
from igvm.spec.initialization import CorimDocument, CorimSignature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING

_TAGS = {CorimDocument: b"\xd9\x01\xf5", CorimSignature: b"\xd2"}
"""How the CBOR starts: tag 501, tagged-unsigned-corim-map, and tag 18, COSE_Sign1."""


@rule(
    "corim-twice",
    ERROR,
    "a platform must have at most one CORIM_DOCUMENT and one CORIM_SIGNATURE",
    "IGVM_VHT_CORIM_DOCUMENT, IGVM_VHT_CORIM_SIGNATURE",
)
def corim_twice(inspected: InspectedFile) -> Found:
    """A verifier would have to choose.

    The reference crate refuses two with the same mask and overlooks masks that share a bit.
    """
    for record in (CorimDocument, CorimSignature):
        table = inspected.table(record)
        mask = table.column("compatibility_mask")
        yield from headers(table.index, inspected.repeats_platform(mask), "compatibility_mask")


@rule(
    "corim-signature-order",
    ERROR,
    "a CORIM_SIGNATURE must follow the CORIM_DOCUMENT of its platform",
    "IGVM_VHT_CORIM_SIGNATURE",
)
def corim_signature_order(inspected: InspectedFile) -> Found:
    """The signature is detached, and the document before it is what it signs.

    The reference crate refuses the file.
    """
    import numpy as np

    documents, signatures = inspected.table(CorimDocument), inspected.table(CorimSignature)
    documented = np.zeros(len(documents) + 1, np.uint32)
    documented[1:] = np.bitwise_or.accumulate(documents[CorimDocument.compatibility_mask])
    before = documented[np.searchsorted(documents.index, signatures.index)]
    mask = signatures[CorimSignature.compatibility_mask]
    undocumented = mask & np.uint32(inspected.declared_mask) & ~before
    masks = undocumented[undocumented != 0]
    yield from headers(
        signatures.index,
        undocumented != 0,
        "compatibility_mask",
        lambda row: f"there is no document for {inspected.names(int(masks[row]))} yet",
    )


@rule(
    "corim-empty",
    WARNING,
    "a CoRIM header should have bytes",
    "IGVM_VHS_CORIM_DATA.size_bytes",
)
def corim_empty(inspected: InspectedFile) -> Found:
    """An empty document says nothing; with an offset of zero the reference crate reads none."""
    for record in (CorimDocument, CorimSignature):
        table = inspected.table(record)
        size, offset = table.column("size_bytes"), table.column("file_offset")
        yield from headers(table.index, size == 0, "size_bytes")
        is_lost = (size != 0) & (offset == 0)
        yield from headers(table.index, is_lost, "file_offset")


@rule(
    "corim-tag",
    WARNING,
    "the bytes of a CoRIM header should be the CBOR that it announces",
    "draft-ietf-rats-corim, section 4; RFC 9052, section 4.2",
)
def corim_tag(inspected: InspectedFile) -> Found:
    """A document starts with tag 501, a signature with tag 18.

    What starts otherwise is read by no verifier.
    """
    import numpy as np

    for record, tag in _TAGS.items():
        table = inspected.table(record)
        start = table.column("file_offset").astype(np.int64)
        size = table.column("size_bytes").astype(np.int64)
        is_inside = (start >= inspected.file.data_offset) & (size > 0)
        is_inside &= start + size <= inspected.file_size
        is_other = is_inside & (size < len(tag))
        long_enough = np.flatnonzero(is_inside & ~is_other)
        for position, byte in enumerate(tag):
            is_other[long_enough] |= inspected.octets[start[long_enough] + position] != byte
        message = f"the bytes there do not start with {tag.hex(' ')}"
        yield from headers(table.index, is_other, "file_offset", message)


def _version_strings(inspected: InspectedFile) -> NDArray[np.intp]:
    """Positions of the version strings in the file, shape (n,), intp."""
    index: NDArray[np.intp] = (inspected.file.types == HeaderType.VERSION_STRING).nonzero()[0]
    return index


@rule(
    "version-string-twice",
    ERROR,
    "a file must have at most one VERSION_STRING",
    "IGVM_VHT_VERSION_STRING",
)
def version_string_twice(inspected: InspectedFile) -> Found:
    """Whoever asks for the version of a file gets one answer."""
    index = _version_strings(inspected)
    if len(index) > 1:
        yield Many(index[1:], describe="there is one already")


@rule(
    "version-string-utf8",
    ERROR,
    "a VERSION_STRING must be UTF-8",
    "IGVM_VHT_VERSION_STRING",
)
def version_string_utf8(inspected: InspectedFile) -> Found:
    """What isn't text can't be shown; the reference crate refuses the file."""
    broken: list[tuple[int, int, int]] = []
    for index in _version_strings(inspected).tolist():
        header = inspected.file.header(index)
        try:
            str(header.body, "utf-8")
        except UnicodeDecodeError as error:
            broken.append((index, header.offset + 8 + error.start, header.body[error.start]))

    def place(number: int) -> Place:
        index, offset, value = broken[number]
        message = f"the byte {value:#04x} is not part of a character"
        return Place(message, index, field="text", offset=offset, value=value)

    if broken:
        yield Lazy(len(broken), place)
