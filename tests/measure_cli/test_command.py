"""`igvm measure`: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import igvm
from igvm.report import schema
from tests.measure_cli.small import CCA, HELLO_SNP, HELLO_VBS, SNP

if TYPE_CHECKING:
    from tests.measure_cli.small import Command

pytestmark = pytest.mark.usefixtures("files")

GOLDEN = Path(__file__).parent / "golden"
SNP_ONLY = ("--platform", "SEV_SNP")


@pytest.mark.parametrize(
    ("name", "code", "arguments"),
    [
        ("blocks", 0, "hello.igvm"),
        ("assumed", 0, "guest.igvm --platform sev_snp --loader qemu-kvm --vcpus 2 --cpu EPYC"),
        ("all", 0, "hello.igvm --loader all"),
        ("table", 0, "guest.igvm --loader all --vcpus 1,2,4,8,16 --cpu EPYC-Milan"),
        ("vcpus", 0, "two.igvm --loader qemu-kvm --vcpus 2,3 --platform SEV_ES"),
        ("realm", 0, "realm.igvm --realm s2sz=40,num_bps=1,ripas=0x0-0x200000"),
        ("explain", 0, "guest.igvm --explain"),
        ("every-page", 0, "hello.igvm --explain --every-page --platform VSM_ISOLATION"),
        ("explain-realm", 0, "realm.igvm --explain --realm s2sz=40,ripas=0x0-0x200000"),
        ("explain-ram", 0, "realm.igvm --explain --realm s2sz=40,ripas=0x40000000-0x50001000"),
        ("find", 0, f"hello.igvm --find {HELLO_SNP}"),
        ("not-found", 1, f"two.igvm --vcpus 2 --find {HELLO_SNP}"),
        ("contents", 1, "guest.igvm --first-difference other.igvm --platform SEV_SNP"),
        ("loaders", 1, "guest.igvm --loader reference --loader td-shim --first-difference"),
        (
            "context",
            1,
            "two.igvm --loader reference --loader qemu-kvm --vcpus 2 --first-difference",
        ),
        ("no-difference", 0, "guest.igvm --first-difference guest.igvm"),
        ("mismatch", 1, f"guest.igvm --platform SEV_SNP --expect {HELLO_SNP}"),
        ("expected", 0, f"hello.igvm --expect {HELLO_VBS.upper()}"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_golden(measure: Command, name: str, code: int, arguments: str) -> None:
    """The output is what it was; `GOLDEN=write pytest` writes it anew."""
    ran = measure(*arguments.split())
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(ran.out)
    assert max(map(len, ran.out.splitlines())) <= 80
    assert (code, "") == (ran.code, ran.err)
    assert path.read_text() == ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        "hello.igvm",
        "guest.igvm --loader all --vcpus 1,2",
        f"guest.igvm --platform SEV_SNP --expect {HELLO_SNP}",
        "guest.igvm --explain --every-page",
        f"guest.igvm --vcpus 1 --cpu 0 --find {HELLO_SNP}",
        "guest.igvm --first-difference other.igvm",
        "guest.igvm --loader reference --loader td-shim --first-difference",
    ],
)
@pytest.mark.parametrize("mode", ["short", "pretty"])
def test_json(measure: Command, arguments: str, mode: str) -> None:
    """JSON follows the schema that `igvm schema measure` prints, and says which."""
    ran = measure(*arguments.split(), f"--json={mode}")
    value = json.loads(ran.out)
    jsonschema.validate(value, schema("measure"))
    assert "igvm.measure/1" == value["schema"]
    assert ("short" == mode) == (1 == ran.out.count("\n"))


def test_json_values(measure: Command) -> None:
    """JSON has digests in full and in lower case, and an error in place of a digest."""
    results = json.loads(measure("hello.igvm", "--json=short").out)["results"]
    assert [None, HELLO_SNP, HELLO_VBS] == [one["digest"] for one in results]
    assert "no launch measurement" == results[0]["error"]


def test_bare(measure: Command) -> None:
    """--bare prints the digest alone."""
    assert (0, f"{HELLO_SNP}\n", "") == measure("hello.igvm", *SNP_ONLY, "--bare")


def test_kernel(measure: Command, files: Path) -> None:
    """Kernel, initrd and command line go into the digest; @ reads the line from a file."""
    hashes = igvm.KernelHashes.of(b"kernel", b"kernel", "console=ttyS0")
    with igvm.open(files / "guest.igvm") as file:
        made = igvm.measure(file, SNP, loader="cloud-hypervisor-kvm", vcpus=1, hashes=hashes)
    options = ("--loader", "cloud-hypervisor-kvm", "--vcpus", "1", "--kernel", "kernel")
    for line in ("console=ttyS0", "@cmdline"):
        ran = measure(
            "guest.igvm", *SNP_ONLY, *options, "--initrd", "kernel", "--append", line, "--bare"
        )
        assert f"{made.digest.hex()}\n" == ran.out


def test_realm_options(measure: Command, files: Path) -> None:
    """Every realm parameter is read."""
    given: dict[str, Any] = {
        "s2sz": 48, "sve_vl": 1, "num_bps": 2, "num_wps": 3, "pmu_num_ctrs": 4, "flags": 1,
    }  # fmt: skip
    text = ",".join(f"{name}={value}" for name, value in given.items())
    parameters = igvm.RealmParameters(**given, rmm=(2, 0))
    with igvm.open(files / "realm.igvm") as file:
        made = igvm.measure(file, CCA, realm=parameters)
    ran = measure("realm.igvm", "--realm", f"{text},rmm=2.0", "--bare")
    assert f"{made.digest.hex()}\n" == ran.out


def test_other_platforms_are_still_told(measure: Command) -> None:
    """One platform that cannot be measured does not hide the others, and the exit code tells."""
    ran = measure("guest.igvm", "--loader", "qemu-kvm")
    assert 2 == ran.code
    assert "needs the number of vCPUs" in ran.err
    assert 2 == len(ran.err.splitlines())


@pytest.mark.parametrize(
    ("code", "arguments", "message"),
    [
        (2, "hello.igvm --platform TDX", "the file is for NATIVE, SEV_SNP, VSM_ISOLATION"),
        (2, "hello.igvm --platform SEV_SNP --loader td-shim", "does not load SEV_SNP"),
        (2, "hello.igvm --loader td-shim", "loader td-shim does not load SEV_SNP"),
        (2, "hello.igvm --loader nope", "'nope' is not one of 'reference', 'igvmmeasure'"),
        (2, "hello.igvm --platform SEV_SNP --loader qemu-kvm", "needs the number of vCPUs"),
        (2, "hello.igvm --loader qemu-kvm --vcpus 2", "needs the processor model"),
        (2, "realm.igvm", "parameters that the VMM chooses"),
        (2, "realm.igvm --explain", "parameters that the VMM chooses"),
        (2, "realm.igvm --realm num_bps=1", "s2sz, the width of the IPA space"),
        (2, "realm.igvm --realm s2sz=x", "'x' is no number for s2sz"),
        (2, "realm.igvm --realm size=40", "'size=40' is none of s2sz"),
        (3, "realm.igvm --realm s2sz=0x100000000", "does not fit its field"),
        (2, "realm.igvm --realm s2sz=20", "s2sz is 20, and an IPA space has 32 to 48 bits"),
        (2, "realm.igvm --realm s2sz=40,rmm=2.0", "num_bps is 0, which RMM 2.0 refuses"),
        (2, "realm.igvm --realm s2sz=32,ripas=0-0x80001000", "RIPAS 0x0-0x80001000 is not all in"),
        (2, "hello.igvm --bare", "wants one digest and there are 2"),
        (2, "hello.igvm --bare --json", "do not go together"),
        (2, "hello.igvm --bare --explain", "do not go together"),
        (2, "hello.igvm --every-page", "--every-page needs --explain"),
        (2, "hello.igvm --explain --loader all", "wants one --loader"),
        (2, "hello.igvm --explain --platform NATIVE", "no platform of the file"),
        (2, "hello.igvm --vcpus 0", "'0' is no number of vCPUs"),
        (2, "hello.igvm --vcpus 1-99999", "'1-99999' is no number of vCPUs"),
        (2, "hello.igvm --cpu i486", "'i486' is no processor model"),
        (2, "hello.igvm --sev-features x", "not a 64-bit number"),
        (2, "hello.igvm --expect 00", "not 32, 48 or 64 bytes"),
        (2, "hello.igvm --append quiet", "--initrd and --append need --kernel"),
        (2, "hello.igvm --kernel kernel", "only cloud-hypervisor-kvm measures"),
        (3, "hello.igvm --kernel none --loader cloud-hypervisor-kvm", "none: No such file"),
        (2, "hello.igvm --first-difference", "wants another file or two --loader"),
        (2, "hello.igvm --first-difference realm.igvm", "not both launches are for"),
        (3, "none.igvm", "none.igvm: No such file"),
        (3, "kernel", "FIXED_HEADER: the file has 6 bytes"),
        (3, f"guest.igvm --find {HELLO_VBS}", "a digest of 32 bytes is none of"),
    ],
)
def test_refused(measure: Command, code: int, arguments: str, message: str) -> None:
    """What cannot be done is said in one line and a hint, and nothing is guessed."""
    ran = measure(*arguments.split())
    assert code == ran.code
    lines = ran.err.splitlines()
    assert message in lines[0]
    assert "hint:" not in lines[0]
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: "))


def test_table_without_a_digest(measure: Command) -> None:
    """A table that has no digest at all is an error."""
    ran = measure("two.igvm", *SNP_ONLY, "--loader", "qemu-kvm", "--vcpus", "1,1")
    assert 3 == ran.code
    assert "the context is for vCPU 1 and there are 1" in ran.err
