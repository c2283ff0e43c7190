"""Small files to measure, and a way to run the command."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

import igvm
from examples.make_hello import hello, vmsa
from igvm import (
    SEVVMSA,
    Builder,
    CCAContext,
    PageDataFlags,
    PlatformType,
    SEVFeatures,
    SNPPolicy,
)
from igvm.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

    from igvm import IgvmFile

SNP, TDX, VBS = PlatformType.SEV_SNP, PlatformType.TDX, PlatformType.VSM_ISOLATION
CCA, SEV, SEV_ES = PlatformType.CCA, PlatformType.SEV, PlatformType.SEV_ES

# From `igvm measure examples/hello.igvm`; the oracle agrees (tests/measure).
HELLO_SNP = (
    "1d7f08439518e5944063467de559edd62ceda4f25c928ac4"
    "eaeaf5bfeecafe5956c605b7cf8d22ab869abb253be55bc1"
)
HELLO_VBS = "cc39ef35d8fdbf9699caa2e15dcb7d5835120965cc9bad73e884ba38d693deb9"


def hello_file() -> IgvmFile:
    """The sample for NATIVE, SEV_SNP and VSM_ISOLATION."""
    return igvm.parse(hello().to_bytes())


def long_mode() -> SEVVMSA:
    """The sample's context in 64-bit mode, which OpenVMM wants."""
    made = vmsa()
    code = made.cs.replace(attrib=0x29B)
    return made.replace(cs=code, cr0=0x80000011, cr3=0x1000, cr4=0x20, efer=0x1D00)


def guest(*, byte: int = 1, areas: int = 3, late: bool = False) -> IgvmFile:
    """A guest for SNP and TDX with a parameter area, data, empty, shared and unmeasured pages.

    Args:
        byte: what fills its second page.
        areas: pages of its parameter area.
        late: whether pages come after the context.
    """
    builder = Builder(revision=2)
    snp, tdx = builder.platform(SNP), builder.platform(TDX)
    both = [snp, tdx]
    builder.policy(SNPPolicy.of(smt=1), snp)
    area = builder.parameter_area(areas * 4096)
    builder.insert(area, 0x200000, both)
    builder.pages(0x100000, bytes([7]) * 4096 + bytes([byte]) * 4096, both)
    builder.empty_pages(0x102000, 2, both)
    builder.pages(0x104000, b"s" * 4096, both, flags=PageDataFlags.SHARED)
    builder.empty_pages(0x105000, 1, both, flags=PageDataFlags.UNMEASURED)
    builder.context(long_mode(), snp, gpa=0xFFFFFFFFF000)
    if late:
        builder.pages(0x106000, b"l" * 4096, both)
    return igvm.parse(builder.to_bytes())


def two_vcpus() -> IgvmFile:
    """A guest for SNP and SEV-ES with two contexts."""
    builder = Builder(revision=2)
    snp, es = builder.platform(SNP), builder.platform(SEV_ES)
    both = [snp, es]
    builder.policy(SNPPolicy.of(smt=1), both)
    builder.pages(0x100000, b"code", both)
    builder.empty_pages(0x101000, 1, both)
    for platform, features in ((snp, SEVFeatures.SNP), (es, SEVFeatures(0))):
        for index, rip in enumerate((0x100000, 0x5000)):
            made = long_mode().replace(rip=rip, sev_features=features)
            builder.context(made, platform, gpa=0xFFFFFFFFF000, vp_index=index)
    return igvm.parse(builder.to_bytes())


def realm() -> IgvmFile:
    """A guest for CCA with a runnable REC and one that is not."""
    builder = Builder(revision=2, architecture=igvm.Architecture.AARCH64)
    cca = builder.platform(CCA)
    builder.pages(0x100000, b"code", cca)
    builder.empty_pages(0x101000, 1, cca, flags=PageDataFlags.UNMEASURED)
    builder.context(CCAContext(pc=0x100000, flags=1), cca)
    builder.context(CCAContext(pc=0x100000), cca, vp_index=1)
    return igvm.parse(builder.to_bytes())


class Run(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Command:
    """`igvm`, or one verb of it, run in this process."""

    def __init__(self, capfd: pytest.CaptureFixture[str], *verb: str) -> None:
        self._capfd, self._verb = capfd, verb

    def __call__(self, *arguments: str | Path) -> Run:
        """Run it with these arguments."""
        with pytest.raises(SystemExit) as ended:
            app.main([*self._verb, *map(str, arguments)], prog_name="igvm")
        out, err = self._capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Run(ended.value.code, out, err)
