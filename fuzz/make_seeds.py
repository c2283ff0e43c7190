"""Writes the seeds of the fuzzers: small files that between them reach every structure."""

from __future__ import annotations

import hashlib
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.hostile.bombs import BOMBS
from tests.small_files import raw
from tests.small_files.samples import EVERY_HEADER

CORPUS = Path(__file__).resolve().parent / "corpus"


def seeds() -> dict[str, list[bytes]]:
    """The seeds of each fuzzer, by its name."""
    return {
        "fuzz_file": _headers(),
        "fuzz_launch": list(EVERY_HEADER.values()),
        "fuzz_command": [make(3) for make in BOMBS.values()],
    }


def _headers() -> list[bytes]:
    """The samples without most of their data, and single headers behind a platform."""
    files = []
    for data in EVERY_HEADER.values():
        offset, size = struct.unpack_from("<II", data, 8)
        files.append(data[: offset + size + 300])
        position = offset
        while position < offset + size:
            length = 8 + (int.from_bytes(data[position + 4 : position + 8], "little") + 7 & ~7)
            version = int.from_bytes(data[4:8], "little")
            architecture = int.from_bytes(data[24:28], "little") if version > 1 else 0
            head = raw.platform(data[offset + 13]) + data[position : position + length]
            alone = raw.RawFile(head, bytes(64), version=version, architecture=architecture)
            files.append(alone.to_bytes())
            position += length
    return list(dict.fromkeys(files))


if __name__ == "__main__":
    for name, files in seeds().items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.igvm"):
            old.unlink()
        for seed in files:
            (folder / f"{hashlib.sha256(seed).hexdigest()[:12]}.igvm").write_bytes(seed)
