"""What `measure`, `info` and `check` say of digests that a file vouches for, or cannot have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

import igvm
from igvm.report import schema
from tests.golden_text import DIGEST, without_digests
from tests.small_files import raw
from tests.small_files.contents import PAGE
from tests.small_files.guests import SNP, bytes_for
from tests.small_files.signed_guests import id_block, snp_bytes, vbs_bytes, vbs_measurement

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

LD = igvm.measure(igvm.parse(snp_bytes()), "snp").digest
OK = (raw.policy(), raw.page(0x1000, raw.at(0)))
REJECTED = {
    "checksum": bytes_for(SNP, *OK, data=PAGE, checksum=0),
    "page not aligned": bytes_for(SNP, raw.policy(), raw.page(0x1001)),
    "total size": bytes_for(SNP, *OK, data=PAGE, total=64),
    "header of an unknown type": bytes_for(SNP, *OK, raw.header(0x7FF, bytes(8)), data=PAGE),
    "two platforms of one mask": bytes_for(SNP, raw.platform(2, 1), *OK, data=PAGE),
}


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with files that vouch for a digest."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signed.igvm").write_bytes(snp_bytes(id_block(LD)))
    (tmp_path / "foreign.igvm").write_bytes(snp_bytes(id_block()))
    (tmp_path / "vbs.igvm").write_bytes(vbs_bytes(vbs_measurement(bytes(range(32)))))
    return tmp_path


@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("measure signed.igvm", 0),
        ("measure signed.igvm --loader all --vcpus 1,2 --cpu EPYC", 0),
        ("measure signed.igvm --loader qemu-kvm --vcpus 2 --cpu EPYC", 0),
        ("measure foreign.igvm", 1),
        ("measure foreign.igvm --ignore-id-block", 0),
        ("measure foreign.igvm --loader all --vcpus 1,2 --cpu EPYC", 1),
        (f"measure foreign.igvm --expect {LD.hex()}", 1),
        (f"measure foreign.igvm --expect {LD.hex()} --ignore-id-block", 0),
        (f"measure signed.igvm --expect {LD.hex()}", 0),
        ("measure vbs.igvm", 1),
        ("measure vbs.igvm --ignore-id-block", 0),
        ("check foreign.igvm --loader reference", 0),
        ("check foreign.igvm --loader qemu-kvm", 1),
        ("check foreign.igvm --vcpus 1", 2),
        ("check foreign.igvm --loader qemu-kvm --vcpus 1025", 2),
        ("info foreign.igvm", 0),
    ],
)
def test_exit_codes(run: Run, arguments: str, code: int) -> None:
    """A digest that no loader and no tool leads to is a finding, unless it is to be ignored."""
    assert code == run(*arguments.split()).exit_code


@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("measure signed.igvm", "ID block for this digest, that of reference, igvmmeasure,"),
        (
            "measure signed.igvm --loader qemu-kvm --vcpus 2 --cpu EPYC",
            "ID block for another digest, c4db4f",
        ),
        ("measure foreign.igvm", "ID block for another digest, 0000000000000000..., that of no"),
        ("measure vbs.igvm", "endorsed for another digest, 0001020304050607..., that of no loader"),
        (
            "measure signed.igvm --loader all --vcpus 1 --cpu EPYC",
            "the ID block is for digest c4db4f",
        ),
        ("info signed.igvm", "that of reference, igvmmeasure, igvmmeasure-native-zero, qemu-kvm"),
        ("info vbs.igvm", "that of no loader or tool"),
    ],
)
def test_words(run: Run, arguments: str, words: str) -> None:
    """It is said whose digest it is, in 80 columns."""
    result = run(*arguments.split())
    assert max(map(len, without_digests(result.stdout))) <= 80
    assert words in " ".join(result.stdout.split())


@pytest.mark.usefixtures("signed")
def test_bare(run: Run) -> None:
    """--bare prints the digest all the same, and complains on standard error."""
    result = run("measure", "foreign.igvm", "--bare")
    assert (1, f"{LD.hex()}\n") == (result.exit_code, result.stdout)
    assert "SEV_SNP: the ID block is for digest 0000000000000000..." in result.stderr
    again = run("measure", "signed.igvm", "--bare")
    assert (0, f"{LD.hex()}\n", "") == (again.exit_code, again.stdout, again.stderr)


@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize("verb", ["measure", "info"])
def test_json(run: Run, verb: str) -> None:
    """JSON has what leads to the digest, by the schema."""
    value = json.loads(run(verb, "signed.igvm", "--json=short").stdout)
    jsonschema.Draft202012Validator(schema(verb)).validate(value)
    (endorsed,) = value["endorsed"]
    assert LD.hex() == endorsed["digest"]
    assert ("SNP_ID_BLOCK", "reference") == (
        endorsed["header_type"],
        endorsed["matches"][0]["loader"],
    )


@pytest.mark.usefixtures("signed")
def test_a_launch_with_settings_of_its_own(run: Run) -> None:
    """A digest that only the given settings lead to is the block's, however unlikely they are."""
    arguments = ("--loader", "qemu-kvm", "--vcpus", "1", "--sev-features", "0x3fffff")
    digest = run("measure", "signed.igvm", *arguments, "--bare").stdout.strip()
    with open("odd.igvm", "wb") as stream:
        stream.write(snp_bytes(id_block(bytes.fromhex(digest))))
    assert 1 == run("measure", "odd.igvm").exit_code
    result = run("measure", "odd.igvm", *arguments)
    assert 0 == result.exit_code
    assert "for this digest, that of qemu-kvm (1 vCPU, SEV_FEATURES 0x3fffff)" in result.output


@pytest.mark.parametrize("data", REJECTED.values(), ids=REJECTED)
def test_files_that_are_rejected(run: Run, tmp_path: Path, data: bytes) -> None:
    """The digest of a file that the loader's reader rejects is marked, in words and in JSON."""
    path = tmp_path / "damaged.igvm"
    path.write_bytes(data)
    result = run("measure", path)
    assert 1 == result.exit_code
    assert "rejected  igvm 0.5 rejects the file, and no loader" in result.stdout
    assert any(map(DIGEST.fullmatch, result.stdout.splitlines()))
    (measured,) = json.loads(run("measure", path, "--json").stdout)["results"]
    assert measured["rejection"]["rule"].startswith("igvm-0.5/")
    finding, *_ = igvm.check(igvm.parse(data), "igvm-0.5")
    assert finding.rule == measured["rejection"]["rule"]


def test_each_reader_is_asked(run: Run, tmp_path: Path) -> None:
    """The readers of all loaders are named once; a tool with a reader of its own is not judged."""
    path = tmp_path / "damaged.igvm"
    path.write_bytes(REJECTED["checksum"])
    result = run("measure", path, "--loader", "all", "--vcpus", "1", "--cpu", "EPYC")
    assert 1 == result.exit_code
    assert "igvm 0.5 and igvm 0.4 reject the file" in result.stdout
    tool = run("measure", path, "--loader", "igvmmeasure")
    assert 0 == tool.exit_code
