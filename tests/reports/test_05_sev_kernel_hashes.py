"""Report 05: QEMU gives SEV and SEV-ES guests the hashes of a kernel after the firmware."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "05-sev-kernel-hashes-not-searched"
SEV = "d638cafbd9df7d996c92e5344bd402f9dcc223069a4bc9539bda24b8462220c1"
SEV_HASHES = "ae821a295b8816682ec9cc8e8d709e97748987eb16ee7718d5643d15e985a7ef"
SEV_ES = "896c70a98f8d9f4dd2fc38d07aa055b5040b82eb36e3b03f9644dbc09934b75d"
SEV_ES_HASHES = "5e8fbd50ffc2a301f1e3907c515b0d8fe09465765bbdd2d2d0e61645cd94a0ec"
"""By hashlib in the report's make.py, which sev-snp-measure confirms over its firmware.fd."""

KERNEL = ("--kernel", "kernel", "--initrd", "initrd", "--append", "console=ttyS0")


@pytest.mark.parametrize(
    ("platform", "digest", "has_hashes"),
    [
        ("SEV", SEV, False),
        ("SEV", SEV_HASHES, True),
        ("SEV_ES", SEV_ES, False),
        ("SEV_ES", SEV_ES_HASHES, True),
    ],
)
def test_found(ask: Ask, platform: str, digest: str, *, has_hashes: bool) -> None:
    """The digest is found with the hashes of the kernel and without, and by QEMU's name."""
    result = ask("find", digest, "firmware.igvm", "--platform", platform, *KERNEL)
    assert 0 == result.exit_code
    assert "found" in result.stdout
    assert "not found" not in result.stdout
    words = " ".join(result.stdout.split())
    assert f"--platform {platform} --loader qemu-bios" in words
    assert has_hashes == ("--kernel ..." in words)


@pytest.mark.parametrize(
    "given",
    [("firmware.igvm", "--loader", "qemu-bios"), ("--firmware", "firmware.fd")],
    ids=["file", "firmware"],
)
@pytest.mark.parametrize(
    ("platform", "digest", "vcpus"),
    [("SEV", SEV_HASHES, ()), ("SEV_ES", SEV_ES_HASHES, ("--vcpus", "2", "--cpu", "EPYC-v4"))],
)
def test_measured(
    ask: Ask, given: tuple[str, ...], platform: str, digest: str, vcpus: tuple[str, ...]
) -> None:
    """The digest with hashes is measured, of the IGVM file and of the firmware alone."""
    result = ask("measure", *given, "--platform", platform, "--bare", *KERNEL, *vcpus)
    assert digest == result.stdout.strip()


@pytest.mark.parametrize("loader", ["qemu-kvm", "reference"])
def test_a_kernel_is_never_ignored(ask: Ask, loader: str) -> None:
    """A loader that has no use for a kernel is refused, and who has is named."""
    result = ask("measure", "firmware.igvm", "--loader", loader, "--platform", "SEV", *KERNEL)
    assert 2 == result.exit_code
    assert "of all loaders only qemu-bios" in result.stderr
