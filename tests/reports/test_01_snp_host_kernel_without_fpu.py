"""Report 01: SEV-SNP host kernels before KVM_SEV_INIT2 measured no FPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "01-snp-host-kernel-without-fpu"

# Of the report's make.py: hashlib over PAGE_INFO, with MXCSR and FCW as after a reset and zero.
WITH_FPU = [
    (
        "firmware.igvm",
        "4bc00123763537625fa88405bf53d1cb595ae4aac4c0699c9fe87c566e3d3e790e270e2d04d35bdcf0d3ebf10f3eb920",
    ),
    (
        "svsm.igvm",
        "a5a602b99405c9391e0f19c80fcf8e669fb4cfcf9333b327858217b68e8e762abc89b67649cc70b2166ad69a561beb55",
    ),
]
WITHOUT = [
    (
        "firmware.igvm",
        "3c5e560a5e1c98634d2572ed8f772df72288b5fb565d34dfecf7c47bbb9586d1271da5149ea4ee92c34efda2a4ca5f5a",
    ),
    (
        "firmware.igvm",
        "0c69ac54e453b1181e0a523a106deaf3440a41a127a9beaa3506ee40766e867a4cfcf270bbb24136ec31dc5626a22b5b",
    ),
    (
        "svsm.igvm",
        "a676121dd4662876c7deb2f4c99d24176bd25ac2af3e6cf6114b0cc563b784c8925b661f99b47471a6d102caab78ece0",
    ),
]


@pytest.mark.parametrize(("file", "digest"), WITH_FPU, ids=["firmware", "svsm"])
def test_with_an_fpu(ask: Ask, file: str, digest: str) -> None:
    """A kernel that measures the FPU needs no deviation."""
    result = ask("find", digest, file)
    assert 0 == result.exit_code
    assert "found" in result.output
    assert "FPU" not in result.output


@pytest.mark.parametrize(
    ("file", "digest"), WITHOUT, ids=["zero pages", "normal pages", "svsm with 4 vCPUs"]
)
def test_without(ask: Ask, file: str, digest: str) -> None:
    """A kernel that measures none is found, and said to be one."""
    result = ask("find", digest, file)
    assert 0 == result.exit_code
    assert "not found" not in result.output
    assert "but KVM measures no FPU" in result.output
    assert "--host fpu=none" in result.output
