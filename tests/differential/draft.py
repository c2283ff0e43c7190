"""Small files in pieces that can still be bent: sound ones, of every kind that the format has."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from igvm.spec.context import VBSRegister
from igvm.spec.directive import PageData, ParameterArea, VPContext
from igvm.spec.enums import PlatformType
from igvm.spec.hyperv import ARM64_STORABLE, X64_STORABLE
from igvm.spec.registry import HEADERS, TYPE_OF
from tests.small_files.raw import PAGE_SIZE, RawFile

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from igvm.wire.record import Record

_X64 = [kind for kind in PlatformType if kind != PlatformType.CCA]
_ARM = [PlatformType.VSM_ISOLATION, PlatformType.CCA]
RECORDS = {int(kind): spec.record for kind, spec in HEADERS.items() if spec.record is not None}
PARAMETERS = sorted(
    int(kind) for kind, spec in HEADERS.items() if spec.area is not None and spec.area.act == "fill"
)


@dataclass
class Header:
    """One variable header: its type, its body, and whether its padding is zero."""

    kind: int
    body: bytes
    length: int | None = None
    """The length field, where it is not that of the body."""
    padding: int = 0

    def pack(self) -> bytes:
        """The bytes of the header."""
        length = len(self.body) if self.length is None else self.length
        padding = bytes([self.padding]) * (-len(self.body) % 8)
        return struct.pack("<II", self.kind, length & 0xFFFFFFFF) + self.body + padding


@dataclass
class Draft:
    """A file that can still be bent."""

    headers: list[Header] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    version: int = 1
    architecture: int = 0
    tail: bytes = b""
    """Bytes after the last header, or a number of bytes to cut off where negative."""
    cut: int = 0

    @property
    def data_start(self) -> int:
        """Where the file data starts, as long as nothing is bent."""
        return (24 if self.version == 1 else 32) + sum(
            len(header.pack()) for header in self.headers
        )

    def raw(self) -> RawFile:
        """The pieces of the file."""
        section = b"".join(header.pack() for header in self.headers) + self.tail
        section = section[: len(section) - self.cut]
        return RawFile(section, bytes(self.data), self.version, self.architecture)


def rebase(draft: Draft, before: int) -> None:
    """Let what referred into the file data, which began at `before`, do so still."""
    for header in draft.headers:
        offset = get(header, "file_offset")
        if before <= offset < before + len(draft.data):
            put(header, "file_offset", offset + draft.data_start - before)


def sound(rng: random.Random) -> Draft:
    """A file over the whole format that is meant to be valid."""
    arm = rng.random() < 0.3
    old = rng.random() < 0.5  # only what release 0.4 knows too
    draft = Draft(version=2 if arm else rng.choice([1, 2]), architecture=int(arm))
    possible = (_ARM[:1] if old else _ARM) if arm else _X64
    kinds = rng.sample(possible, rng.randint(1, min(4, len(possible))))
    bits = rng.sample(range(32) if rng.random() < 0.2 else range(6), len(kinds))
    platforms = {kind: 1 << bit for kind, bit in zip(kinds, bits, strict=True)}
    plan: list[tuple[type[Record], dict[str, Any]]] = [
        (
            RECORDS[1],
            {
                "compatibility_mask": mask,
                "platform_type": kind,
                "highest_vtl": rng.choice([0, 2]),
                "shared_gpa_boundary": 0 if kind < 2 else rng.choice([0, 1 << 46]),
            },
        )
        for kind, mask in platforms.items()
    ]
    masks = list(platforms.values())
    vtl = rng.randint(0, 2)
    plan += _initializations(rng, platforms, vtl, old=old)
    plan += _directives(rng, masks)
    contexts = _contexts(rng, platforms)
    draft.headers = [pack(record, values) for record, values in plan]
    draft.headers += [pack(VPContext, values) for _, values in contexts]
    if rng.random() < 0.01 and len(draft.headers) > len(platforms):
        del draft.headers[: len(platforms)]
    _fill(rng, draft, [kind for kind, _ in contexts], vtl)
    return draft


def _mask(rng: random.Random, masks: list[int]) -> int:
    """A mask of one or more of the platforms."""
    return sum(rng.sample(masks, rng.randint(1, len(masks))))


def _initializations(
    rng: random.Random, platforms: dict[PlatformType, int], vtl: int, *, old: bool
) -> Iterator[tuple[type[Record], dict[str, Any]]]:
    """Initialization headers, each of which is likely to be taken."""
    masks = list(platforms.values())
    if rng.random() < 0.4:
        yield RECORDS[0x101], {"policy": 0x30000, "compatibility_mask": _mask(rng, masks)}
    vbs = platforms.get(PlatformType.VSM_ISOLATION)
    if vbs is not None and rng.random() < 0.6:
        for number in range(rng.randint(1, 3)):
            unit = rng.choice([PAGE_SIZE, 1 << 21])
            yield (
                RECORDS[0x102],
                {
                    "compatibility_mask": vbs if rng.random() < 0.8 else vbs | _mask(rng, masks),
                    "vtl": vtl,
                    "flags": rng.randint(0, 7),
                    "relocation_alignment": unit,
                    "relocation_region_gpa": (number + 1) * 8 * unit,
                    "relocation_region_size": rng.choice([1, 2, 8, 9]) * unit,
                    "minimum_relocation_gpa": 0,
                    "maximum_relocation_gpa": 64 * unit,
                },
            )
        if rng.random() < 0.5:
            gpa = rng.choice([0, PAGE_SIZE, 1 << 30, -2 * PAGE_SIZE % (1 << 64)])
            yield (
                RECORDS[0x103],
                {
                    "compatibility_mask": vbs,
                    "vtl": vtl,
                    "gpa": gpa,
                    "size": rng.choice([PAGE_SIZE, 2 * PAGE_SIZE]),
                    "used_size": rng.choice([0, PAGE_SIZE]),
                },
            )
    if old:
        return
    if rng.random() < 0.3:
        mask = _mask(rng, masks)
        yield RECORDS[0x104], {"compatibility_mask": mask, "file_offset": 1, "size_bytes": 9}
        if rng.random() < 0.6:
            yield RECORDS[0x105], {"compatibility_mask": mask, "file_offset": 1, "size_bytes": 5}
    if PlatformType.CCA in platforms and rng.random() < 0.5:
        yield (
            RECORDS[0x106],
            {
                "compatibility_mask": platforms[PlatformType.CCA],
                "attributes_required_zeroes": 1,
                "attributes_required_ones": 2,
            },
        )


def _directives(
    rng: random.Random, masks: list[int]
) -> Iterator[tuple[type[Record], dict[str, Any]]]:
    """Directive headers other than contexts, each of which is likely to be taken."""

    def gpa() -> int:
        return rng.choice([0, 1, 2, 3, 8, 1 << 18, (1 << 52) - 1]) * PAGE_SIZE

    for number in range(rng.randint(0, 2)):
        index = rng.choice([number, 0xFFFFFFFF - number])
        size = rng.choice([0, PAGE_SIZE])
        offset = rng.choice([0, 1])
        yield (
            ParameterArea,
            {"number_of_bytes": size, "parameter_area_index": index, "file_offset": offset},
        )
        for kind in rng.sample(PARAMETERS, rng.randint(0, 3)):
            yield RECORDS[kind], {"parameter_area_index": index, "byte_offset": rng.choice([0, 8])}
        if rng.random() < 0.7:
            yield (
                RECORDS[0x303],
                {
                    "gpa": gpa(),
                    "compatibility_mask": _mask(rng, masks),
                    "parameter_area_index": index,
                },
            )
    for _ in range(rng.randint(0, 3)):
        yield (
            PageData,
            {
                "gpa": gpa(),
                "compatibility_mask": _mask(rng, masks),
                "file_offset": rng.choice([0, 1]),
                "flags": rng.randint(0, 7),
                "data_type": rng.randint(0, 3),
            },
        )
    if rng.random() < 0.3:
        mask = _mask(rng, masks)
        yield (
            RECORDS[0x305],
            {
                "gpa": gpa(),
                "compatibility_mask": mask,
                "number_of_bytes": 2 * PAGE_SIZE,
                "flags": 1,
            },
        )
    if rng.random() < 0.2:
        yield (
            RECORDS[0x30D],
            {"gpa": gpa(), "compatibility_mask": _mask(rng, masks), "size_bytes": PAGE_SIZE},
        )
    for kind in (0x30B, 0x311):
        if rng.random() < 0.05:
            yield RECORDS[kind], {"compatibility_mask": _mask(rng, masks)}


def _contexts(
    rng: random.Random, platforms: dict[PlatformType, int]
) -> list[tuple[PlatformType, dict[str, Any]]]:
    """VP contexts of the platforms that have any."""
    result: list[tuple[PlatformType, dict[str, Any]]] = []
    for kind, mask in platforms.items():
        # Relocation needs the VBS context.
        likely = 0.9 if kind == PlatformType.VSM_ISOLATION else 0.4
        if kind != PlatformType.TDX and rng.random() < likely:
            for number in range(rng.randint(1, 2)):
                vp = 0 if kind == PlatformType.VSM_ISOLATION else number
                values = {"gpa": 0xFFFFF000, "compatibility_mask": mask, "vp_index": vp}
                result.append((kind, values | {"file_offset": 1}))
    return result


def pack(record: type[Record], values: dict[str, Any]) -> Header:
    """A header of `record`, zero where `values` says nothing."""
    body = bytearray(record.SIZE)
    for item in record.FIELDS:
        number = values.get(item.name)
        if number is None and isinstance(item.default, int):
            number = int(item.default)
        if number is not None:
            body[item.offset : item.offset + item.size] = number.to_bytes(item.size, "little")
    return Header(int(TYPE_OF[record]), bytes(body))


def _registers(rng: random.Random, architecture: int, vtl: int) -> bytes:
    """A VBS register list."""
    names = sorted(ARM64_STORABLE if architecture else X64_STORABLE)
    if architecture and rng.random() < 0.7:
        names = names[:2]  # X0 and X1, which every release knows
    count = rng.randint(1, 4)
    registers = b"".join(
        VBSRegister(
            vtl=vtl, register_name=rng.choice(names), register_value=rng.randbytes(16)
        ).pack()
        for _ in range(count)
    )
    return struct.pack("<I", count) + registers


def _fill(rng: random.Random, draft: Draft, kinds: list[PlatformType], vtl: int) -> None:
    """Give the headers that want it file data, and the file the bytes."""
    start = draft.data_start
    lists = _registers(rng, draft.architecture, vtl) * rng.randint(1, 2)
    page = bytearray(PAGE_SIZE)
    if rng.random() < 0.5:
        used = rng.choice([80, 80, 232, 0x670])
        page[:used] = rng.randbytes(used)
    draft.data = bytearray(b"\x07" * rng.choice([0, 3, 8])) + page
    at = len(draft.data) - PAGE_SIZE
    where = len(draft.data)
    draft.data += lists
    contexts = [header for header in draft.headers if header.kind == TYPE_OF[VPContext]]
    for header, kind in zip(contexts, kinds, strict=True):
        put(header, "file_offset", start + (where if kind == PlatformType.VSM_ISOLATION else at))
    for header in draft.headers:
        if header.kind != TYPE_OF[VPContext] and get(header, "file_offset"):
            put(header, "file_offset", start + at)


def field_at(header: Header, name: str) -> slice | None:
    """Where the field called `name` is in the body of `header`."""
    record = RECORDS.get(header.kind)
    for item in record.FIELDS if record else ():
        if item.name == name:
            return slice(item.offset, item.offset + item.size)
    return None


def get(header: Header, name: str) -> int:
    """The number in the field called `name`; zero where `header` has none."""
    where = field_at(header, name)
    return 0 if where is None else int.from_bytes(header.body[where], "little")


def put(header: Header, name: str, value: int) -> None:
    """Write a number, as many bits as fit, into the field called `name`, if `header` has it."""
    where = field_at(header, name)
    if where is not None and where.stop <= len(header.body):
        size = where.stop - where.start
        number = (value % (1 << 8 * size)).to_bytes(size, "little")
        header.body = header.body[: where.start] + number + header.body[where.stop :]
