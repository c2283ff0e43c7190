"""PE images, as far as a file's kind and its resources go (Microsoft's "PE Format")."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from igvm.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

_E_LFANEW = 0x3C
"""Where an MZ file says at which offset its PE headers start."""
_COFF = struct.Struct("<HHIIIHH")
_SECTION = struct.Struct("<8sIIII16x")
_MAGICS = {0x10B: 92, 0x20B: 108}
"""PE32 and PE32+, and where in their optional headers the data directories are counted."""
_SUBSYSTEM = 68
_DIRECTORY = struct.Struct("<II")
_RESOURCES = 2
"""The number of the data directory that is of resources."""
_IS_DLL = 0x2000
_UEFI = range(10, 14)
"""Subsystems of UEFI: applications, two kinds of drivers, and what is in a ROM."""
MOST_SECTIONS = 96
"""Sections of an image that Windows loads; no more are looked at."""

_TABLE = struct.Struct("<12xHH")
_ENTRY = struct.Struct("<II")
_DATA = struct.Struct("<II8x")
_HIGH_BIT = 1 << 31
MOST_RESOURCES = 256
"""Resources of one type that are looked at."""
_MOST_LETTERS = 64
"""Letters of a name that are shown."""


class Section(NamedTuple):
    """A part of the file and where it is in memory."""

    name: str
    address: int
    """From the start of the image in memory, a relative virtual address."""
    offset: int
    """In the file."""
    size: int
    """In the file, in bytes."""


class Image(NamedTuple):
    """What the headers of a PE image say."""

    machine: int
    is_dll: bool
    is_uefi: bool
    sections: tuple[Section, ...]
    resources: tuple[int, int] | None
    """Address and size of the resource directory; None where there is none."""


class Resource(NamedTuple):
    """Bytes that an image carries along."""

    type: str
    """Its name, or its number in decimal; so is `id`."""
    id: str
    offset: int
    """In the file; all of its bytes are there."""
    size: int

    def __str__(self) -> str:
        return f"{self.type}/{self.id} at {self.offset:#x}"


def pe_image(data: memoryview) -> Image | None:
    """The headers of a PE image; None where `data` is none, or does not hold them."""
    if bytes(data[:2]) != b"MZ" or len(data) < _E_LFANEW + 4:
        return None
    start = int.from_bytes(data[_E_LFANEW : _E_LFANEW + 4], "little")
    coff = start + 4
    optional = coff + _COFF.size
    if bytes(data[start:coff]) != b"PE\0\0" or optional + 2 > len(data):
        return None
    machine, count, _, _, _, optional_size, flags = _COFF.unpack_from(data, coff)
    table = optional + optional_size
    counted = _MAGICS.get(int.from_bytes(data[optional : optional + 2], "little"))
    if counted is None or counted + 4 > optional_size or table > len(data):
        return None
    sections = []
    for number in range(min(count, MOST_SECTIONS)):
        at = table + number * _SECTION.size
        if at + _SECTION.size > len(data):
            break
        name, _, address, size, offset = _SECTION.unpack_from(data, at)
        text = name.rstrip(b"\0").decode("ascii", "replace")
        sections.append(Section(text, address, offset, size))
    subsystem = int.from_bytes(data[optional + _SUBSYSTEM : optional + _SUBSYSTEM + 2], "little")
    directory = counted + 4 + _RESOURCES * _DIRECTORY.size
    has_resources = (
        int.from_bytes(data[optional + counted : optional + counted + 4], "little") > _RESOURCES
        and directory + _DIRECTORY.size <= optional_size
    )
    resources = _DIRECTORY.unpack_from(data, optional + directory) if has_resources else (0, 0)
    return Image(
        machine=machine,
        is_dll=bool(flags & _IS_DLL),
        is_uefi=subsystem in _UEFI,
        sections=tuple(sections),
        resources=(resources[0], resources[1]) if resources[0] else None,
    )


def resources(data: memoryview, image: Image, type_name: str) -> list[Resource]:
    """The resources of the type called `type_name`, of each the first language.

    The tree has three levels, of types, names and languages, and no more are followed: of the
    types the first with the name, of that at most MOST_RESOURCES, of each one language.

    Raises:
        FormatError: a table, a name or the bytes of a resource are not in the file.
    """
    if image.resources is None:
        return []
    return list(_Directory(data, image).resources(type_name))


class _Directory:
    """The resource directory of an image; positions count from its start."""

    def __init__(self, data: memoryview, image: Image) -> None:
        assert image.resources is not None
        address, _ = image.resources
        self._data, self._image = data, image
        section = _section_of(image, address)
        if section is None:
            raise FormatError(f"no section holds the resource directory, address {address:#x}")
        self._start = section.offset + address - section.address
        self._end = section.offset + section.size
        if self._end > len(data):
            raise _not_there("their section", self._end, data)

    def resources(self, type_name: str) -> Iterator[Resource]:
        """Those of one type."""
        kind = self._type(type_name)
        if kind is None:
            return
        for name, languages in self._entries(kind, "names", MOST_RESOURCES):
            label = str(name) if name < _HIGH_BIT else self._name(name - _HIGH_BIT)
            where = f"resource {type_name}/{label}"
            for _, leaf in self._entries(self._table(languages, where), "languages", 1):
                if leaf >= _HIGH_BIT:
                    raise self._wrong(leaf - _HIGH_BIT, f"{where} has a fourth level")
                address, size = self._unpack(_DATA, leaf, where)
                yield self._resource(type_name, label, address, size)

    def _resource(self, type_name: str, label: str, address: int, size: int) -> Resource:
        """The resource at an address.

        Raises:
            FormatError: its bytes are not in the file.
        """
        section = _section_of(self._image, address)
        if section is None or address + size > section.address + section.size:
            message = f"resource {type_name}/{label} ({size:,} bytes at address {address:#x})"
            raise FormatError(f"{message} is in no section")
        offset = section.offset + address - section.address
        if offset + size > len(self._data):
            raise _not_there(f"resource {type_name}/{label}", offset + size, self._data)
        return Resource(type_name, label, offset, size)

    def _type(self, type_name: str) -> int | None:
        """Where the table of the names of one type is; None where there is none."""
        wanted = type_name.encode("utf-16-le")
        for name, table in self._entries(0, "types", 1 << 17):
            if name < _HIGH_BIT:
                continue
            at = name - _HIGH_BIT
            if self._bytes(at, 2, "a name") == (len(type_name)).to_bytes(2, "little") and (
                self._bytes(at + 2, len(wanted), "a name") == wanted
            ):
                return self._table(table, f"resource type {type_name}")
        return None

    def _entries(self, table: int, what: str, most: int) -> Iterator[tuple[int, int]]:
        """The first entries of a table: a name or number, and where that leads."""
        named, numbered = self._unpack(_TABLE, table, f"the table of {what}")
        first = table + _TABLE.size
        for number in range(min(named + numbered, most)):
            yield self._unpack(_ENTRY, first + number * _ENTRY.size, f"the table of {what}")

    def _table(self, entry: int, what: str) -> int:
        """Where the table is that an entry leads to.

        Raises:
            FormatError: it leads to bytes, a level too early.
        """
        if entry < _HIGH_BIT:
            raise self._wrong(entry, f"{what} has no table of its own")
        return entry - _HIGH_BIT

    def _name(self, at: int) -> str:
        """A name: how many letters, and they."""
        letters = int.from_bytes(self._bytes(at, 2, "a name"), "little")
        shown = self._bytes(at + 2, 2 * min(letters, _MOST_LETTERS), "a name")
        more = "..." if letters > _MOST_LETTERS else ""
        return bytes(shown).decode("utf-16-le", "replace") + more

    def _unpack(self, form: struct.Struct, at: int, what: str) -> tuple[int, int]:
        first, second = form.unpack(self._bytes(at, form.size, what))
        return first, second

    def _bytes(self, at: int, size: int, what: str) -> memoryview:
        """Bytes of the directory.

        Raises:
            FormatError: they are not in its section.
        """
        start = self._start + at
        if start + size > self._end:
            raise self._wrong(at, f"{what} is not in the section of the resource directory")
        return self._data[start : start + size]

    def _wrong(self, at: int, message: str) -> FormatError:
        return FormatError(message, offset=self._start + at)


def _section_of(image: Image, address: int) -> Section | None:
    """The section whose bytes in the file hold an address."""
    for section in image.sections:
        if section.address <= address < section.address + section.size:
            return section
    return None


def _not_there(what: str, end: int, data: memoryview) -> FormatError:
    return FormatError(f"{what} ends at {end:#x}, and the file at {len(data):#x}")
