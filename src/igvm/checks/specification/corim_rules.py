"""CoRIM documents, their signatures, and the version string."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection.inspected_corims import CorimForm
from igvm.checks.rule import Lazy, Many, Place, headers, rule
from igvm.spec.enums import HeaderType
from igvm.spec.initialization import CorimDocument, CorimSignature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_corims import InspectedCorim
    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


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
    "corim-cbor",
    ERROR,
    "the bytes of a CoRIM header must be one item of CBOR",
    "IGVM_VHT_CORIM_DOCUMENT, IGVM_VHT_CORIM_SIGNATURE; RFC 8949",
)
def corim_cbor(inspected: InspectedFile) -> Found:
    """The specification says what the bytes are, and these are something else, or damaged.

    The reference crate doesn't look when it reads a file.
    """
    bad = [each for each in inspected.corims if each.form == CorimForm.NO_CBOR]
    yield from _documents(bad, "the bytes there are no CBOR")


@rule(
    "corim-tag",
    WARNING,
    "a document should have tag 501, and a signature tag 18",
    "draft-ietf-rats-corim, section 4; RFC 9052, section 4.2",
)
def corim_tag(inspected: InspectedFile) -> Found:
    """The bytes are CBOR, and none of the forms of a CoRIM that are known here.

    A document is a map with tag 501, a signature an array with tag 18. Older forms are another
    rule, corim-older-form.
    """
    bad = [each for each in inspected.corims if each.form == CorimForm.OTHER]
    yield from _documents(bad, "the bytes there start with {start}")


@rule(
    "corim-older-form",
    NOTE,
    "older form: newer drafts have tag 501 and tag 18 alone",
    "earlier drafts of draft-ietf-rats-corim; Trustee, rvps/src/extractors/corim",
)
def corim_older_form(inspected: InspectedFile) -> Found:
    """Earlier drafts had tag 500 in front of all, and tag 502 in front of what is signed.

    A COSE_Sign1 may also come without its tag 18. Trustee's extractor takes tags 500 and 502
    away; what other verifiers do depends on the draft that they were written by.
    """
    old = [each for each in inspected.corims if each.form == CorimForm.OLDER]
    yield from _documents(old, "{start}")


@rule(
    "corim-profile",
    NOTE,
    "not every library reads each form of a profile",
    "draft-ietf-rats-corim, profile; corim 0.1.4 and 0.2.1, corim-rs 0.2.0, veraison/corim 53b3014",
)
def corim_profile(inspected: InspectedFile) -> Found:
    """The reference writes the profile as bare text, the draft has a URI, which is tag 32.

    The crate corim up to 0.1.4, which igvm 0.5.0 uses, reads bare text alone, veraison/corim
    53b3014 tag 32 alone; corim 0.2.1 and corim-rs 0.2.0 read both.
    """
    for words in ("the profile is bare text", "the profile is a URI, tag 32", "another profile"):
        named = [each for each in inspected.corims if each.profile == words]
        yield from _documents(named, words.replace("another profile", "the profile is neither"))


def _documents(bad: list[InspectedCorim], message: str) -> Found:
    """The headers of documents and signatures, with what was found."""
    if bad:
        yield Many(
            [each.header for each in bad],
            "file_offset",
            lambda row: message.format(start=bad[row].start),
        )


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
    """What isn't text can't be shown.

    No release of the reference crate up to 0.5.0 knows the type; all refuse the file anyway.
    """
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
