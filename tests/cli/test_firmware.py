"""`--firmware` and what goes with it on the command line; options that would change nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.firmware.images import firmware, td_sections

if TYPE_CHECKING:
    from tests.cli.conftest import Run

HELLO = Path(__file__).resolve().parents[2] / "examples" / "hello.igvm"
IMAGE = firmware(td=td_sections(0x3000))
SNP = "--firmware fw.fd --platform snp --vcpus 1 --cpu EPYC"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with firmware and a kernel, to be in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fw.fd").write_bytes(IMAGE)
    (tmp_path / "code.fd").write_bytes(IMAGE[4096:])
    (tmp_path / "four.fd").write_bytes(IMAGE[:4])
    (tmp_path / "kernel").write_bytes(b"kernel")
    return tmp_path


def test_every_platform(run: Run) -> None:
    """Firmware is measured for all that it was built for, with its own name and size."""
    result = run(
        *["measure", "--firmware", "fw.fd", "--vcpus", "2", "--cpu", "EPYC-v4", "--json=short"]
    )
    report = json.loads(result.stdout)
    assert {"name": "fw.fd", "size": len(IMAGE)} == report["file"]
    assert ["SEV_SNP", "SEV_ES", "SEV", "TDX"] == [each["platform"] for each in report["results"]]
    assert {"qemu-bios"} == {each["loader"] for each in report["results"]}
    assert all(each["measurement"] for each in report["results"])


def test_base64(run: Run) -> None:
    """--encoding says how --bare prints."""
    digest = hashlib.sha256(IMAGE).digest()
    arguments = ["measure", "--firmware", "fw.fd", "--platform", "sev", "--bare"]
    assert f"{digest.hex()}\n" == run(*arguments).stdout
    expected = base64.b64encode(digest).decode()
    assert f"{expected}\n" == run(*arguments, "--encoding", "base64").stdout


def test_the_firmwares_digest(run: Run) -> None:
    """What --print-snp-ovmf-hash prints is taken in place of the firmware's pages."""
    digest = run(*["measure", "--firmware", "fw.fd", "--print-snp-ovmf-hash"]).stdout.strip()
    whole = run("measure", *SNP.split(), "--bare").stdout
    assert whole == run("measure", *SNP.split(), "--bare", "--snp-ovmf-hash", digest).stdout
    found = run("find", whole.strip(), "--firmware", "fw.fd", "--snp-ovmf-hash", digest)
    assert "--loader qemu-bios --vcpus 1 --cpu EPYC" in found.stdout


def test_vmsas_are_never_overwritten_unasked(run: Run, folder: Path) -> None:
    """--dump-vmsa writes over nothing without --force."""
    (folder / "v").mkdir()
    (folder / "v" / "vmsa0.bin").write_bytes(b"mine")
    refused = run("measure", *SNP.split(), "--dump-vmsa", "v")
    assert 3 == refused.exit_code
    assert "v/vmsa0.bin: the file exists\nhint: --force overwrites it" in refused.stderr
    assert b"mine" == (folder / "v" / "vmsa0.bin").read_bytes()
    assert 0 == run("measure", *SNP.split(), "--dump-vmsa", "v", "--force").exit_code
    assert 4096 == (folder / "v" / "vmsa0.bin").stat().st_size


@pytest.mark.parametrize(
    ("code", "arguments", "message"),
    [
        (2, "measure", "Missing argument 'FILE', or --firmware"),
        (2, "measure fw.fd --firmware fw.fd", "it takes FILE or --firmware, and not both"),
        (2, "explain", "Missing argument 'FILE', or --firmware"),
        (2, "measure --firmware fw.fd --loader reference", "reads IGVM files: --firmware is for"),
        (3, "measure --firmware four.fd", "four.fd+0x0: firmware has whole pages"),
        (3, "measure --firmware none.fd", "none.fd: No such file"),
        (3, "measure --firmware code.fd --platform tdx", "which a file with the code alone"),
        (2, "measure --firmware fw.fd --platform snp", "the number of vCPUs must be known"),
        (2, "measure --firmware fw.fd --encoding hex", "--encoding is for --bare"),
        (2, "measure --firmware fw.fd --force", "--force is for --dump-vmsa"),
        (2, "measure --firmware fw.fd --platform sev --dump-vmsa v", "there is none"),
        (2, f"measure {SNP} --snp-ovmf-hash {'00' * 32}", "--snp-ovmf-hash has 32 bytes"),
        (2, f"measure --firmware fw.fd --platform tdx --snp-ovmf-hash {'00' * 48}", "for SEV_SNP"),
        (2, f"measure {SNP} --print-snp-ovmf-hash", "depends on the firmware alone"),
        (2, "measure --firmware fw.fd --platform sev --vcpus 2", "--vcpus changes nothing on SEV"),
        (2, "measure --firmware fw.fd --platform sev --cpu EPYC", "--cpu changes nothing on SEV"),
        (2, "measure --firmware fw.fd --platform tdx --sev-features 1", "changes nothing on TDX"),
        (2, "measure --firmware fw.fd --platform tdx --kernel kernel", "changes nothing on TDX"),
        (2, "measure --firmware fw.fd --realm s2sz=40", "--realm changes nothing on"),
        (2, "explain --firmware fw.fd --platform sev --vcpus 1", "--vcpus changes nothing on SEV"),
        (
            2,
            f"find {'00' * 32} --firmware fw.fd --platform sev --cpu EPYC",
            "--cpu changes nothing",
        ),
        (2, f"find {'00' * 48} --firmware fw.fd --platform tdx --kernel kernel", "changes nothing"),
        (1, f"find {'00' * 48} --firmware fw.fd", None),
    ],
)
def test_refused(run: Run, code: int, arguments: str, message: str | None) -> None:
    """What is not there, does not go together or would be ignored is said in one line."""
    result = run(*arguments.split())
    assert code == result.exit_code
    if message is None:
        assert "not found" in result.stdout
    else:
        assert message in result.stderr.splitlines()[0]


def test_options_of_files_that_change_nothing(run: Run) -> None:
    """The same for an IGVM file: a loader that takes contexts as they are depends on no count."""
    result = run("measure", "--platform", "snp", "--vcpus", "2", str(HELLO))
    assert 2 == result.exit_code
    assert "--vcpus changes nothing here: loader reference does not depend" in result.stderr
