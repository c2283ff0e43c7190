"""SEV and SEV-ES launch digests, and the HMAC of them, computed by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

import igvm
from igvm.errors import MeasurementError
from igvm.measurement.sev_launch_measurement import launch_measurement
from tests.small_files import raw
from tests.small_files.contents import OTHER_PAGE, PAGE, RESET_VMSA
from tests.small_files.guests import SEV, SEV_ES, VMSA_GPA, file_for

VMSA = RESET_VMSA.replace(sev_features=igvm.SEVFeatures(0)).pack()
EVERY_KIND = [
    raw.page(0x1000, raw.at(0)),
    raw.page(0x2000),
    raw.page(0x3000, raw.at(1), flags=2),
    raw.area(1, 0x1000),
    raw.insert(1, 0x4000),
    raw.page(0x9000, raw.at(1)),
]
"""A page with data, an empty one, an unmeasured one, a parameter area, a last page."""


def digest_of(
    file: igvm.IgvmFile, platform: igvm.PlatformType, loader: str, **options: int
) -> bytes:
    """The launch digest that we compute."""
    return igvm.measure(file, platform, loader=loader, **options).digest  # type: ignore[arg-type]


def test_igvmmeasure() -> None:
    """The data of every page whatever its flags; empty pages and areas add nothing."""
    file = file_for(SEV, *EVERY_KIND, data=[PAGE, OTHER_PAGE])
    assert hashlib.sha256(PAGE + OTHER_PAGE + OTHER_PAGE).digest() == digest_of(
        file, SEV, "igvmmeasure"
    )


@pytest.mark.parametrize("loader", ["reference", "qemu-kvm"])
def test_a_loader(loader: str) -> None:
    """Normal pages, the empty ones as zeroes; unmeasured pages and areas add nothing."""
    file = file_for(SEV, *EVERY_KIND, data=[PAGE, OTHER_PAGE])
    assert hashlib.sha256(PAGE + bytes(4096) + OTHER_PAGE).digest() == digest_of(file, SEV, loader)


def test_contexts_of_sev_es() -> None:
    """LAUNCH_UPDATE_VMSA adds the page: where it stands for igvmmeasure, at the end for KVM."""
    file = file_for(
        SEV_ES,
        raw.page(0x1000, raw.at(0)),
        raw.context(raw.at(2), gpa=VMSA_GPA),
        raw.page(0x5000, raw.at(1)),
        data=[PAGE, OTHER_PAGE, VMSA],
    )
    assert hashlib.sha256(PAGE + VMSA + OTHER_PAGE).digest() == digest_of(
        file, SEV_ES, "igvmmeasure"
    )
    started = igvm.SEVVMSA.unpack_from(VMSA).replace(
        efer=0x1000, cr4=0x40, cr0=0x10, rflags=2, mxcsr=0x1F80, x87_fcw=0x37F
    )
    assert hashlib.sha256(PAGE + OTHER_PAGE + started.pack()).digest() == digest_of(
        file, SEV_ES, "qemu-kvm", vcpus=1
    )


def test_a_large_page() -> None:
    """QEMU launches 2 MiB: the 4 KiB of data and zeroes behind."""
    file = file_for(SEV, raw.page(0x200000, raw.at(0), flags=1), data=PAGE)
    assert hashlib.sha256(PAGE + bytes(0x1FF000)).digest() == digest_of(file, SEV, "qemu-kvm")


def test_the_hmac_that_sevctl_builds() -> None:
    """The launch measurement of sevctl 8b47f3a's own test, tests/measurementbuild.rs."""
    measurement = launch_measurement(
        base64.b64decode("xkvRAfyaSizgonxAjZIAkR8TmolUabBKQKb6KJCDDSM="),
        tik=bytes.fromhex("3569cf61a32a602b87185ac6e0f55913"),
        mnonce=base64.b64decode("wxP6tRHCFrFQWxsuqZA8QA=="),
        api_major=1,
        api_minor=40,
        build=40,
        policy=3,
    )
    assert base64.b64decode("lswbxWxI9gckya16JQvdFtpYmNO4b+3inAPpqsgoBI4=") == measurement


def test_the_hmac_of_a_launch_digest() -> None:
    """HMAC-SHA-256 over 4, API version, build, policy, digest and nonce, keyed with the TIK."""
    digest, tik, mnonce = bytes(range(32)), bytes(range(16)), bytes(range(16, 32))
    text = b"\x04" + b"\x01\x37\x05" + b"\x05\0\0\0" + digest + mnonce
    measurement = launch_measurement(
        digest, tik=tik, mnonce=mnonce, policy=5, api_major=1, api_minor=0x37, build=5
    )
    assert hmac.new(tik, text, hashlib.sha256).digest() == measurement


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"digest": bytes(31)}, "digest has 31 bytes and must have 32"),
        ({"tik": bytes(17)}, "tik has 17 bytes and must have 16"),
        ({"mnonce": b""}, "mnonce has 0 bytes and must have 16"),
        ({"policy": 1 << 32}, "policy 0x100000000 does not fit 32 bits"),
        ({"build": 256}, "a part of the firmware's version does not fit 8 bits"),
        ({"api_major": -1}, "a part of the firmware's version does not fit 8 bits"),
    ],
)
def test_arguments_of_the_wrong_size(change: dict[str, object], message: str) -> None:
    """Each argument of the HMAC has its size."""
    sound = {
        "digest": bytes(32), "tik": bytes(16), "mnonce": bytes(16), "policy": 0,
        "api_major": 1, "api_minor": 2, "build": 3,
    }  # fmt: skip
    with pytest.raises(MeasurementError, match=message):
        launch_measurement(**sound | change)  # type: ignore[arg-type]
