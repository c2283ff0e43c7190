"""SNP launch digests computed by hand: the arithmetic of SNP ABI 8.17.2 stands in each test."""

from __future__ import annotations

import hashlib

import igvm
from tests.small_files import raw
from tests.small_files.contents import OTHER_PAGE, PAGE, RESET_VMSA
from tests.small_files.guests import SNP, VMSA_GPA, file_for

ZEROES = bytes(4096)
VMSA = RESET_VMSA.pack()


def link(digest: bytes, kind: int, gpa: int, contents: bytes = bytes(48)) -> bytes:
    """The digest after a PAGE_INFO of page type `kind`: 112 bytes, hashed."""
    info = digest + contents  # DIGEST_CUR, CONTENTS
    info += b"\x70\0"  # LENGTH
    info += bytes([kind])  # PAGE_TYPE
    info += bytes(5)  # IMI_PAGE, VMPL3_PERMS to VMPL1_PERMS, reserved
    info += gpa.to_bytes(8, "little")  # GPA
    assert len(info) == 112
    return hashlib.sha384(info).digest()


def page(digest: bytes, gpa: int, data: bytes) -> bytes:
    """The digest after a normal page."""
    return link(digest, 1, gpa, hashlib.sha384(data).digest())


def digest_of(file: igvm.IgvmFile, loader: str = "reference", **options: int | str) -> bytes:
    """The launch digest that we compute."""
    return igvm.measure(file, SNP, loader=loader, **options).digest  # type: ignore[arg-type]


def test_nothing() -> None:
    """Without a page the digest is what the firmware starts from: 48 zero bytes."""
    assert bytes(48) == digest_of(file_for(SNP, raw.policy()))


def test_normal_pages() -> None:
    """Pages with data: type 1 and the hash of the data, in file order."""
    file = file_for(
        SNP,
        raw.policy(),
        raw.page(0x5000, raw.at(1)),
        raw.page(0x1000, raw.at(0)),
        data=[PAGE, OTHER_PAGE],
    )
    assert page(page(bytes(48), 0x5000, OTHER_PAGE), 0x1000, PAGE) == digest_of(file)


def test_an_empty_page() -> None:
    """An empty page is a normal page of zeroes, or one of type 3 where a loader has that."""
    file = file_for(SNP, raw.policy(), raw.page(0x1000))
    assert page(bytes(48), 0x1000, ZEROES) == digest_of(file)
    assert page(bytes(48), 0x1000, ZEROES) == digest_of(file, "igvmmeasure")
    assert link(bytes(48), 3, 0x1000) == digest_of(file, "igvmmeasure-native-zero")


def test_a_page_of_zeroes_with_data() -> None:
    """Zeroes that are in the file are a normal page for every loader."""
    file = file_for(SNP, raw.policy(), raw.page(0x1000, raw.at(0)), data=ZEROES)
    assert page(bytes(48), 0x1000, ZEROES) == digest_of(file)
    assert page(bytes(48), 0x1000, ZEROES) == digest_of(file, "igvmmeasure-native-zero")


def test_an_unmeasured_page() -> None:
    """Flag 2: type 4, the contents do not count."""
    file = file_for(SNP, raw.policy(), raw.page(0x1000, raw.at(0), flags=2), data=PAGE)
    assert link(bytes(48), 4, 0x1000) == digest_of(file)


def test_a_shared_page() -> None:
    """Flag 4: never private memory, so never measured; igvmmeasure does not look at the flag."""
    file = file_for(SNP, raw.policy(), raw.page(0x1000, raw.at(0), flags=4), data=PAGE)
    assert bytes(48) == digest_of(file)
    assert page(bytes(48), 0x1000, PAGE) == digest_of(file, "igvmmeasure")


def test_secrets_and_cpuid_pages() -> None:
    """Data types 1, 2 and 3: page types 5, 6 and 6, and no contents, whatever the flags."""
    heads = [raw.policy(), *(raw.page(0x1000 * kind, kind=kind, flags=2) for kind in (1, 2, 3))]
    digest = link(bytes(48), 5, 0x1000)
    digest = link(digest, 6, 0x2000)
    digest = link(digest, 6, 0x3000)
    assert digest == digest_of(file_for(SNP, *heads))


def test_a_parameter_area_of_three_pages() -> None:
    """Every page of the area is unmeasured memory; igvmmeasure counts the first alone."""
    file = file_for(SNP, raw.policy(), raw.area(1, 0x3000), raw.insert(1, 0x8000))
    first = link(bytes(48), 4, 0x8000)
    assert link(link(first, 4, 0x9000), 4, 0xA000) == digest_of(file)
    assert first == digest_of(file, "igvmmeasure")


def test_a_context() -> None:
    """Type 2 and the hash of the whole page, at the address and the place that the file says."""
    heads = [raw.page(0x1000), raw.page(0x2000)]
    file = file_for(
        SNP, raw.policy(), heads[0], raw.context(raw.at(0), gpa=VMSA_GPA), heads[1], data=VMSA
    )
    digest = page(bytes(48), 0x1000, ZEROES)
    digest = link(digest, 2, 0xFFFFFFFFF000, hashlib.sha384(VMSA).digest())
    assert page(digest, 0x2000, ZEROES) == digest_of(file)


def test_a_large_empty_page() -> None:
    """2 MiB are 512 pages for igvmmeasure; the igvm crate counts the first alone."""
    file = file_for(SNP, raw.policy(), raw.page(0x200000, flags=1))
    digest = bytes(48)
    for number in range(512):
        digest = page(digest, 0x200000 + 4096 * number, ZEROES)
    assert digest == digest_of(file, "igvmmeasure")
    assert page(bytes(48), 0x200000, ZEROES) == digest_of(file)


def test_a_large_page_with_data() -> None:
    """QEMU reads 4 KiB of data and puts zeroes behind it, and KVM measures 512 pages."""
    file = file_for(
        SNP,
        raw.policy(),
        raw.page(0x200000, raw.at(0), flags=1),
        raw.context(raw.at(1), gpa=VMSA_GPA),
        data=[PAGE, VMSA],
    )
    digest = page(bytes(48), 0x200000, PAGE)
    for number in range(1, 512):
        digest = page(digest, 0x200000 + 4096 * number, ZEROES)
    started = RESET_VMSA.replace(
        efer=0x1000, cr4=0x40, cr0=0x10, rflags=2, mxcsr=0x1F80, x87_fcw=0x37F
    )
    contents = hashlib.sha384(started.pack()).digest()
    assert link(digest, 2, 0xFFFFFFFFF000, contents) == digest_of(file, "qemu-kvm", vcpus=1)


def test_a_page_that_comes_twice() -> None:
    """Headers that share data are measured each at its own address."""
    file = file_for(
        SNP, raw.policy(), *(raw.page(gpa, raw.at(0)) for gpa in (0x3000, 0x1000)), data=PAGE
    )
    assert page(page(bytes(48), 0x3000, PAGE), 0x1000, PAGE) == digest_of(file)
