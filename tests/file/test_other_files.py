"""What is said of files that are no IGVM files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile

import pytest

import igvm
from tests.small_files import dll, raw

GUEST = raw.file(raw.platform(), raw.page(0x1000))
FOOTER = bytes.fromhex("de82b596b21ff745baeaa366c55a082d")


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("guest.igvm"))
    return stream.getvalue()


def _zip(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, GUEST)
    return stream.getvalue()


def _elf(order: str, machine: int) -> bytes:
    data_order = 1 if order == "<" else 2
    start = b"\x7fELF" + bytes([2, data_order, 1]) + bytes(9)
    return start + struct.pack(f"{order}HH", 2, machine) + bytes(60)


def _kernel() -> bytes:
    return bytes(0x1FE) + b"\x55\xaa\xeb\x66HdrS" + bytes(4096)


def _firmware() -> bytes:
    table = struct.pack("<H", 18) + FOOTER
    return (bytes(40) + b"_FVH").ljust(8192 - 32 - 18, b"\xff") + table + bytes(32)


KINDS = {
    "nothing": (b"", "an empty file"),
    "gzip": (gzip.compress(GUEST), "compressed with gzip: decompress it first (gunzip)"),
    "xz": (lzma.compress(GUEST), "compressed with xz: decompress it first (unxz)"),
    "bzip2": (bz2.compress(GUEST), "compressed with bzip2: decompress it first (bunzip2)"),
    "bzip2 of nothing": (
        bz2.compress(b"").ljust(24),
        "compressed with bzip2: decompress it first (bunzip2)",
    ),
    "zstd": (
        b"\x28\xb5\x2f\xfd".ljust(40, b"\1"),
        "compressed with zstd: decompress it first (unzstd)",
    ),
    "lz4": (
        b"\x04\x22\x4d\x18".ljust(40, b"\1"),
        "compressed with lz4: decompress it first (unlz4)",
    ),
    "zip": (_zip("guest.igvm"), "a zip archive: unpack it first (unzip)"),
    "zip of nothing": (_zip().ljust(24, b"\0"), "a zip archive with nothing in it"),
    "tar": (_tar(), "a tar archive: unpack it first (tar -x)"),
    "cpio": (b"070701".ljust(200, b"0"), "a cpio archive, such as an initrd"),
    "qcow2": (b"QFI\xfb".ljust(200, b"\1"), "a disk image (qcow2)"),
    "ELF": (
        _elf("<", 62),
        "an ELF file (x86-64), from which an IGVM file has yet to be built",
    ),
    "ELF of another order": (
        _elf(">", 183),
        "an ELF file (AArch64), from which an IGVM file has yet to be built",
    ),
    "ELF of another machine": (
        _elf("<", 22),
        "an ELF file, from which an IGVM file has yet to be built",
    ),
    "kernel": (_kernel(), "a Linux kernel (bzImage), which igvm measure takes as --kernel"),
    "kernel with a PE header": (
        dll.image(bytes(64), subsystem=10)[:0x1FE] + _kernel()[0x1FE:],
        "a Linux kernel (bzImage), which igvm measure takes as --kernel",
    ),
    "arm64 kernel": (bytes(56) + b"ARM\x64" + bytes(99), "a Linux kernel (arm64)"),
    "UKI": (dll.image(bytes(64), subsystem=10, title=b".linux"), "a unified kernel image (UKI)"),
    "UEFI": (dll.image(bytes(64), subsystem=10), "a UEFI program"),
    "firmware": (_firmware(), "firmware such as OVMF: igvm measure --firmware measures it"),
    "firmware's variables": (
        _firmware()[:6000],
        "a volume of UEFI firmware, or of its variables",
    ),
    "CoRIM": (b"\xd9\x01\xf5\xa2".ljust(40), "a CoRIM document, which an IGVM file can hold"),
    "older CoRIM": (
        b"\xd9\x01\xf4\xd9\x01\xf6".ljust(40),
        "a CoRIM of an older draft, which an IGVM file can hold",
    ),
    "COSE": (b"\xd2\x84\x43\xa1".ljust(40), "a COSE signature, such as one over a CoRIM"),
    "zeroes": (bytes(100), "zeroes, in its first 100 bytes"),
    "PEM": (b"-----BEGIN CERTIFICATE-----\nMII", "PEM, such as a certificate or a key"),
    "JSON": (b' [{"a": 1}, {"b": 2}, {"c": 3}]', "text that starts as JSON does"),
    "JSON of dump": (
        b'{"schema":"igvm.dump/1","file":{}}',
        "JSON of igvm dump: igvm.report.rebuild makes a file of it",
    ),
    "JSON of check": (b'{\n  "schema": "igvm.check/1",\n}', "JSON of igvm check"),
    "text": (b"nothing that looks like a file", "text"),
    "long text": ("ä".encode() * 4096, "text"),
    "long text, a letter cut": (b"a" + "ä".encode() * 4096, "text"),
    "short text": (b"short", "text"),
}


@pytest.mark.parametrize(("data", "words"), KINDS.values(), ids=KINDS)
def test_what_it_is(data: bytes, words: str) -> None:
    """The hint says what the file is, in one line."""
    with pytest.raises(igvm.FormatError) as error:
        igvm.parse(data)
    assert f"this is not an IGVM file but {words}" == error.value.hint


UNKNOWN = {
    "binary": b"\x01\x02" + bytes(range(100)),
    "nearly gzip": b"\x1f\x8b\x07" + bytes(range(100)),
    "BZh alone": b"BZh9 and \x01 other letters that nobody compressed",
    "MZ alone": b"MZ" + bytes([7]) * 100,
    "PE headers past the end": b"MZ" + bytes(58) + b"\xff\xff\xff\xff" + b"\x07" * 40,
    "PE cut in its headers": dll.dll({})[:100] + b"\x07",
    "text with a control character": b"nothing that looks like\x01 text",
    "Latin-1": "Größe und Länge der Datei, in Latin-1".encode("latin-1"),
    "binary after half a start": b"a" * 4000 + b"\xff" * 200,
}


@pytest.mark.parametrize("data", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_certain_is_not_said(data: bytes) -> None:
    """Bytes without a certain sign are no IGVM file, and nothing else is claimed."""
    with pytest.raises(igvm.FormatError) as error:
        igvm.parse(data)
    assert "this is not an IGVM file" == error.value.hint


def test_the_start_of_a_file() -> None:
    """Fewer bytes than a fixed header, which start as one, are a file that was cut."""
    with pytest.raises(igvm.FormatError) as error:
        igvm.parse(GUEST[:23])
    assert "the file is cut short" == error.value.hint


OTHER = b"no file".ljust(64, b"\0")
TWICE = dll.dll({1: GUEST, 2: GUEST})
AT, SECOND = TWICE.index(GUEST), TWICE.rindex(GUEST)
DLLS = {
    "one": (
        dll.dll({1: GUEST}),
        (
            f" with one in it, resource VMFW/1 at {dll.dll({1: GUEST}).index(GUEST):#x}: "
            "igvm.open_inside reads it"
        ),
    ),
    "one of several": (
        dll.dll({13500: OTHER, 13510: GUEST}),
        (
            " with one in it, resource VMFW/13510 at "
            f"{dll.dll({13500: OTHER, 13510: GUEST}).index(GUEST):#x}: igvm.open_inside reads it"
        ),
    ),
    "two": (
        TWICE,
        (
            " with 2 in it, of which one has to be copied out: "
            f"VMFW/1 at {AT:#x} ({len(GUEST)} bytes), VMFW/2 at {SECOND:#x} ({len(GUEST)} bytes)"
        ),
    ),
    "six": (
        dll.dll(dict.fromkeys(range(6), GUEST)),
        " with 6 in it, of which one has to be copied out: "
        + ", ".join(
            f"VMFW/{number} at {dll.dll(dict.fromkeys(range(6), GUEST)).index(GUEST) + place:#x} "
            f"({len(GUEST)} bytes)"
            for number, place in enumerate(range(0, 4 * len(GUEST), len(GUEST)))
        )
        + " and 2 more",
    ),
    "no file": (dll.dll({1: OTHER}), "; none of its resources VMFW is an IGVM file"),
    "no resource": (dll.dll({}), "; none of its resources VMFW is an IGVM file"),
}


@pytest.mark.parametrize(("data", "words"), DLLS.values(), ids=DLLS)
def test_a_dll(data: bytes, words: str) -> None:
    """Which IGVM files a DLL holds is said with where each is."""
    with pytest.raises(igvm.FormatError) as error:
        igvm.parse(data)
    assert f"this is not an IGVM file but a Windows DLL{words}" == error.value.hint


def test_a_dll_of_another_type() -> None:
    """Resources of another type are not looked into."""
    with pytest.raises(igvm.FormatError, match="magic") as error:
        igvm.parse(dll.dll({1: GUEST}, "VMFX"))
    assert "none of its resources VMFW is an IGVM file" in str(error.value.hint)


def test_a_program() -> None:
    """What is no DLL is called a program."""
    with pytest.raises(igvm.FormatError) as error:
        igvm.parse(dll.image(bytes(64), flags=dll.PROGRAM))
    assert "a Windows program;" in str(error.value.hint)
