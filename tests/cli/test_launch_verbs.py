"""`igvm measure`, `explain`, `find` and `diff`: what they print, and their exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import igvm
from igvm.report import schema
from tests.golden_text import DIGEST, assert_golden, without_digests
from tests.small_files.built_guests import HELLO_SNP, HELLO_VBS
from tests.small_files.guests import CCA, SEV, SNP

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("guests")

GOLDEN = Path(__file__).parent / "golden"
SNP_ONLY = ("--platform", "SEV_SNP")


@pytest.mark.parametrize(
    ("name", "code", "arguments"),
    [
        ("blocks", 0, "measure hello.igvm"),
        (
            "assumed",
            0,
            "measure guest.igvm --platform snp --loader qemu-kvm --vcpus 2 --cpu EPYC",
        ),
        ("all", 0, "measure hello.igvm --loader all"),
        ("table", 0, "measure guest.igvm --loader all --vcpus 1,2,4,8,16 --cpu EPYC-Milan"),
        ("vcpus", 0, "measure two.igvm --loader qemu-kvm --vcpus 2,3 --platform SEV_ES"),
        ("realm", 0, "measure realm.igvm --realm s2sz=40,num_bps=1,ripas=0x0-0x200000"),
        ("explain", 0, "explain guest.igvm"),
        ("every-page", 0, "explain hello.igvm --every-page --platform VSM_ISOLATION"),
        ("explain-realm", 0, "explain realm.igvm --realm s2sz=40,ripas=0x0-0x200000"),
        ("explain-ram", 0, "explain realm.igvm --realm s2sz=40,ripas=0x40000000-0x50001000"),
        ("find", 0, f"find {HELLO_SNP} hello.igvm"),
        ("find-in-files", 0, f"find {HELLO_SNP} two.igvm hello.igvm --vcpus 2 --cpu EPYC"),
        ("not-found", 1, f"find {HELLO_SNP} two.igvm --vcpus 2"),
        ("contents", 1, "diff guest.igvm other.igvm --platform SEV_SNP"),
        ("loaders", 1, "diff guest.igvm --loader reference --loader td-shim"),
        ("context", 1, "diff two.igvm --loader reference --loader qemu-kvm --vcpus 2"),
        ("no-difference", 0, "diff guest.igvm guest.igvm"),
        ("mismatch", 1, f"measure guest.igvm --platform SEV_SNP --expect {HELLO_SNP}"),
        ("expected", 0, f"measure hello.igvm --expect {HELLO_VBS.upper()}"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_golden(run: Run, name: str, code: int, arguments: str) -> None:
    """The output is what it was; `IGVM_GOLDEN=write pytest` writes it anew."""
    result = run(*arguments.split())
    assert max(map(len, without_digests(result.stdout))) <= 80
    assert (code, "") == (result.exit_code, result.stderr)
    assert_golden(GOLDEN / f"{name}.txt", result.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        "measure hello.igvm",
        "measure guest.igvm --loader all --vcpus 1,2",
        f"measure guest.igvm --platform SEV_SNP --expect {HELLO_SNP}",
        "explain guest.igvm --every-page",
        f"find {HELLO_SNP} guest.igvm none.igvm realm.igvm --vcpus 1 --cpu 0",
        f"find {HELLO_SNP} hello.igvm",
        "diff guest.igvm other.igvm",
        "diff guest.igvm guest.igvm",
        "diff guest.igvm --loader reference --loader td-shim",
    ],
)
@pytest.mark.parametrize("mode", ["short", "pretty"])
def test_json(run: Run, arguments: str, mode: str) -> None:
    """JSON follows the schema that `igvm schema VERB` prints, and says which."""
    verb = arguments.split(maxsplit=1)[0]
    result = run(*arguments.split(), f"--json={mode}")
    value = json.loads(result.stdout)
    jsonschema.Draft202012Validator(schema(verb)).validate(value)
    assert f"igvm.{verb}/1" == value["schema"]
    assert ("short" == mode) == (1 == result.stdout.count("\n"))


def test_json_values(run: Run) -> None:
    """JSON has digests in full and in lower case, and an error in place of a digest."""
    results = json.loads(run("measure", "hello.igvm", "--json=short").stdout)["results"]
    assert [HELLO_SNP, HELLO_VBS] == [result["measurement"]["digest"] for result in results[1:]]
    assert (None, "no launch measurement") == (
        results[0]["measurement"],
        results[0]["refusal"]["message"],
    )


def test_bare(run: Run) -> None:
    """--bare prints the digest alone."""
    result = run("measure", "hello.igvm", *SNP_ONLY, "--bare")
    assert (0, f"{HELLO_SNP}\n", "") == (result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize(
    ("arguments", "launches"),
    [
        ("", ["SEV_SNP reference", "VSM_ISOLATION reference"]),
        ("--loader reference --loader cloud-hypervisor-mshv --platform snp",
         ["SEV_SNP reference", "SEV_SNP cloud-hypervisor-mshv"]),
    ],
    ids=["platforms", "loaders"],
)  # fmt: skip
def test_bare_of_several(run: Run, arguments: str, launches: list[str]) -> None:
    """--bare prints platform, loader and digest in a line each where there are several."""
    result = run("measure", "hello.igvm", *arguments.split(), "--bare")
    lines = [line.rpartition(" ") for line in result.stdout.splitlines()]
    assert (launches, True) == (
        [launch for launch, _, _ in lines],
        all(DIGEST.fullmatch(digest) for *_, digest in lines),
    )
    assert f"SEV_SNP reference {HELLO_SNP}\n" in result.stdout


def test_bare_of_several_numbers(run: Run) -> None:
    """The number of vCPUs follows the digest where several were given."""
    options = "--loader qemu-kvm --cpu EPYC --vcpus 1,2 --bare"
    result = run("measure", "guest.igvm", *SNP_ONLY, *options.split())
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [["SEV_SNP", "qemu-kvm", "1"], ["SEV_SNP", "qemu-kvm", "2"]] == [
        [platform, loader, count] for platform, loader, _, count in rows
    ]


def test_bare_beside_a_refusal(run: Run) -> None:
    """A launch that was asked for and has no digest leaves the others their names."""
    result = run(
        "measure", "hello.igvm", *SNP_ONLY, "--bare", "--loader", "reference", "--loader", "openvmm"
    )
    assert f"SEV_SNP reference {HELLO_SNP}\n" == result.stdout


HYPERVISORS = (
    "a hypervisor may report another digest; for SEV_SNP: --loader qemu-kvm, "
    "cloud-hypervisor-kvm, cloud-hypervisor-mshv, openvmm; no loader that igvm knows has one for "
    "VSM_ISOLATION"
)


@pytest.mark.parametrize(
    ("end", "arguments"),
    [
        (f"reference is a tool that loads nothing, and {HYPERVISORS}", ""),
        (
            f"reference and igvmmeasure are tools that load nothing, and {HYPERVISORS}",
            "--loader reference --loader igvmmeasure",
        ),
        ("cloud-hypervisor-mshv", "--loader reference --loader cloud-hypervisor-mshv"),
    ],
    ids=["the reference", "tools", "a hypervisor"],
)
def test_tools_name_hypervisors(run: Run, end: str, arguments: str) -> None:
    """The last words name loaders where only tools were asked for, and nothing is left out."""
    shown = run("measure", "hello.igvm", *arguments.split()).stdout
    words = " ".join(" ".join(without_digests(shown)).split())
    assert end in words
    assert ("loads nothing" in words or "load nothing" in words) == ("mshv" not in arguments)


def test_kernel(run: Run, guests: Path) -> None:
    """Kernel, initrd and command line go into the digest; @ reads the line from a file."""
    hashes = igvm.KernelHashes.of(b"kernel", b"kernel", "console=ttyS0")
    with igvm.open(guests / "guest.igvm") as file:
        measurement = igvm.measure(file, SNP, loader="cloud-hypervisor-kvm", vcpus=1, hashes=hashes)
    options = "--loader cloud-hypervisor-kvm --vcpus 1 --kernel kernel --initrd kernel --bare"
    for line in ("console=ttyS0", "@cmdline"):
        result = run("measure", "guest.igvm", *SNP_ONLY, *options.split(), "--append", line)
        assert f"{measurement.digest.hex()}\n" == result.stdout


def test_realm_options(run: Run, guests: Path) -> None:
    """Every realm parameter is read."""
    given: dict[str, Any] = {
        "s2sz": 48, "sve_vl": 1, "num_bps": 2, "num_wps": 3, "pmu_num_ctrs": 4, "flags": 1,
    }  # fmt: skip
    text = ",".join(f"{name}={value}" for name, value in given.items())
    parameters = igvm.RealmParameters(**given, rmm=(2, 0))
    with igvm.open(guests / "realm.igvm") as file:
        measurement = igvm.measure(file, CCA, realm=parameters)
    result = run("measure", "realm.igvm", "--realm", f"{text},rmm=2.0", "--bare")
    assert f"{measurement.digest.hex()}\n" == result.stdout


def test_other_platforms_are_still_told(run: Run) -> None:
    """One platform that cannot be measured does not hide the others, and the exit code tells."""
    result = run("measure", "guest.igvm", "--loader", "qemu-kvm")
    assert 2 == result.exit_code
    assert "the number of vCPUs must be known" in result.stderr
    assert 2 == len(result.stderr.splitlines())


@pytest.mark.parametrize(
    ("code", "arguments", "message"),
    [
        (2, "measure hello.igvm --platform TDX", "the file is for NATIVE, SEV_SNP, VSM_ISOLATION"),
        (2, "measure hello.igvm --platform SEV_SNP --loader td-shim", "does not load SEV_SNP"),
        (2, "measure hello.igvm --loader td-shim", "loader td-shim does not load SEV_SNP"),
        (
            2,
            "measure hello.igvm --loader nope",
            "there is no loader 'nope'; there are reference, igvmmeasure",
        ),
        (
            2,
            "measure hello.igvm --platform SEV_SNP --loader qemu-kvm",
            "the number of vCPUs must be known",
        ),
        (2, "measure hello.igvm --loader qemu-kvm --vcpus 2", "the processor model must be known"),
        (2, "measure realm.igvm", "parameters that the VMM chooses"),
        (2, "explain realm.igvm", "parameters that the VMM chooses"),
        (2, "measure realm.igvm --realm num_bps=1", "s2sz, the width of the IPA space"),
        (2, "measure realm.igvm --realm s2sz=x", "'x' is no number for s2sz"),
        (2, "measure realm.igvm --realm size=40", "'size=40' is none of s2sz"),
        (3, "measure realm.igvm --realm s2sz=0x100000000", "does not fit its field"),
        (2, "measure realm.igvm --realm s2sz=20", "s2sz is 20, and an IPA space has 32 to 48 bits"),
        (2, "measure realm.igvm --realm s2sz=40,rmm=2.0", "num_bps is 0, which RMM 2.0 refuses"),
        (
            2,
            "measure realm.igvm --realm s2sz=32,ripas=0-0x80001000",
            "RIPAS 0x0-0x80001000 is not all in",
        ),
        (2, "measure hello.igvm --bare --json", "do not go together"),
        (2, f"measure hello.igvm --bare --expect {HELLO_SNP}", "do not go together"),
        (2, "explain hello.igvm --bare", "there is no option --bare; it is one of igvm measure"),
        (2, "measure hello.igvm --every-page", "--every-page; it is one of igvm explain"),
        (2, f"measure --find {HELLO_SNP} hello.igvm", "--find; there is a verb: igvm find"),
        (2, "measure hello.igvm --explain", "--explain; there is a verb: igvm explain"),
        (2, "explain hello.igvm --vcpus 1,2", "one number of --vcpus"),
        (2, "explain hello.igvm --loader all", "takes one --loader"),
        (2, "explain hello.igvm --platform NATIVE", "no platform of the file"),
        (2, "measure hello.igvm --vcpus 0", "'0' is no number of vCPUs"),
        (2, "measure hello.igvm --vcpus 1-99999", "'1-99999' is no number of vCPUs"),
        (2, "measure hello.igvm --cpu i486", "'i486' is no processor model"),
        (2, "measure hello.igvm --sev-features x", "not a 64-bit number"),
        (2, "measure hello.igvm --expect 00", "not 32, 48 or 64 bytes"),
        (2, "measure hello.igvm --append quiet", "--initrd and --append need --kernel"),
        (
            2,
            "measure hello.igvm --kernel kernel",
            "only qemu-bios and cloud-hypervisor-kvm measure",
        ),
        (3, "measure hello.igvm --kernel none --loader cloud-hypervisor-kvm", "none: No such file"),
        (2, "measure hello.igvm --loader quemu-kvm", "did you mean qemu-kvm?"),
        (2, "measure hello.igvm --platform sev-snip", "did you mean SEV_SNP?"),
        (2, "measure hello.igvm --platform 2", "2 may be a type or a mask"),
        (2, "diff hello.igvm", "it takes two files or two --loader"),
        (2, "diff hello.igvm --loader all", "it takes two files or two --loader"),
        (2, "diff hello.igvm hello.igvm --loader all", "it compares two loaders"),
        (2, "diff hello.igvm hello.igvm --vcpus 1,2", "one number of --vcpus at most"),
        (2, "diff hello.igvm realm.igvm --platform cca", "only the second file is for it"),
        (2, "diff hello.igvm --loader td-shim --loader qemu-kvm", "td-shim does not load it"),
        (3, "measure none.igvm", "none.igvm: No such file"),
        (3, "measure kernel", "FIXED_HEADER: the file has 6 bytes"),
        (3, f"find {HELLO_VBS} guest.igvm", "a digest of 32 bytes is none of"),
        (2, f"find {HELLO_SNP}", "Missing argument 'FILE...'"),
        (2, "find abc hello.igvm", "'abc' is not 32, 48 or 64 bytes"),
        (2, f"find {HELLO_SNP} hello.igvm --platform TDX", "hello.igvm: the file is for NATIVE"),
        (2, f"find {HELLO_VBS} realm.igvm", "parameters that the VMM chooses"),
    ],
)
def test_refused(run: Run, code: int, arguments: str, message: str) -> None:
    """What cannot be done is said in one line and a hint, and nothing is guessed."""
    result = run(*arguments.split())
    assert code == result.exit_code
    lines = result.stderr.splitlines()
    assert message in lines[0]
    assert "hint:" not in lines[0]
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: "))


def test_table_without_a_digest(run: Run) -> None:
    """A table that has no digest at all is an error."""
    result = run("measure", "two.igvm", *SNP_ONLY, "--loader", "qemu-kvm", "--vcpus", "1,1")
    assert 3 == result.exit_code
    assert "the context is for vCPU 1 and there are 1" in result.stderr


@pytest.mark.parametrize(
    ("code", "names", "complaints"),
    [
        (0, "hello two", []),
        (1, "two other", []),
        (0, "sev hello", ["sev.igvm: a digest of 48 bytes is none of SEV"]),
        (1, "two sev", ["sev.igvm: a digest of 48 bytes is none of SEV"]),
        (0, "realm hello", ["realm.igvm: a Realm's measurement depends on parameters"]),
        (3, "none hello", ["none.igvm: No such file"]),
        (3, "hello broken", ["broken.igvm"]),
        (3, "none broken", ["none.igvm: No such file", "broken.igvm"]),
        (3, "sev sev", ["sev.igvm: a digest of 48 bytes is none of SEV"] * 2),
    ],
)
def test_find_in_several_files(
    run: Run, guests: Path, code: int, names: str, complaints: list[str]
) -> None:
    """No file stops the others, what cannot be searched is told, and the exit code is the worst."""
    builder = igvm.Builder(revision=2)
    builder.pages(0, b"code", builder.platform(SEV))
    builder.save(guests / "sev.igvm")
    (guests / "broken.igvm").write_bytes(b"broken")
    paths = [f"{name}.igvm" for name in names.split()]
    result = run("find", HELLO_SNP, *paths, "--vcpus", "1", "--cpu", "EPYC")
    assert code == result.exit_code
    lines = [line for line in result.stderr.splitlines() if not line.startswith("hint: ")]
    assert len(complaints) == len(lines)
    assert all(complaint in line for complaint, line in zip(complaints, lines, strict=True))
    searched = [path for path in paths if not any(path in complaint for complaint in complaints)]
    assert searched == [line for line in result.stdout.splitlines() if line.endswith(".igvm")]
    assert ("found  " in result.stdout) == ("hello.igvm" in searched)


def test_find_reads_standard_input_too(run: Run) -> None:
    """A dash is a file like any other."""
    data = Path("hello.igvm").read_bytes()
    result = run("find", HELLO_SNP, "-", "two.igvm", "--loader", "reference", stdin=data)
    assert ["<stdin>", "two.igvm"] == [
        line for line in result.stdout.splitlines() if line in {"<stdin>", "two.igvm"}
    ]
    assert 0 == result.exit_code


def test_a_found_digest_is_measured_again(run: Run) -> None:
    """The options of a match give `igvm measure` the digest that was searched for."""
    digest = run(
        "measure", "guest.igvm", "--platform", "snp", "--loader", "QEMU_KVM", "--vcpus", "3",
        "--cpu", "EPYC-Rome", "--sev-features", "21", "--bare",
    ).stdout.strip()  # fmt: skip
    result = run("find", digest, "guest.igvm", "--vcpus", "1-4", "--json")
    (match, *_) = json.loads(result.stdout)["files"][0]["search"]["matches"]
    assert ("qemu-kvm", 3, "EPYC-Rome", 0x21) == (
        match["loader"],
        match["vcpus"],
        match["cpu"],
        match["sev_features"],
    )
    text = run("find", digest, "guest.igvm", "--vcpus", "1-4").stdout
    options = re.split(r"\n  (?! )|\nfound", text)[0].removeprefix("found")
    assert f"{digest}\n" == run("measure", "guest.igvm", *options.split(), "--bare").stdout


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, "hello.igvm hello.igvm"),
        (0, "hello.igvm --loader reference --loader igvmmeasure"),
        (1, "guest.igvm other.igvm"),
        (1, "guest.igvm other.igvm --loader reference --loader igvmmeasure --platform snp"),
        (1, "hello.igvm --loader reference --loader qemu-kvm --vcpus 1"),
        (2, "hello.igvm"),
        (1, "hello.igvm --loader reference --loader qemu-kvm"),
        (1, "guest.igvm realm.igvm"),
        (2, "guest.igvm other.igvm third.igvm"),
        (3, "guest.igvm none.igvm"),
    ],
)
def test_exit_codes_of_diff(run: Run, code: int, arguments: str) -> None:
    """Nothing differs, something does, the question is wrong, a file cannot be read."""
    result = run("diff", *arguments.split())
    assert code == result.exit_code
    assert (code < 2) == bool(result.stdout)
    assert (code < 2) == (not result.stderr)


def test_expect_says_what_searches(run: Run) -> None:
    """Where a digest is another, the verb that searches for it is named; else it is not."""
    text = run("measure", "guest.igvm", "--platform", "tdx", "--expect", HELLO_SNP).stdout
    assert "`igvm find HEX guest.igvm` searches for what leads to the expected digest\n" in text
    assert "igvm find" not in run("measure", "hello.igvm", "--expect", HELLO_SNP).stdout
