"""examples/ovmf.py: what it reads from an image, what it makes of it, and what it says."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import igvm
from examples import ovmf
from igvm import PlatformType
from igvm.sources import ovmf as tables
from tests.ovmf import judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

SCRIPT = Path(ovmf.__file__)
SIZE = 128 << 10
SECTIONS = ((0x800000, 0x2000, 1), (0x802000, 0x1000, 2), (0x803000, 0x1000, 3), (0x804000, 0, 4))


def entry(guid: UUID, data: bytes) -> bytes:
    """An entry of the table of GUIDs."""
    return data + struct.pack("<H16s", len(data) + 18, guid.bytes_le)


def image(
    sections: Sequence[tuple[int, int, int]] = SECTIONS,
    *,
    magic: bytes = b"ASEV",
    version: int = 1,
    count: int | None = None,
    extra: bytes = b"",
    metadata_at: int = 0x1000,
) -> bytes:
    """The smallest image that says what OVMF says."""
    body = b"".join(struct.pack("<III", *section) for section in sections)
    count = len(sections) if count is None else count
    metadata = struct.pack("<4sIII", magic, 16 + len(body), version, count) + body
    table = (
        extra
        + entry(tables.SEV_ES_RESET, (0x80B004).to_bytes(4, "little"))
        + entry(tables.SEV_METADATA, metadata_at.to_bytes(4, "little"))
    )
    table += struct.pack("<H16s", len(table) + 18, tables.FOOTER.bytes_le)
    middle = SIZE - 0x1000
    tail = metadata.ljust(0x1000 - 32 - len(table), b"\xff") + table + bytes(32)
    return bytes(middle) + tail


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The example as a process."""
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def test_is_short() -> None:
    """The example stays small enough to be read in one go."""
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) <= 150


def test_reads_sections(firmware_path: Path) -> None:
    """Sections and start of a real image are those that sev-snp-measure reads."""
    read = ovmf.read(firmware_path.read_bytes())
    assert judge.sections(firmware_path) == read.sections
    assert judge.ap_eip(firmware_path) == read.numbers[tables.SEV_ES_RESET]


def test_passes_checks(firmware_path: Path) -> None:
    """The file made of a real image has no errors, and the reference's releases accept it."""
    firmware = ovmf.read(firmware_path.read_bytes())
    file = ovmf.lay_out(firmware, 2, ovmf.SIGNATURES["EPYC-Milan"]).build()
    findings = {rules: igvm.check(file, rules) for rules in ("spec", "igvm-0.4", "igvm-0.5")}
    assert [] == [
        str(finding) for listed in findings.values() for finding in listed if finding.is_error
    ]


def test_lays_out_sections() -> None:
    """Each section becomes pages of its kind, after the firmware and in the order of the table."""
    file = ovmf.lay_out(ovmf.read(image()), 1, 0).build()
    plan = igvm.plan(file, PlatformType.SEV_SNP, loader="igvmmeasure-native-zero")
    rows = [(row.operation.name, row.gpa, row.pages) for row in plan if row.measured]
    first = 0x100000000 - SIZE
    assert [("NORMAL", first + page * 4096, 1) for page in range(32)] == rows[:32]
    assert [
        ("ZERO", 0x800000, 1),
        ("ZERO", 0x801000, 1),
        ("SECRETS", 0x802000, 1),
        ("CPUID", 0x803000, 1),
        ("VP_CONTEXT", 0xFFFFFFFFF000, 1),
    ] == rows[32:]


def test_native_has_the_firmware_twice() -> None:
    """NATIVE gets the firmware below 4 GiB and its end below 1 MiB, and no special pages."""
    file = ovmf.lay_out(ovmf.read(image()), 1, 0).build()
    plan = igvm.plan(file, PlatformType.NATIVE)
    expected = {*range(0xE0000, 0x100000, 4096), *range((1 << 32) - SIZE, 1 << 32, 4096)}
    assert expected == {row.gpa for row in plan}


def test_vcpus_share_a_context() -> None:
    """All vCPUs but the first start at the same address, and their VMSA is stored once."""
    sizes = [len(ovmf.lay_out(ovmf.read(image()), count, 0).to_bytes()) for count in (2, 3, 4)]
    assert sizes[1] - sizes[0] == sizes[2] - sizes[1] < 4096


FAULTS = {
    "empty": (b"", "has whole pages"),
    "too small": (bytes(0x10000), "has whole pages"),
    "not whole pages": (image() + b"\0", "has whole pages"),
    "no table": (bytes(SIZE), "no table of GUIDs"),
    "bad entry": (image(extra=struct.pack("<H16s", 17, b"")), "entry of 17 bytes"),
    "long entry": (image(extra=struct.pack("<H16s", 999, b"")), "entry of 999 bytes"),
    "no metadata": (image().replace(tables.SEV_METADATA.bytes_le, bytes(16)), "not built for"),
    "no start": (image().replace(tables.SEV_ES_RESET.bytes_le, bytes(16)), "not built for"),
    "magic": (image(magic=b"VESA"), "damaged"),
    "version": (image(version=2), "damaged"),
    "count": (image(count=5), "damaged"),
    "huge count": (image(count=0xFFFFFFFF), "damaged"),
    "metadata elsewhere": (image(metadata_at=0xFFFFFFFF), "damaged"),
    "metadata at the end": (image(metadata_at=3), "damaged"),
    "unknown kind": (image([(0, 0x1000, 7)]), "bad section"),
    "unaligned": (image([(0x10, 0x1000, 1)]), "bad section"),
    "part of a page": (image([(0, 0x10, 1)]), "bad section"),
    "over the firmware": (image([(0xFFFDF000, 0x2000, 1)]), "bad section"),
}


@pytest.mark.parametrize(("data", "message"), FAULTS.values(), ids=FAULTS)
def test_faults(data: bytes, message: str) -> None:
    """A damaged image is refused with the reason."""
    with pytest.raises(ValueError, match=message):
        ovmf.read(data)


@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    """Whatever bytes stand in an image, it is read or refused."""
    hostile = bytearray(image())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(
            st.integers(SIZE - 0x1000, SIZE - 1) | st.integers(SIZE - 160, SIZE - 1)
        )
        hostile[position] = data.draw(st.integers(0, 255))
    try:
        firmware = ovmf.read(bytes(hostile))
    except ValueError:
        return
    assert firmware is not None


def test_says_every_digest(tmp_path: Path) -> None:
    """The example prints a line for every loader and writes the file that it measured."""
    path, out = tmp_path / "OVMF.fd", tmp_path / "ovmf.igvm"
    path.write_bytes(image())
    result = run(path, "--vcpus", "1", "--cpu", "EPYC-Genoa", "-o", out)
    assert (0, "") == (result.returncode, result.stderr)
    lines = result.stdout.splitlines()
    assert set(igvm.loaders()) <= {line.partition(" ")[0] for line in lines}
    with igvm.open(out) as file:
        digest = igvm.measure(file, PlatformType.SEV_SNP).digest.hex()
    assert f"  {digest}" in lines


def test_refuses_in_one_line(tmp_path: Path) -> None:
    """What is no firmware costs one line and a failure."""
    path = tmp_path / "zeroes.fd"
    path.write_bytes(bytes(SIZE))
    result = run(path)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "ovmf.py: +0x1ffce: this is no OVMF: there is no table of GUIDs at its end"
    ]


def test_measures_a_file_too() -> None:
    """Where there is no firmware, the bundled sample is measured instead."""
    result = run(SCRIPT.with_name("hello.igvm"))
    assert result.returncode == 0
    assert "cloud-hypervisor-kvm" in result.stdout
