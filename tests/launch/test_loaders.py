"""What holds for loaders in general, and what igvmmeasure does with a file."""

from __future__ import annotations

import pytest

import igvm
from igvm.errors import LoadError, ValidationError
from igvm.launch.processors import cpu_signature, signature_of
from tests.launch.plan_rows import rows
from tests.small_files import raw
from tests.small_files.contents import LONG_MODE_VMSA, PAGE
from tests.small_files.guests import SEV_ES, SNP, TDX, VBS, file_for, guest_for


def test_igvmmeasure_does_not_look_at_the_mask_of_a_vmsa() -> None:
    """It hashes the VMSAs of all platforms."""
    file = file_for((SNP, SEV_ES), raw.context(raw.at(0), mask=2), data=LONG_MODE_VMSA.pack())
    assert ["VP_CONTEXT 0"] == rows(file, "igvmmeasure")
    assert [] == rows(file, "cloud-hypervisor-mshv")


def test_igvmmeasure_panics_on_a_large_page_with_data() -> None:
    """The igvm crate gives it 4 KiB, and it asserts 2 MiB."""
    file = file_for(SNP, raw.page(0x200000, raw.at(0), flags=1), data=PAGE)
    with pytest.raises(LoadError, match="igvmmeasure panics on a 2 MB page"):
        rows(file, "igvmmeasure")


def test_names_that_do_not_exist() -> None:
    """A platform that the file is not for, a loader that is none, one for other platforms."""
    file = file_for(TDX)
    with pytest.raises(ValidationError, match="the file is for TDX, not for SEV_SNP"):
        rows(file, "reference")
    with pytest.raises(ValidationError, match="there is no loader 'qemu'") as caught:
        rows(file, "qemu", TDX)
    assert "did you mean qemu-tcg?" == caught.value.hint
    with pytest.raises(LoadError, match="loader qemu-kvm does not load TDX; it loads"):
        rows(file, "qemu-kvm", TDX)


def test_every_loader_says_where_it_comes_from() -> None:
    """Name, words and source are there, and the names are the keys."""
    for name, loader in igvm.loaders().items():
        assert name == loader.name
        assert loader.title
        assert loader.program
        assert loader.source
        assert loader.platforms


@pytest.mark.parametrize("size", [0x4000, 0x10000, 0x200000, 0x1800])
@pytest.mark.parametrize("kind", [SNP, TDX, VBS])
def test_page_sizes_that_a_technology_has_not(kind: igvm.PlatformType, size: int) -> None:
    """x86 has pages of 4 KiB alone (2 MiB by a flag), and so does VBS."""
    file = file_for(kind, raw.page(0), version=2, page_size=size)
    with pytest.raises(LoadError, match=f"{kind.name} has no pages of {size:#x} bytes"):
        rows(file, "reference", kind)


def test_processor_signatures() -> None:
    """Family, model and stepping in EAX of CPUID leaf 1; by name, with a version, or as numbers."""
    assert 0x800F12 == cpu_signature(23, 1, 2) == signature_of("EPYC-v4") == signature_of(0x800F12)
    assert 0xA10F10 == signature_of("EPYC-Genoa") == signature_of("0xa10f10")
    assert 0x633 == cpu_signature(6, 3, 3)
    with pytest.raises(ValidationError, match="'Opteron' is no processor model"):
        signature_of("Opteron")


def test_what_was_assumed_is_said() -> None:
    """A result that rests on more than the file says on what."""
    measurement = igvm.measure(
        guest_for(LONG_MODE_VMSA), SNP, loader="qemu-kvm", vcpus=2, cpu="EPYC-Rome"
    )
    assert measurement.assumptions[0] == "2 vCPUs, as asked for"
    assert "SEV_FEATURES 0x1 on every vCPU" in measurement.assumptions
    assert measurement.assumptions[-1].endswith("start in reset, CPU signature 0x830f10")
    assert {"VP_CONTEXT": 2} == measurement.pages
    assert () == igvm.measure(guest_for(LONG_MODE_VMSA), SNP).assumptions
