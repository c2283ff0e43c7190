"""Calls that go wrong again and again are told in a sentence, with what to write instead."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import igvm
from tests.small_files import built_guests

if TYPE_CHECKING:
    from collections.abc import Callable

FILE: Any = built_guests.hello_guest()
PLAN: Any = igvm.plan(FILE, "snp")
TABLE: Any = FILE.table(igvm.PageData)
TOOLS: Any = igvm

CALLS: dict[str, tuple[Callable[[], Any], str, str | None]] = {
    "open of bytes": (
        lambda: TOOLS.open(b"IGVM"),
        "a path is needed, not bytes",
        "igvm.parse(data) takes the bytes",
    ),
    "open of a stream": (
        lambda: TOOLS.open(io.BytesIO()),
        "a path is needed, not BytesIO",
        "igvm.parse(stream.read())",
    ),
    "open of nothing": (lambda: TOOLS.open(None), "a path is needed, not NoneType", None),
    "parse of a path": (
        lambda: TOOLS.parse(Path("guest.igvm")),
        "the bytes of a file are needed, not PosixPath",
        "igvm.open(path) reads a file",
    ),
    "parse of a name": (
        lambda: TOOLS.parse("guest.igvm"),
        "the bytes of a file are needed, not str",
        "igvm.open(path) reads a file",
    ),
    "firmware of bytes": (lambda: TOOLS.open_firmware(b""), "a path is needed, not bytes", "igvm."),
    "firmware of a name": (
        lambda: TOOLS.parse_firmware("OVMF.fd"),
        "the bytes of a file are needed, not str",
        "igvm.open",
    ),
    "a platform of no such name": (
        lambda: FILE.platforms["x"],
        "there is no platform 'x'",
        "there are NATIVE",
    ),
    "a platform past the last": (lambda: FILE.platforms[99], "the file has 3", None),
    "a header past the last": (
        lambda: FILE.header(99),
        "there is no header 99: the file has",
        None,
    ),
    "headers past the last": (lambda: FILE.headers[99], "there is no header 99: there are", None),
    "a header by name": (
        lambda: FILE.header("PAGE_DATA"),
        "a header is called by its position, not 'PAGE_DATA'",
        "file.all_of(igvm.PageData)",
    ),
    "data of a position": (
        lambda: FILE.data(11),
        "a header is needed, not int",
        "file.header(11) is one",
    ),
    "registers of a position": (
        lambda: FILE.context(15),
        "a header is needed, not int",
        "file.header(15) is one",
    ),
    "an attribute for a column": (
        lambda: TABLE.gpa,
        "a table has no attribute 'gpa'",
        "a column is table['gpa']",
    ),
    "nearly a field": (lambda: TABLE.gap, "a table has no attribute 'gap'", "did you mean gpa?"),
    "a row for a column": (
        lambda: TABLE[0],
        "a column is called by its field, not 0",
        "table[igvm.PageData.gpa] is one; table.rows() has rows",
    ),
    "pages of a file": (
        lambda: FILE.pages,
        "a file has no attribute 'pages'",
        "file.table(igvm.PageData)",
    ),
    "nearly an attribute": (
        lambda: FILE.platform,
        "a file has no attribute 'platform'",
        "did you mean platforms?",
    ),
    "measuring a file as a plan": (
        lambda: TOOLS.measure_plan(FILE),
        "a plan is needed, not IgvmFile",
        "igvm.plan(file, platform) makes one",
    ),
    "explaining a file": (
        lambda: TOOLS.explain(FILE),
        "a plan is needed, not IgvmFile",
        "igvm.plan(file, platform) makes one",
    ),
    "comparing files": (
        lambda: TOOLS.first_difference(FILE, FILE),
        "a plan is needed, not IgvmFile",
        "igvm.plan(file, platform) makes one",
    ),
    "one plan for several": (
        lambda: TOOLS.measure_plans(PLAN),
        "plans are needed, not one",
        "igvm.measure_plan takes one",
    ),
    "files for plans": (lambda: TOOLS.measure_plans([FILE]), "a plan is needed", "igvm.plan"),
    "vCPUs as text": (
        lambda: TOOLS.measure(FILE, "snp", loader="qemu-kvm", vcpus="1"),
        "vcpus is a number, not '1' (str)",
        None,
    ),
    "a processor as a fraction": (
        lambda: TOOLS.plan(FILE, "snp", loader="qemu-kvm", cpu=1.5),
        "cpu is a model such as 'EPYC-Milan'",
        None,
    ),
    "features as text": (
        lambda: TOOLS.plan(FILE, "snp", loader="qemu-kvm", sev_features="21"),
        "sev_features is a number such as 0x21",
        None,
    ),
    "a host as a list": (
        lambda: TOOLS.measure(FILE, "snp", host=["fpu"]),
        "host is values by the names of axes",
        None,
    ),
    "a change of no field": (
        lambda: igvm.PageData(gpa=0, compatibility_mask=1).replace(gap=1),
        "PageData has no field gap",
        "did you mean gpa?",
    ),
    "a bit of no name": (
        lambda: igvm.SNPPolicy.of(single_sockets=1),
        "SNPPolicy has no field single_sockets",
        "did you mean single_socket?",
    ),
    "a value too large for its bits": (
        lambda: igvm.SNPPolicy.of(debug=4),
        "debug is 4, which does not fit 1 bits",
        None,
    ),
}


@pytest.mark.parametrize(("call", "words", "hint"), CALLS.values(), ids=CALLS)
def test_a_wrong_call_is_told(call: Callable[[], Any], words: str, hint: str | None) -> None:
    """The error is igvm's own, says what is wrong, and hints at what is meant where it can."""
    with pytest.raises(igvm.ValidationError) as caught:
        call()
    assert words in str(caught.value)
    assert (hint or "") in (caught.value.hint or "")
    assert (hint is None) == (caught.value.hint is None)


def test_python_sees_what_is_missing() -> None:
    """hasattr, getattr with a default, copies and loops over positions work as ever."""
    assert not hasattr(TABLE, "gpa")
    assert not hasattr(FILE, "_repr_png_")
    assert "none" == getattr(FILE, "pages", "none")
    assert TABLE.record is copy.copy(TABLE).record
    with pytest.raises(IndexError):
        FILE.headers[len(FILE.headers)]
    with pytest.raises(AttributeError):
        igvm.SNPPolicy.of(no_such_bit=1)
    assert [header.index for header in FILE.headers] == list(range(len(FILE.headers)))


def test_numbers_of_numpy_are_numbers() -> None:
    """What comes out of a column goes in as a number of vCPUs."""
    import numpy as np

    known: Any = np.int64(1)
    expected = igvm.measure(FILE, "snp", loader="qemu-kvm", vcpus=1).digest
    assert expected == igvm.measure(FILE, "snp", loader="qemu-kvm", vcpus=known).digest
