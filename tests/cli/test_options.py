"""Options as records: said once, and parser, help, hints and completion made from them."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import igvm
from igvm.cli import header_options, launch_options, options
from igvm.cli.app import VERBS
from igvm.cli.messages import advice, exit_code
from igvm.cli.option_records import Argument, Option
from igvm.cli.values import Group
from igvm.measurement.technology_table import technologies
from igvm.report import schemas

if TYPE_CHECKING:
    from tests.cli.conftest import Run

MODULES = (options, launch_options, header_options)
RECORDS = {
    record.name: record
    for module in MODULES
    for record in vars(module).values()
    if isinstance(record, Option)
}


def command(verb: str) -> Any:
    """The command of a verb."""
    return importlib.import_module(f"igvm.cli.{verb}").command


def test_every_option_is_said_once() -> None:
    """No two records have a name or a flag in common."""
    records = [
        record
        for module in MODULES
        for record in vars(module).values()
        if isinstance(record, Option)
    ]
    names = [record.name for record in {id(record): record for record in records}.values()]
    flags = [flag for record in RECORDS.values() for flag in record.flags]
    assert len(names) == len(set(names))
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_is_a_record(verb: str) -> None:
    """What a verb takes is what is said of it, and its function takes no more and no less."""
    records = [getattr(param, "record", None) for param in command(verb).params]
    given = [record for record in records if record is not None]
    known = {record.name: (record.flags, record.metavar) for record in RECORDS.values()}
    assert {record.name: known[record.name] for record in given} == {
        record.name: (record.flags, record.metavar) for record in given
    }
    signature = inspect.signature(command(verb).callback)
    takes = {
        name
        for name, parameter in signature.parameters.items()
        if parameter.kind != parameter.VAR_KEYWORD
    }
    names = {param.name for param in command(verb).params}
    assert takes == names or takes < names


def test_records_are_light() -> None:
    """Neither the records nor help need anything heavy."""
    code = (
        "import sys\n"
        "from igvm.cli import header_options, launch_options, options\n"
        "print(*sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not loaded & {"numpy", "rich", "msgspec", "click", "igvm.launch", "igvm.spec"}


def test_records_are_data() -> None:
    """A record can be changed for a verb, and the one that was said stays."""
    changed = launch_options.LOADER._replace(default="reference")
    assert (None, "reference") == (launch_options.LOADER.default, changed.default)
    assert isinstance(options.FILE, Argument)


def test_verbs_with_json() -> None:
    """`igvm schema` takes the verbs that have --json, and the library knows each."""
    with_json = {verb for verb in VERBS if "json" in {param.name for param in command(verb).params}}
    assert set(options.JSON_VERBS) == set(schemas.NAMES) == with_json


def test_loaders_of_the_options() -> None:
    """--loader takes every loader that there is, and words for several."""
    value = launch_options.LOADER.value
    assert isinstance(value, Group)
    assert tuple(igvm.loaders()) == value.names() == value.read("ALL")
    group = ("cloud-hypervisor-kvm", "cloud-hypervisor-mshv")
    assert group == value.read("Cloud_Hypervisor")
    assert ("qemu-kvm",) == value.read("qemu_KVM")


@pytest.mark.parametrize("verb", VERBS)
def test_help_can_be_copied(run: Run, verb: str) -> None:
    """No name is broken at a hyphen, no command at a blank, and what is hidden stays so."""
    text = run(verb, "--help").stdout
    assert text.isascii()
    assert not [line for line in text.splitlines() if re.search(r"\w-$", line)]
    assert all(line.count("`") % 2 == 0 for line in text.splitlines())
    for param in command(verb).params:
        record = getattr(param, "record", None)
        if record is not None:
            assert f"  {', '.join(record.flags)}" in text
            assert f"{record.metavar} " in f"{text} "


@pytest.mark.parametrize(
    ("platform", "names"),
    [
        ("SEV_SNP", ["snp", "SNP", "sev-snp", "Sev_Snp", "SEV-SNP"]),
        ("VSM_ISOLATION", ["vbs", "vsm-isolation", "VSM_isolation"]),
        ("NATIVE", ["native", "Native"]),
    ],
)
@pytest.mark.usefixtures("folder")
def test_names_of_platforms(run: Run, platform: str, names: list[str]) -> None:
    """A platform may be called in many ways; it is printed in one."""
    expected = run("dump", "full.igvm", "--platform", platform)
    assert 0 == expected.exit_code
    for name in names:
        assert expected.stdout == run("dump", "full.igvm", "--platform", name).stdout


@pytest.mark.usefixtures("folder")
def test_names_that_have_none(run: Run) -> None:
    """A value without a name is taken in the form in which it is printed."""
    result = run("dump", "--type", "unknown_0x399", "good.igvm")
    assert (0, "") == (result.exit_code, result.stderr)
    assert (
        "the file is for SEV_SNP, not for UNKNOWN_0x9"
        in run("dump", "--platform", "UNKNOWN_0x9", "pages.igvm").stderr
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("measure-all x", "there is no verb 'measure-all'; did you mean measure?"),
        ("nonsense", "there is no verb 'nonsense'; there are info, dump, check"),
        ("info --jsn good.igvm", "info: there is no option --jsn; did you mean --json?"),
        ("info -j good.igvm", "info: there is no option -j; there are --json, --help"),
        ("measure --find 00 good.igvm", "there is no option --find; there is a verb: igvm find"),
        ("info --loader x good.igvm", "it is one of igvm check, igvm rules, igvm measure"),
        ("measure --platform sev-snip good.igvm", "there is no platform 'sev-snip'; did you mean"),
        ("dump --type page_dat good.igvm", "no header type 'page_dat'; did you mean PAGE_DATA?"),
        ("check --loader openvm good.igvm", "no loader 'openvm'; did you mean openvmm?"),
        ("check --rules igvm0.5 good.igvm", "no rule set 'igvm0.5'; did you mean igvm-0.5?"),
        ("check --severity warn good.igvm", "no severity 'warn'; did you mean warning?"),
        ("rules checksun", "there is no rule checksun; did you mean checksum?"),
        ("rules loader/openvmm/overlp", "did you mean loader/openvmm/overlap?"),
        ("schema measures", "no verb with JSON 'measures'; did you mean measure?"),
        ("completion bahs", "no completion for 'bahs'; did you mean bash?"),
        ("dump --platform 2 good.igvm", "2 may be a type or a mask; give the name of the platform"),
        ("check --most 0 good.igvm", "'0' is no whole number from 1 on"),
        ("rewrite good.igvm", "Missing option '-o' / '--output'"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_the_nearest_name(run: Run, arguments: str, message: str) -> None:
    """A name that there is not is told with the nearest one, or with all."""
    result = run(*arguments.split())
    assert ("", 2) == (result.stdout, result.exit_code)
    first, hint = result.stderr.splitlines()
    assert message in first
    assert hint.startswith("hint: see igvm")


@pytest.mark.parametrize(
    ("expected", "missing", "hint"),
    [
        ("say it with --vcpus N", "vcpus", None),
        ("say it with --cpu MODEL|host:NAME|0xSIG", "cpu", None),
        (
            "say how many the VMM chooses (--realm s2sz=N,...)",
            "realm",
            "say how many the VMM chooses",
        ),
        ("mend the file", None, "mend the file"),
        (None, None, None),
    ],
)
def test_what_is_missing_is_an_option(
    expected: str | None, missing: str | None, hint: str | None
) -> None:
    """The hint of an error names the option for what it misses, and the exit code is 2."""
    assert expected == advice(hint, missing)
    assert (2 if missing else 3) == exit_code(missing)
    assert missing is None or missing in RECORDS


def test_a_name_for_every_measured_platform() -> None:
    """Every platform that is measured can be asked for by its own name."""
    value = launch_options.PLATFORM.value
    assert value is not None
    assert all(kind == value.read(kind.name.lower().replace("_", "-")) for kind in technologies())


@pytest.mark.parametrize(
    ("completed", "words"),
    [
        ({"explain"}, "igvm expl"),
        ({"VBS", "VSM_ISOLATION"}, "igvm measure --platform v"),
        ({"qemu-kvm", "qemu-bios", "qemu-tcg", "qemu"}, "igvm measure --loader QEMU"),
        (
            {"cloud-hypervisor-kvm", "cloud-hypervisor-mshv", "cloud-hypervisor"},
            "igvm check --loader cl",
        ),
        ({"EPYC-Genoa"}, "igvm find --cpu epyc-g"),
        ({"num_bps=", "num_wps="}, "igvm measure --realm num_"),
        ({"s2sz=40,rmm="}, "igvm explain --realm s2sz=40,rm"),
        ({"--expect", "--encoding"}, "igvm measure --e"),
        ({"warning"}, "igvm check --severity w"),
        ({"igvm-0.4", "igvm-0.5"}, "igvm rules --rules igvm"),
        ({"find"}, "igvm schema fi"),
        ({"zsh"}, "igvm completion z"),
    ],
)
def test_values_complete(
    run: Run, monkeypatch: pytest.MonkeyPatch, completed: set[str], words: str
) -> None:
    """Values are completed from the records too."""
    monkeypatch.setenv("_IGVM_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert completed == {line.partition(",")[2] for line in run().stdout.splitlines()}


def test_files_complete(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file is wanted, the shell completes it."""
    monkeypatch.setenv("_IGVM_COMPLETE", "bash_complete")
    for words in ("igvm info ex", "igvm measure --kernel ex", "igvm rewrite -o ex"):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        assert "file,ex\n" == run().stdout
