"""Report 03: guests of QEMU with `-cpu host`, whose RDX is the signature of a real processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "03-snp-cpu-host"

# Of the report's make.py: hashlib over PAGE_INFO.
DIGESTS = {
    "genoa": "9ebe331009cc41ac76b4e5c671511ccc569af1c727d6f1fb"
    "06833ee7960c0e1c892274cce6f5bb895c4400010317ddb9",
    "siena": "d848e9f231b09820917952ed6c2c6ff3184fe566d966ae20"
    "923d08b89fca9a2e88e50bdb34e5ac6a9e4897e72f2b535a",
    "turin": "870995b5775433c324bf4d0b86816c9ea6e198beee002508"
    "1a5a5637b6087047ddc2f79145aac11c1149604193d44d03",
    "milan-x": "dd40aa212108d99c2d45227da84b6b2d6801082cd6843183"
    "17f43b72b3156b177d7f1052b15cae3d37f4f8dfb0392e62",
}
WORDS = {
    "genoa": "0xa10f11 is AMD EPYC Genoa: family 25, model 17, stepping 1",
    "siena": "0xaa0f02 is AMD EPYC Bergamo or AMD EPYC Siena: family 25, model 160, stepping 2",
    "turin": "0xb00f21 is AMD EPYC Turin: family 26, model 2, stepping 1",
    "milan-x": "0xa00f12 is AMD EPYC Milan-X: family 25, model 1, stepping 2",
}


@pytest.mark.parametrize(("name", "digest"), DIGESTS.items(), ids=DIGESTS)
def test_the_processor_is_named(ask: Ask, name: str, digest: str) -> None:
    """The digest is found without a hint, and the processor is said."""
    result = ask("find", digest, "firmware.igvm")
    assert 0 == result.exit_code
    assert "not found" not in result.output
    assert WORDS[name] in " ".join(result.output.split())


@pytest.mark.parametrize(("name", "digest"), DIGESTS.items(), ids=DIGESTS)
def test_the_processor_is_given(ask: Ask, name: str, digest: str) -> None:
    """A processor that is named is looked for, and another one is not found."""
    assert 0 == ask("find", digest, "firmware.igvm", "--cpu", f"host:{name}").exit_code
    other = ask("find", digest, "firmware.igvm", "--cpu", "host:turin-dense", "--vcpus", "2")
    assert 1 == other.exit_code
    assert "processor host:turin-dense" in " ".join(other.output.split())


@pytest.mark.parametrize(("name", "digest"), DIGESTS.items(), ids=DIGESTS)
def test_measured_with_it(ask: Ask, name: str, digest: str) -> None:
    """`measure` takes the processor, and gives the digest."""
    options = ["--loader", "qemu-kvm", "--vcpus", "2", "--bare"]
    result = ask("measure", "firmware.igvm", *options, "--host", f"rdx=host:{name}")
    assert f"{digest}\n" == result.output
