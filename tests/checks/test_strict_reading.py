"""Files that are opened with `strict` break no rule; without it they are as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import igvm
from tests.small_files.sound_files import SNP_GUEST

if TYPE_CHECKING:
    from pathlib import Path

UNALIGNED = SNP_GUEST.but(zero={"gpa": 0x6800}).to_bytes()


@pytest.mark.parametrize("copy", [False, True])
def test_open_with_strict_refuses_what_breaks_a_rule(tmp_path: Path, copy: bool) -> None:  # noqa: FBT001
    """The error names the path, the place and the rule; without `strict` the file opens."""
    path = tmp_path / "unaligned.igvm"
    path.write_bytes(UNALIGNED)
    assert 18 == len(igvm.open(path, copy=copy).headers)
    with pytest.raises(igvm.ValidationError, match="gpa is 0x6800") as caught:
        igvm.open(path, strict=True, copy=copy)
    assert (str(path), "rule page-alignment") == (caught.value.path, caught.value.hint)


def test_open_with_strict_takes_warnings(tmp_path: Path) -> None:
    """Only errors stop it, and the file is the one that would be opened without."""
    path = tmp_path / "gap.igvm"
    data = SNP_GUEST.with_fixed(gap=bytes(8)).to_bytes()
    path.write_bytes(data)
    file = igvm.open(path, strict=True)
    assert "headers-gap" in {finding.rule for finding in igvm.check(file)}
    assert data == file.to_bytes()


def test_what_cannot_be_read_is_a_format_error_first() -> None:
    """Bytes that are no file are refused as such, with `strict` or without."""
    for strict in (False, True):
        with pytest.raises(igvm.FormatError, match="magic"):
            igvm.parse(b"\0" * 64, strict=strict)
