"""The parts of a launch that sev-snp-measure also knows: signatures, VMSAs and tables of hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sevsnpmeasure import vcpu_types

import igvm
from examples import ovmf
from igvm.launch.kvm.vmsa_rewriting import reset_vmsa
from igvm.launch.processors import CPU_SIGNATURES, cpu_signature, signature_of
from tests.ovmf import judge

if TYPE_CHECKING:
    from pathlib import Path

EIPS = st.sampled_from([0xFFFFFFF0, 0x80B004, 0x808004]) | st.integers(0, 0xFFFFFFFF)


@pytest.mark.parametrize("cpu", judge.SIGNATURES)
def test_models(cpu: str) -> None:
    """Every model that sev-snp-measure knows has the signature that it has there."""
    assert judge.SIGNATURES[cpu] == signature_of(cpu)


@given(st.integers(0, 0x10E), st.integers(0, 0xFF), st.integers(0, 0xF))
def test_signatures(family: int, model: int, stepping: int) -> None:
    """Family, model and stepping make the same signature."""
    assert vcpu_types.cpu_sig(family, model, stepping) == cpu_signature(family, model, stepping)


@pytest.mark.parametrize("features", [0, 1, 0x21])
@pytest.mark.parametrize("eip", [0xFFFFFFF0, 0x80B004], ids=hex)
@pytest.mark.parametrize("cpu", CPU_SIGNATURES)
def test_reset_state(cpu: str, eip: int, features: int) -> None:
    """A vCPU in reset has the VMSA that sev-snp-measure gives one of QEMU, byte by byte."""
    expected = judge.reset_vmsa(eip, features, judge.SIGNATURES[cpu])
    assert expected == reset_vmsa(signature_of(cpu), features, reset_eip=eip).pack()


@given(EIPS, st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
def test_any_reset_state(eip: int, signature: int, features: int) -> None:
    """Start, signature and features land in the same bytes of a VMSA."""
    expected = judge.reset_vmsa(eip, features, signature)
    assert expected == reset_vmsa(signature, features, reset_eip=eip).pack()


@given(EIPS, st.sampled_from(sorted(ovmf.SIGNATURES)))
def test_example_reset_state(eip: int, cpu: str) -> None:
    """The VMSA that the example writes out field by field is the one of sev-snp-measure."""
    expected = judge.reset_vmsa(eip, 1, judge.SIGNATURES[cpu])
    assert expected == ovmf.vmsa(eip, ovmf.SIGNATURES[cpu]).pack()


@pytest.mark.parametrize("initrd", [b"", b"initrd"])
@pytest.mark.parametrize("command_line", ["", "quiet", "a=ä"])
def test_hash_table(initrd: bytes, command_line: str, tmp_path: Path) -> None:
    """The table of hashes of a kernel, an initrd and a command line is that of sev-snp-measure."""
    direct = judge.Direct(b"kernel", initrd, command_line)
    assert judge.hash_table(direct.files(tmp_path)) == igvm.KernelHashes.of(*direct).table()


def test_hash_table_without_initrd(tmp_path: Path) -> None:
    """A boot without an initrd is one with an empty initrd."""
    kernel, _, _ = judge.Direct(b"kernel", b"", "").files(tmp_path)
    assert judge.hash_table((kernel, "", "")) == igvm.KernelHashes.of(b"kernel").table()
