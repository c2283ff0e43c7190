"""Every digest that was recorded beside the corpus: by the reference and by igvmmeasure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import igvm
from igvm.errors import IgvmError, LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IGVMMEASURE = {
    "SEV_SNP": ("igvmmeasure", igvm.PlatformType.SEV_SNP),
    "SEV_SNP_native_zero": ("igvmmeasure-native-zero", igvm.PlatformType.SEV_SNP),
    "SEV": ("igvmmeasure", igvm.PlatformType.SEV),
    "SEV_ES": ("igvmmeasure", igvm.PlatformType.SEV_ES),
}
"""The loader and the platform for each run of igvmmeasure."""


def recorded(corpus: Path) -> Iterator[tuple[str, igvm.IgvmFile, dict[str, Any]]]:
    """Every file that can be read, and what was recorded of it."""
    for path in sorted(corpus.rglob("*.igvm")):
        record = path.with_name(path.name + ".json")
        if not record.is_file():
            continue
        try:
            file = igvm.open(path)
        except IgvmError:
            continue
        yield path.relative_to(corpus).as_posix(), file, json.loads(record.read_text("utf-8"))


def test_the_reference(corpus: Path) -> None:
    """SNP, TDX and VBS digests of the igvm crate."""
    theirs, ours = {}, {}
    for name, file, record in recorded(corpus):
        for entry in record.get("measurements") or ():
            key = name, entry["platform"]
            theirs[key] = entry["digest"]
            ours[key] = igvm.measure(file, igvm.PlatformType[entry["platform"]]).digest.hex()
    assert len(theirs) > 200
    assert theirs == ours


def test_igvmmeasure(corpus: Path) -> None:
    """SNP, SEV and SEV-ES digests of igvmmeasure; where it panicked we refuse."""
    theirs, ours = {}, {}
    for name, file, record in recorded(corpus):
        for run, digest in (record.get("igvmmeasure") or {}).items():
            loader, platform = IGVMMEASURE[run]
            theirs[name, run] = "panic" if "panicked" in digest else digest.lower()
            try:
                ours[name, run] = igvm.measure(file, platform, loader=loader).digest.hex()
            except LoadError:
                ours[name, run] = "panic"
    assert len(theirs) > 200
    assert theirs == ours
