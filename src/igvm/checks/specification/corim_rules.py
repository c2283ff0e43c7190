"""CoRIM documents, their signatures, and the version string."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.finding import Severity
from igvm.checks.rule import Lazy, Many, Place, headers, rule
from igvm.spec.enums import HeaderType
from igvm.spec.initialization import CorimDocument, CorimSignature

if TYPE_CHECKING:
    from igvm.checks.inspection.inspected_file import Facts
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
def corim_twice(facts: Facts) -> Found:
    """A verifier would have to choose.

    The reference crate refuses two with the same mask and overlooks masks that share a bit.
    """
    for record in (CorimDocument, CorimSignature):
        table = facts.table(record)
        mask = table.column("compatibility_mask")
        yield from headers(table.index, facts.second(mask), "compatibility_mask")


@rule(
    "corim-signature-order",
    ERROR,
    "a CORIM_SIGNATURE must follow the CORIM_DOCUMENT of its platform",
    "IGVM_VHT_CORIM_SIGNATURE",
)
def corim_signature_order(facts: Facts) -> Found:
    """The signature is detached, and the document before it is what it signs.

    The reference crate refuses the file.
    """
    import numpy as np

    documents, signatures = facts.table(CorimDocument), facts.table(CorimSignature)
    before = np.zeros(len(documents) + 1, np.uint32)
    before[1:] = np.bitwise_or.accumulate(documents[CorimDocument.compatibility_mask])
    known = before[np.searchsorted(documents.index, signatures.index)]
    mask = signatures[CorimSignature.compatibility_mask]
    alone = mask & np.uint32(facts.declared) & ~known
    masks = alone[alone != 0]
    yield from headers(
        signatures.index,
        alone != 0,
        "compatibility_mask",
        lambda k: f"there is no document for {facts.names(int(masks[k]))} yet",
    )


@rule(
    "corim-empty",
    WARNING,
    "a CoRIM header should have bytes",
    "IGVM_VHS_CORIM_DATA.size_bytes",
)
def corim_empty(facts: Facts) -> Found:
    """An empty document says nothing; with an offset of zero the reference crate reads none."""
    for record in (CorimDocument, CorimSignature):
        table = facts.table(record)
        yield from headers(table.index, table.column("size_bytes") == 0, "size_bytes")
        lost = (table.column("size_bytes") != 0) & (table.column("file_offset") == 0)
        yield from headers(table.index, lost, "file_offset")


@rule(
    "corim-tag",
    WARNING,
    "the bytes of a CoRIM header should be the CBOR that it announces",
    "draft-ietf-rats-corim, section 4; RFC 9052, section 4.2",
)
def corim_tag(facts: Facts) -> Found:
    """A document starts with tag 501, a signature with tag 18.

    What starts otherwise is read by no verifier.
    """
    import numpy as np

    for record, tag in _TAGS.items():
        table = facts.table(record)
        start = table.column("file_offset").astype(np.int64)
        size = table.column("size_bytes").astype(np.int64)
        inside = (start >= facts.data_start) & (size > 0) & (start + size <= facts.size)
        wrong = inside & (size < len(tag))
        rows = np.flatnonzero(inside & ~wrong)
        for position, byte in enumerate(tag):
            wrong[rows] |= facts.octets[start[rows] + position] != byte
        yield from headers(
            table.index, wrong, "file_offset", f"the bytes there do not start with {tag.hex(' ')}"
        )


def _texts(facts: Facts) -> Any:
    """The version strings."""
    return (facts.file.types == HeaderType.VERSION_STRING).nonzero()[0]


@rule(
    "version-string-twice",
    ERROR,
    "a file must have at most one VERSION_STRING",
    "IGVM_VHT_VERSION_STRING",
)
def version_string_twice(facts: Facts) -> Found:
    """Whoever asks for the version of a file gets one answer."""
    texts = _texts(facts)
    if len(texts) > 1:
        yield Many(texts[1:], describe="there is one already")


@rule(
    "version-string-utf8",
    ERROR,
    "a VERSION_STRING must be UTF-8",
    "IGVM_VHT_VERSION_STRING",
)
def version_string_utf8(facts: Facts) -> Found:
    """What isn't text can't be shown; the reference crate refuses the file."""
    wrong = []
    for index in _texts(facts).tolist():
        header = facts.file.header(index)
        try:
            str(header.body, "utf-8")
        except UnicodeDecodeError as error:
            wrong.append((index, header.offset + 8 + error.start, header.body[error.start]))

    def place(number: int) -> Place:
        index, offset, value = wrong[number]
        return Place(
            f"the byte {value:#04x} is not part of a character", index, None, "text", offset, value
        )

    if wrong:
        yield Lazy(len(wrong), place)
