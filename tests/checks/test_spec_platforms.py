"""Rules that name platforms: each platform is either covered, or meant to be left out."""

from __future__ import annotations

import pytest

import igvm
from igvm.spec.enums import PlatformType
from igvm.spec.isolation import ISOLATIONS
from tests.small_files.contents import header_of
from tests.small_files.guests import CCA, NATIVE, SEV, SEV_ES, SNP, TDX, VBS, bytes_for
from tests.small_files.raw import cca_policy, policy


def rules(data: bytes) -> set[str]:
    """The rules of the specification that `data` breaks."""
    return {finding.rule for finding in igvm.check(igvm.parse(data))}


def test_every_platform_is_asked_about() -> None:
    """The cases below are every platform that the specification has."""
    assert set(PlatformType) == {NATIVE, VBS, SNP, TDX, SEV, SEV_ES, CCA} == set(ISOLATIONS)


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        pytest.param(NATIVE, {"highest-vtl-platform-native"}, id="NATIVE has none"),
        pytest.param(SEV, {"highest-vtl-platform"}, id="SEV has none"),
        pytest.param(SEV_ES, {"highest-vtl-platform"}, id="SEV_ES has none"),
        pytest.param(VBS, set(), id="VSM_ISOLATION has VTLs"),
        pytest.param(SNP, set(), id="SEV_SNP has VMPLs"),
        pytest.param(TDX, set(), id="TDX has partitions"),
        pytest.param(CCA, set(), id="CCA has planes"),
    ],
)
def test_highest_vtl(platform: igvm.PlatformType, expected: set[str]) -> None:
    """A highest VTL of 2 is found on the platforms that have no VTLs, and on no other."""
    found = rules(bytes_for(platform, vtl=2))
    assert expected == {name for name in found if name.startswith("highest-vtl")}


@pytest.mark.parametrize(
    ("platform", "header", "expected"),
    [
        pytest.param(SNP, policy(0xB0000), True, id="SNP, bit 19"),
        pytest.param(SNP, policy(0x30000), False, id="SNP without it"),
        pytest.param(TDX, policy(1), True, id="TDX, bit 0"),
        pytest.param(TDX, policy(2), False, id="TDX without it"),
        pytest.param(SEV, policy(0), True, id="SEV without NODBG"),
        pytest.param(SEV, policy(1), False, id="SEV, NODBG"),
        pytest.param(SEV_ES, policy(4), True, id="SEV-ES without NODBG"),
        pytest.param(SEV_ES, policy(5), False, id="SEV-ES, NODBG"),
        pytest.param(CCA, cca_policy(ones=1), True, id="CCA, debug required"),
        pytest.param(CCA, cca_policy(zeroes=1), False, id="CCA, debug forbidden"),
        pytest.param(
            VBS,
            header_of(igvm.VBSMeasurement(compatibility_mask=1, policy_flags=1)),
            True,
            id="VBS, bit 0",
        ),
        pytest.param(
            VBS, header_of(igvm.VBSMeasurement(compatibility_mask=1)), False, id="VBS without it"
        ),
        pytest.param(NATIVE, policy(0), False, id="NATIVE has no policy"),
    ],
)
def test_debugging(platform: igvm.PlatformType, header: bytes, expected: bool) -> None:  # noqa: FBT001
    """What lets the host debug a guest is found in the policy of every technology."""
    assert expected == ("policy-debug" in rules(bytes_for(platform, header)))
