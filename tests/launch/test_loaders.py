"""What holds for loaders in general, and what igvmmeasure does with a file."""

from __future__ import annotations

import pytest

import igvm
from igvm.errors import LoadError, ValidationError
from igvm.launch.processors import cpu_signature, signature_of
from tests import raw
from tests.launch.guests import VMSA, blob, pages, rows, with_context
from tests.measure.files import SNP, TDX, VBS, A, build


def test_igvmmeasure_does_not_look_at_the_mask_of_a_vmsa() -> None:
    """It hashes the VMSAs of all platforms."""
    heads = raw.platform(2) + raw.platform(5, 2)
    place = 24 + len(heads) + 32
    data = raw.Raw(heads + raw.context(place, mask=2), blob(VMSA)).file()
    file = igvm.parse(data)
    assert ["VP_CONTEXT 0"] == rows(file, "igvmmeasure")
    assert [] == rows(file, "cloud-hypervisor-mshv")


def test_igvmmeasure_panics_on_a_large_page_with_data() -> None:
    """The igvm crate gives it 4 KiB, and it asserts 2 MiB."""
    file = build(SNP, lambda at: [raw.page(0x200000, at[0], flags=1)], A)
    with pytest.raises(LoadError, match="igvmmeasure panics on a 2 MB page"):
        rows(file, "igvmmeasure")


def test_names_that_do_not_exist() -> None:
    """A platform that the file is not for, a loader that is none, one for other platforms."""
    file = build(TDX, lambda _: [])
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
    file = build(kind, lambda _: pages(0), version=2, page_size=size)
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
    made = igvm.measure(with_context(VMSA), SNP, loader="qemu-kvm", vcpus=2, cpu="EPYC-Rome")
    assert made.assumptions[0] == "2 vCPUs, as asked for"
    assert "SEV_FEATURES 0x1 on every vCPU" in made.assumptions
    assert made.assumptions[-1].endswith("start in reset, CPU signature 0x830f10")
    assert {"VP_CONTEXT": 2} == made.pages
    assert () == igvm.measure(with_context(VMSA), SNP).assumptions
