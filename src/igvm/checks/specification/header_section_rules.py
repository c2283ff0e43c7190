"""The variable headers as a list: types, lengths, order, padding and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Lazy, Many, Place, all_headers, rule
from igvm.spec.enums import OPTIONAL_BIT, PAST_TYPES, SECTION_RANGES, HeaderType, Section
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_BLOCK = 1 << 16
"""Headers that are looked at together."""

_FORBIDDEN = (HeaderType.INVALID, HeaderType.RESERVED_DO_NOT_USE)
_HARMLESS = (HeaderType.CORIM_DOCUMENT, HeaderType.CORIM_SIGNATURE, HeaderType.VERSION_STRING)


def _has_type(inspected: InspectedFile, types: Iterable[int]) -> NDArray[np.bool_]:
    """Which headers of the file have one of `types`, shape (n,), bool."""
    import numpy as np

    is_wanted = np.zeros(PAST_TYPES + 1, bool)
    is_wanted[list(types)] = True
    return is_wanted[inspected.capped_types]


def _is_optional(inspected: InspectedFile) -> NDArray[np.bool_]:
    """Which headers of the file have the optional bit, shape (n,), bool."""
    is_optional: NDArray[np.bool_] = inspected.file.walk.types >= OPTIONAL_BIT
    return is_optional


def _is_unknown(inspected: InspectedFile) -> NDArray[np.bool_]:
    """Which headers have a type that the specification does not know, shape (n,), bool."""
    return ~_has_type(inspected, (*HEADERS, *_FORBIDDEN))


@rule(
    "header-contained",
    ERROR,
    "each variable header must be contained in variable_header_size",
    "igvm_defs, Variable Header",
)
def header_contained(inspected: InspectedFile) -> Found:
    """A header that runs out of the section takes what follows it with it.

    Its length field is wrong, or variable_header_size is. Nothing after it can be found. The
    reference crate refuses the file.
    """
    trailing = inspected.file.trailing
    if len(trailing) >= 8:
        length = int.from_bytes(trailing[4:8], "little")
        header_type = HeaderType(int.from_bytes(trailing[:4], "little") & ~OPTIONAL_BIT)
        offset = inspected.file.data_offset - len(trailing)
        yield Place(
            f"a length of {length:#x} and {len(trailing) - 8:#x} bytes left",
            header=header_type.name,
            field="length",
            offset=offset + 4,
            value=length,
        )


@rule(
    "header-trailing",
    ERROR,
    "nothing may follow the last variable header",
    "IGVM_FIXED_HEADER.variable_header_size",
)
def header_trailing(inspected: InspectedFile) -> Found:
    """A few bytes that are not a header end the section.

    variable_header_size is wrong, or a length before it is. The reference crate refuses the file.
    """
    trailing = inspected.file.trailing
    if 0 < len(trailing) < 8:
        offset = inspected.file.data_offset - len(trailing)
        yield Place(f"{len(trailing)} bytes are left", offset=offset, value=bytes(trailing).hex())


@rule(
    "padding-missing",
    ERROR,
    "the padding of a variable header to a multiple of 8 must be in the section",
    "igvm_defs, Variable Header",
)
def padding_missing(inspected: InspectedFile) -> Found:
    """The last header is padded like every other, and variable_header_size counts it.

    A VP_CONTEXT has 20 bytes and 4 of padding; a tool that sums up lengths forgets them. The
    reference crate refuses the file.
    """
    walk = inspected.file.walk
    if len(walk.offsets):
        last = len(walk.offsets) - 1
        header = inspected.file.header(last)
        missing = -len(header.body) % 8 - len(header.padding)
        if missing > 0:
            yield Place(f"{missing} bytes of padding are missing", last)


@rule(
    "padding-zero",
    ERROR,
    "the padding of a variable header must be zero",
    "igvm_defs, Variable Header",
)
def padding_zero(inspected: InspectedFile) -> Found:
    """What is not zero there is read by nobody and still part of the checksum.

    igvm-tooling pads with the character "0" (0x30) instead of the byte 0. The reference crate
    doesn't look and writes zeroes when it writes such a file again.
    """
    import numpy as np

    file = inspected.file
    section = inspected.octets[file.section_offset : inspected.file.data_offset]
    steps = np.arange(7)
    found = [np.empty(0, np.intp)]
    for start in range(0, len(file.walk.offsets), _BLOCK):
        lengths = file.lengths_of(slice(start, start + _BLOCK))
        padded = np.flatnonzero(lengths % 8)
        lengths = lengths[padded].astype(np.int64)
        padded += start
        positions = (file.walk.offsets[padded] + 8 + lengths)[:, None] + steps
        is_padding = (steps < -lengths[:, None] % 8) & (positions < len(section))
        octets = section[np.minimum(positions, len(section) - 1)]
        found.append(padded[(is_padding & (octets != 0)).any(axis=1)])
    dirty = np.concatenate(found)

    def place(number: int) -> Place:
        header = file.header(int(dirty[number]))
        padding = bytes(header.padding)
        origin = " (as igvm-tooling does)" if set(padding) == {0x30} else ""
        return Place(
            f"the padding is {padding.hex(' ')}{origin}",
            header.index,
            offset=header.offset + 8 + len(header.body),
            value=padding.hex(),
        )

    if len(dirty):
        yield Lazy(len(dirty), place)


@rule(
    "section-order",
    ERROR,
    "platform headers must come first, then initialization headers, then directives",
    "igvm_defs, Variable Header",
)
def section_order(inspected: InspectedFile) -> Found:
    """A loader is to go from one section to the next once, and never back.

    The reference crate refuses the file. Sort the headers by section and keep the order of those
    of one section: it is part of the launch measurement.
    """
    import numpy as np

    sections = inspected.file.sections
    late = np.flatnonzero(sections < np.maximum.accumulate(sections))

    def describe(row: int) -> str:
        section = Section(int(sections[late[row]]))
        return f"a {section.name.lower()} header comes late"

    if len(late):
        yield Many(late, describe=describe)


@rule(
    "type-forbidden",
    ERROR,
    "types 0x0 and 0x306 must not be used",
    "IgvmVariableHeaderType.INVALID, RESERVED_DO_NOT_USE",
)
def type_forbidden(inspected: InspectedFile) -> Found:
    """Type 0 is invalid; 0x306 was IGVM_VHT_SHARED_BOUNDARY_GPA in early revisions.

    The reference crate refuses both. shared_gpa_boundary of the platform header took the place
    of 0x306.
    """
    is_forbidden = _has_type(inspected, _FORBIDDEN)
    yield from all_headers(is_forbidden, "it must not be used")


@rule(
    "type-unknown",
    ERROR,
    "a type without the optional bit must be one that the specification defines",
    "igvm_defs, Variable Header",
)
def type_unknown(inspected: InspectedFile) -> Found:
    """A loader that doesn't support a type whose bit 31 is clear must not load the file.

    The header may come from a newer revision of the format, or be damaged.
    """
    is_refused = _is_unknown(inspected) & ~_is_optional(inspected)
    yield from all_headers(is_refused, "the type is not known")


@rule(
    "type-unknown-optional",
    NOTE,
    "a loader that does not know an optional type skips the header",
    "IGVM_VHT_OPTIONAL_BIT",
)
def type_unknown_optional(inspected: InspectedFile) -> Found:
    """Bit 31 allows a loader to skip a header that it doesn't know.

    The igvm crate up to 0.5.0 doesn't implement it and refuses every file with such a header.
    """
    is_skipped = _is_unknown(inspected) & _is_optional(inspected)
    yield from all_headers(is_skipped, "the type is not known")


@rule(
    "type-range",
    WARNING,
    "a type should lie in the range of a section",
    "IGVM_VHT_RANGE_PLATFORM, IGVM_VHT_RANGE_INIT, IGVM_VHT_RANGE_DIRECTIVE",
)
def type_range(inspected: InspectedFile) -> Found:
    """Types 0x1 to 0x100, 0x101 to 0x200 and 0x301 to 0x400 say which section a header is in.

    For an optional header of any other type that cannot be told, nor whether it stands in the
    right place.
    """
    import numpy as np

    has_section = np.zeros(PAST_TYPES + 1, bool)
    for types in SECTION_RANGES.values():
        has_section[types.start : types.stop] = True
    has_section[HeaderType.INVALID] = True  # breaks a rule of its own
    is_stray = ~has_section[inspected.capped_types]
    yield from all_headers(is_stray, "the type is in no range")


@rule(
    "header-length",
    ERROR,
    "the length of a header must be the size of the structure of its type",
    "IGVM_VHS_VARIABLE_HEADER.length",
)
def header_length(inspected: InspectedFile) -> Found:
    """Each type but VERSION_STRING has one structure with one size, padding not counted.

    A VP_CONTEXT has 20 bytes although 24 are taken. The reference crate refuses other lengths.
    """
    import numpy as np

    size_of_type = np.zeros(PAST_TYPES + 1, np.uint32)
    for header_type, spec in HEADERS.items():
        size_of_type[header_type] = 0 if spec.record is None else spec.record.SIZE
    file, types = inspected.file, inspected.capped_types
    found = []
    for start in range(0, len(types), _BLOCK):
        size = size_of_type[types[start : start + _BLOCK]]
        lengths = file.lengths_of(slice(start, start + _BLOCK))
        found.append(np.flatnonzero((size != 0) & (lengths != size)) + start)
    wrong = np.concatenate(found) if found else np.empty(0, np.intp)

    def place(number: int) -> Place:
        index = int(wrong[number])
        header = inspected.file.header(index)
        length = len(header.body)
        return Place(
            f"length is {length} and not {int(size_of_type[types[index]])}",
            index,
            header=header.name,
            field="length",
            offset=header.offset + 4,
            value=length,
        )

    if len(wrong):
        yield Lazy(len(wrong), place)


@rule(
    "optional-bit",
    WARNING,
    "a header that the guest depends on should not be optional",
    "IGVM_VHT_OPTIONAL_BIT",
)
def optional_bit(inspected: InspectedFile) -> Found:
    """A loader that skips a page, a policy or a context starts another guest than was meant.

    The igvm crate up to 0.5.0 refuses every header with the bit. VERSION_STRING and the CoRIM
    headers can be skipped without harm.
    """
    is_essential = _has_type(inspected, HEADERS.keys() - set(_HARMLESS))
    is_skipped = is_essential & _is_optional(inspected)
    yield from all_headers(is_skipped, "the optional bit is set")
