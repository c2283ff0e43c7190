"""SNP, TDX and VBS digests of generated files against the reference itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.errors import LoadError
from tests.differential.measurable import measurable

if TYPE_CHECKING:
    from tests.oracle.client import Oracle

FILES = 1000
"""Files of each seed."""


def ours(file: igvm.IgvmFile, platform: str) -> tuple[str, bytes]:
    """What we make of one platform of `file`."""
    try:
        return "ok", igvm.measure(file, igvm.PlatformType[platform]).digest
    except LoadError as error:
        return error.message, b""


def same(verdict: str, error: str, message: str) -> bool:
    """Whether our refusal is for the reason that the reference refuses or panics."""
    if error == "MissingGuestPolicy":
        return message == "there is no GUEST_POLICY for SEV_SNP"
    return verdict == "panic" and message == "VBS has no secrets or CPUID pages"


@pytest.mark.parametrize("seed", range(6))
def test_generated_files(oracle: Oracle, seed: int) -> None:
    """Digest for digest, and refused for the reason for which the reference refuses or panics."""
    seen: Counter[tuple[str, str]] = Counter()
    for number, data in enumerate(measurable(seed, FILES)):
        measured = oracle.measure(data)
        if not measured.verdict.ok:
            seen["parse", measured.verdict.kind] += 1
            continue
        file = igvm.parse(data)
        for theirs in measured.measurements:
            what, digest = ours(file, theirs.platform)
            verdict = theirs.verdict
            where = f"file {number}, {theirs.platform}: {verdict.error or verdict.kind}, not {what}"
            if verdict.ok:
                assert theirs.digest == digest, where
            else:
                assert same(verdict.kind, verdict.error.rsplit("/", 1)[-1], what), where
            seen[theirs.platform, verdict.kind] += 1
    assert {"ok", "error"} <= {kind for name, kind in seen if name == "SEV_SNP"}
    assert {"ok", "panic"} <= {kind for name, kind in seen if name == "VSM_ISOLATION"}
    assert 200 < seen["TDX", "ok"]
    assert FILES > 4 * seen["parse", "error"]


def test_an_undeclared_area_is_refused_by_both(oracle: Oracle) -> None:
    """The reference refuses the file; we read it and do not measure it."""
    from tests.small_files import raw

    data = raw.file(raw.platform(3), raw.insert(7, 0x1000), data=bytes(8))
    assert "InvalidParameterAreaIndex" in oracle.measure(data).verdict.error
    with pytest.raises(LoadError, match="parameter area 7 is not declared"):
        igvm.measure(igvm.parse(data), igvm.PlatformType.TDX)
