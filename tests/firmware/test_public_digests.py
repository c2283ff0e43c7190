"""SEV-SNP digests of sev-snp-measure's own tests, for QEMU, EC2 and GCE, over bare firmware.

Its fixture is the last page of a build of OVMF for AMD SEV, which is not ours to keep. What the
digests depend on is public in the same tests: the digest of the firmware's pages, for which
`firmware_digest` stands, and the tables, which firmware of our own has here.
"""

from __future__ import annotations

import pytest

import igvm
from igvm import parse_firmware
from tests.firmware.images import firmware

FIRMWARE = bytes.fromhex(
    "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2"
    "c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74"
)
"""The digest after the pages of the firmware (test_snp_ovmf_hash_full_default)."""
SECTIONS = (
    (0x800000, 0x9000, 1),
    (0x80A000, 0x3000, 1),
    (0x80D000, 0x1000, 2),
    (0x80E000, 0x1000, 3),
    (0x80F000, 0x1000, 4),
    (0x810000, 0x1000, 0x10),
    (0x811000, 0xF000, 1),
)
EMPTY = igvm.KernelHashes.of(b"")
LINE = igvm.KernelHashes.of(b"", command_line="console=ttyS0 loglevel=7")
EC2 = {"vmm": "ec2", "cpuid-order": "last"}
GCE = {"vmm": "gce", "empty-pages": "unmeasured"}

# By the name of the test in test_guest.py: vCPUs, SEV_FEATURES, kernel, host, digest.
DIGESTS: dict[str, tuple[int, int, igvm.KernelHashes | None, dict[str, str], str]] = {
    "snp_ovmf_hash_gen_default": (
        1, 0x21, EMPTY, {},
        ("329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae"
        "15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef198"),
    ),
    "snp_ovmf_hash_gen_feature_snp_only": (
        1, 0x1, EMPTY, {},
        ("ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3"
        "ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5"),
    ),
    "snp_default": (
        1, 0x21, LINE, {},
        ("803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb2"
        "8c653360fe4b3aba7e534442e7e1e17895dfe778d0228977"),
    ),
    "snp_guest_feature_snp_only": (
        1, 0x1, LINE, {},
        ("6d287813eb5222d770f75005c664e34c204f385ce832cc2c"
        "e7d0d6f354454362f390ef83a92046c042e706363b4b08fa"),
    ),
    "snp_without_kernel_default": (
        1, 0x21, None, {},
        ("e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af"
        "9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0e2b"),
    ),
    "snp_without_kernel_feature_snp_only": (
        1, 0x1, None, {},
        ("19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6"
        "013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d"),
    ),
    "snp_with_multiple_vcpus_default": (
        4, 0x21, EMPTY, {},
        ("4953b1fb416fa874980e8442b3706d345926d5f38879134e"
        "00813c5d7abcbe78eafe7b422907be0b4698e2414a631942"),
    ),
    "snp_with_multiple_vcpus_feature_snp_only": (
        4, 0x1, EMPTY, {},
        ("5061fffb019493a903613d56d54b94912a1a2f9e4502385f"
        "5c194616753720a92441310ba6c4933de877c36e23046ad5"),
    ),
    "snp_ec2_default": (
        1, 0x21, EMPTY, EC2,
        ("0ce9ccc06bab55eebe8abc234f3df6514883977a68a591b7"
        "1052498ab52b2f1aa415db338033946ef93aa8278c0d67fb"),
    ),
    "snp_ec2_feature_snp_only": (
        1, 0x1, EMPTY, EC2,
        ("0883bd0eeb716e65b7b977a321c278d1e51b33b5c655fab9"
        "85443bbcc65c086b9c15e8a0bd8811050dec7e24964e5056"),
    ),
    "snp_gce_default": (
        1, 0x1, EMPTY, GCE,
        ("5da7106cf14cf46b1725ebab123eb9e53bd46a1e9f400cd0"
        "c08e7827b04b688ea8b4e403c8404efed4397ea5d5d0722e"),
    ),
    "snp_gce_with_multiple_vcpus_default": (
        4, 0x1, EMPTY, GCE,
        ("5c5debf100fc339f90276e761ee1f1658d08922c3b20e2a2"
        "e6c7a6c3370b2452a15a00eae11886a93d6fd1e7ab81e29d"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIGESTS)
def test_measured(name: str) -> None:
    """The launch measures as it does there."""
    vcpus, features, hashes, host, expected = DIGESTS[name]
    measurement = igvm.measure(
        parse_firmware(firmware(sections=SECTIONS)), "snp", loader="qemu-bios", vcpus=vcpus,
        cpu="EPYC-v4", sev_features=features, hashes=hashes, host=host, firmware_digest=FIRMWARE,
    )  # fmt: skip
    assert expected == measurement.digest.hex()


@pytest.mark.parametrize("name", DIGESTS)
def test_found(name: str) -> None:
    """A search over the firmware comes to the same launch."""
    vcpus, _, hashes, host, expected = DIGESTS[name]
    search = igvm.find(
        parse_firmware(firmware(sections=SECTIONS)), bytes.fromhex(expected),
        names=["qemu-bios"], hashes=hashes, firmware_digest=FIRMWARE,
    )  # fmt: skip
    (match,) = search.matches
    assert (vcpus, hashes is not None, host) == (match.vcpus, match.hashes, match.host)
