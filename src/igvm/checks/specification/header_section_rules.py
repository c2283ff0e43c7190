"""The variable headers as a list: types, lengths, order, padding and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection.inspected_file import PAST_TYPES
from igvm.checks.rule import Lazy, Many, Place, headers, rule
from igvm.spec.enums import OPTIONAL_BIT, HeaderType, Section
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.checks.rule import Found

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_FORBIDDEN = (HeaderType.INVALID, HeaderType.RESERVED_DO_NOT_USE)
_HARMLESS = (HeaderType.CORIM_DOCUMENT, HeaderType.CORIM_SIGNATURE, HeaderType.VERSION_STRING)


def _is(facts: Facts, *types: int) -> NDArray[np.bool_]:
    """Which headers of the file have one of `types`."""
    import numpy as np

    chosen = np.zeros(PAST_TYPES + 1, bool)
    chosen[list(types)] = True
    return chosen[facts.small_types]


def _optional(facts: Facts) -> NDArray[np.bool_]:
    """Which headers of the file have the optional bit."""
    optional: NDArray[np.bool_] = facts.file.walk.types >= OPTIONAL_BIT
    return optional


def _unknown(facts: Facts) -> NDArray[np.bool_]:
    """Which headers of the file have a type that the specification does not know."""
    return ~_is(facts, *HEADERS, *_FORBIDDEN)


@rule(
    "header-contained",
    ERROR,
    "each variable header must be contained in variable_header_size",
    "igvm_defs, Variable Header",
)
def header_contained(facts: Facts) -> Found:
    """A header that runs out of the section takes what follows it with it.

    Its length field is wrong, or variable_header_size is. Nothing after it can be found, and
    every loader refuses the file.
    """
    rest = facts.file.trailing
    if len(rest) >= 8:
        length = int.from_bytes(rest[4:8], "little")
        kind = HeaderType(int.from_bytes(rest[:4], "little") & ~OPTIONAL_BIT)
        offset = facts.data_start - len(rest)
        message = f"a length of {length:#x} and {len(rest) - 8:#x} bytes left"
        yield Place(message, None, kind.name, "length", offset + 4, length)


@rule(
    "header-trailing",
    ERROR,
    "nothing may follow the last variable header",
    "IGVM_FIXED_HEADER.variable_header_size",
)
def header_trailing(facts: Facts) -> Found:
    """A few bytes that are not a header end the section.

    variable_header_size is wrong, or a length before it is. The reference crate refuses the file.
    """
    rest = facts.file.trailing
    if 0 < len(rest) < 8:
        offset = facts.data_start - len(rest)
        yield Place(f"{len(rest)} bytes are left", offset=offset, value=bytes(rest).hex())


@rule(
    "padding-missing",
    ERROR,
    "the padding of a variable header to a multiple of 8 must be in the section",
    "igvm_defs, Variable Header",
)
def padding_missing(facts: Facts) -> Found:
    """The last header is padded like every other, and variable_header_size counts it.

    A VP_CONTEXT has 20 bytes and 4 of padding; a tool that sums up lengths forgets them. The
    reference crate refuses the file.
    """
    walk = facts.file.walk
    if len(walk.offsets):
        last = len(walk.offsets) - 1
        header = facts.file.header(last)
        short = -len(header.body) % 8 - len(header.padding)
        if short > 0:
            yield Place(f"{short} bytes of padding are missing", last)


@rule(
    "padding-zero",
    ERROR,
    "the padding of a variable header must be zero",
    "igvm_defs, Variable Header",
)
def padding_zero(facts: Facts) -> Found:
    """What is not zero there is read by nobody and still part of the checksum.

    igvm-tooling pads with the character "0" (0x30) instead of the byte 0. The reference crate
    doesn't look and writes zeroes when it writes such a file again.
    """
    import numpy as np

    file = facts.file
    rows = np.flatnonzero(file.lengths % 8)
    if not len(rows):
        return
    section = facts.octets[file.section_offset : facts.data_start]
    lengths = file.lengths[rows].astype(np.int64)
    steps = np.arange(7)
    places = (file.walk.offsets[rows] + 8 + lengths)[:, None] + steps
    inside = (steps < -lengths[:, None] % 8) & (places < len(section))
    dirty = (inside & (section[np.minimum(places, len(section) - 1)] != 0)).any(axis=1)
    found = rows[dirty]

    def place(number: int) -> Place:
        header = file.header(int(found[number]))
        padding = bytes(header.padding)
        ours = " (as igvm-tooling does)" if set(padding) == {0x30} else ""
        message = f"the padding is {padding.hex(' ')}{ours}"
        return Place(
            message,
            header.index,
            offset=header.offset + 8 + len(header.body),
            value=padding.hex(),
        )

    if len(found):
        yield Lazy(len(found), place)


@rule(
    "section-order",
    ERROR,
    "platform headers must come first, then initialization headers, then directives",
    "igvm_defs, Variable Header",
)
def section_order(facts: Facts) -> Found:
    """A loader goes from one section to the next once and never back.

    The reference crate refuses the file. Sort the headers by section and keep the order of those
    of one section: it is part of the launch measurement.
    """
    import numpy as np

    sections = facts.file.sections
    reached = np.maximum.accumulate(sections)

    def describe(position: int) -> str:
        index = int(back[position])
        return f"a {Section(int(sections[index])).name.lower()} header comes late"

    back = np.flatnonzero(sections < reached)
    if len(back):
        yield Many(back, describe=describe)


@rule(
    "type-forbidden",
    ERROR,
    "types 0x0 and 0x306 must not be used",
    "IgvmVariableHeaderType.INVALID, RESERVED_DO_NOT_USE",
)
def type_forbidden(facts: Facts) -> Found:
    """Type 0 is invalid; 0x306 was IGVM_VHT_SHARED_BOUNDARY_GPA in early revisions.

    Loaders refuse both. shared_gpa_boundary of the platform header took the place of 0x306.
    """
    yield from headers(facts.file.index, _is(facts, *_FORBIDDEN), describe="it must not be used")


@rule(
    "type-unknown",
    ERROR,
    "a type without the optional bit must be one that the specification defines",
    "igvm_defs, Variable Header",
)
def type_unknown(facts: Facts) -> Found:
    """A loader that doesn't support a type whose bit 31 is clear cannot load the file.

    The header may come from a newer revision of the format, or be damaged.
    """
    yield from headers(
        facts.file.index, _unknown(facts) & ~_optional(facts), describe="the type is not known"
    )


@rule(
    "type-unknown-optional",
    NOTE,
    "a loader that does not know an optional type skips the header",
    "IGVM_VHT_OPTIONAL_BIT",
)
def type_unknown_optional(facts: Facts) -> Found:
    """Bit 31 allows a loader to skip a header that it doesn't know.

    The igvm crate up to 0.5.0 doesn't implement it and refuses every file with such a header.
    """
    yield from headers(
        facts.file.index, _unknown(facts) & _optional(facts), describe="the type is not known"
    )


@rule(
    "type-range",
    WARNING,
    "a type should lie in the range of a section",
    "IGVM_VHT_RANGE_PLATFORM, IGVM_VHT_RANGE_INIT, IGVM_VHT_RANGE_DIRECTIVE",
)
def type_range(facts: Facts) -> Found:
    """Types 0x1 to 0x100, 0x101 to 0x200 and 0x301 to 0x400 say which section a header is in.

    For an optional header of any other type that cannot be told, nor whether it stands in the
    right place.
    """
    import numpy as np

    inside = np.zeros(PAST_TYPES + 1, bool)
    inside[0x1:0x201] = inside[0x301:0x401] = True
    stray = ~inside[facts.small_types] & ~_is(facts, HeaderType.INVALID)
    yield from headers(facts.file.index, stray, describe="the type is in no range")


@rule(
    "header-length",
    ERROR,
    "the length of a header must be the size of the structure of its type",
    "IGVM_VHS_VARIABLE_HEADER.length",
)
def header_length(facts: Facts) -> Found:
    """Each type but VERSION_STRING has one structure with one size, padding not counted.

    A VP_CONTEXT has 20 bytes although 24 are taken. The reference crate refuses other lengths.
    """
    import numpy as np

    wanted = np.zeros(PAST_TYPES + 1, np.uint32)
    for kind, spec in HEADERS.items():
        wanted[kind] = 0 if spec.record is None else spec.record.SIZE
    size = wanted[facts.small_types]
    wrong = np.flatnonzero((size != 0) & (facts.file.lengths != size))

    def place(number: int) -> Place:
        index = int(wrong[number])
        header = facts.file.header(index)
        length = len(header.body)
        message = f"length is {length} and not {int(size[index])}"
        return Place(message, index, header.name, "length", header.offset + 4, length)

    if len(wrong):
        yield Lazy(len(wrong), place)


@rule(
    "optional-bit",
    WARNING,
    "a header that the guest depends on should not be optional",
    "IGVM_VHT_OPTIONAL_BIT",
)
def optional_bit(facts: Facts) -> Found:
    """A loader that skips a page, a policy or a context starts another guest than was meant.

    The igvm crate up to 0.5.0 refuses every header with the bit. VERSION_STRING and the CoRIM
    headers can be skipped without harm.
    """
    essential = _is(facts, *(kind for kind in HEADERS if kind not in _HARMLESS))
    yield from headers(
        facts.file.index, essential & _optional(facts), describe="the optional bit is set"
    )
