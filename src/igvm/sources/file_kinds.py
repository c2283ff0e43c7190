"""What a file is, by its first and last bytes; only what they leave no doubt about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from igvm.errors import FormatError
from igvm.sources.compression import compression_of
from igvm.sources.ovmf import AFTER_TABLE, guid_table
from igvm.sources.pe import pe_image

if TYPE_CHECKING:
    from igvm.sources.pe import Image

START = 4096
"""Bytes that are looked at, and as many at the end."""

_SIGNATURES = (
    (0, b"PK\x03\x04", "a zip archive: unpack it first (unzip)"),
    (0, b"PK\x05\x06", "a zip archive with nothing in it"),
    (257, b"ustar", "a tar archive: unpack it first (tar -x)"),
    (0, b"070701", "a cpio archive, such as an initrd"),
    (0, b"QFI\xfb", "a disk image (qcow2)"),
    (0x202, b"HdrS", "a Linux kernel (bzImage), which igvm measure takes as --kernel"),
    (56, b"ARM\x64", "a Linux kernel (arm64)"),
    # Tags 501 and 500 are those of CoRIM (draft-ietf-rats-corim), 18 is that of COSE_Sign1.
    (0, b"\xd9\x01\xf5", "a CoRIM document, which an IGVM file can hold"),
    (0, b"\xd9\x01\xf4", "a CoRIM of an older draft, which an IGVM file can hold"),
    (0, b"\xd2\x84", "a COSE signature, such as one over a CoRIM"),
)
"""Offset, bytes, and what a file with these bytes there is."""

_MACHINES = {3: "x86", 62: "x86-64", 183: "AArch64", 243: "RISC-V"}
"""Numbers of an ELF file's e_machine."""
_CONTROL = re.compile(r"[^\t\n\f\r\x1b\x20-\x7e\x80-\U0010ffff]")


def file_kind(data: memoryview) -> str | None:
    """What `data` is, in words that may end in what to do with it; None where that is not known."""
    if not data:
        return "an empty file"
    start = bytes(data[:START])
    compression = compression_of(data)
    if compression is not None:
        return f"compressed with {compression.name}: decompress it first ({compression.tool})"
    if start[:4] == b"\x7fELF" and len(start) >= 20:
        return _elf_kind(start)
    image = pe_image(data)
    if image is not None and any(section.name == ".linux" for section in image.sections):
        return "a unified kernel image (UKI)"
    for offset, signature, words in _SIGNATURES:
        if start[offset : offset + len(signature)] == signature:
            return words
    if image is not None:
        return pe_kind(image)
    return _firmware_kind(data) or _zeroes(start) or _text_kind(start)


def pe_kind(image: Image) -> str:
    """What a PE image is."""
    if image.is_uefi:
        return "a UEFI program"
    return "a Windows DLL" if image.is_dll else "a Windows program"


def _elf_kind(start: bytes) -> str:
    """What an ELF file is, by its byte order and its machine."""
    order = "big" if start[5] == 2 else "little"
    machine = _MACHINES.get(int.from_bytes(start[18:20], order))  # type: ignore[arg-type]
    made = "from which an IGVM file has yet to be built"
    return f"an ELF file ({machine}), {made}" if machine else f"an ELF file, {made}"


def _firmware_kind(data: memoryview) -> str | None:
    """Whether it is firmware: with OVMF's table before its reset vector, or a volume of UEFI."""
    if len(data) > AFTER_TABLE:
        try:
            guid_table(data)
        except FormatError:
            pass
        else:
            return "firmware such as OVMF: igvm measure --firmware measures it"
    if bytes(data[40:44]) == b"_FVH":
        return "a volume of UEFI firmware, or of its variables"
    return None


def _zeroes(start: bytes) -> str | None:
    """Whether it starts with nothing."""
    return f"zeroes, in its first {len(start):,} bytes" if not any(start) else None


def _text_kind(start: bytes) -> str | None:
    """What kind of text it is."""
    try:
        # A letter may be cut where the start ends.
        text = start.decode("utf-8", "strict" if len(start) < START else "ignore")
    except UnicodeDecodeError:
        return None
    if len(start) == START and len(text.encode()) < START - 3:
        return None
    if _CONTROL.search(text):
        return None
    if text.startswith("-----BEGIN "):
        return "PEM, such as a certificate or a key"
    return "text that starts as JSON does" if text.lstrip()[:1] in {"{", "["} else "text"
