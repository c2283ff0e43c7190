"""What holds for the plan of every loader: it names every directive, and why it leaves one out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import igvm
from igvm.launch.plan import MEMORY
from igvm.launch.request import PlanRequest
from igvm.spec.isolation import isolation_of
from tests.differential.measurable import measurable
from tests.small_files import raw
from tests.small_files.contents import LONG_MODE_VMSA, PAGE
from tests.small_files.guests import SEV, SNP, TDX, file_for, guest_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUESTS = (PlanRequest(), PlanRequest(vcpus=3, cpu=0))


def plans(file: igvm.IgvmFile) -> Iterator[igvm.LaunchPlan]:
    """The plan of every loader for every platform that it takes, refused or not."""
    for loader in igvm.loaders().values():
        for platform in file.platforms:
            if platform.type in loader.platforms:
                for request in REQUESTS:
                    yield loader.plan(file, platform.type, platform.mask, request)


def judge(plan: igvm.LaunchPlan) -> None:
    """Every header for the platform has a row, and what is left out says why."""
    file, rows = plan.file, plan.rows
    applies = (file.masks & np.uint32(plan.mask) != 0) & (file.sections != igvm.Section.PLATFORM)
    assert set(np.flatnonzero(applies)) <= set(rows["header"].tolist())
    assert set(rows["operation"].tolist()) <= {int(operation) for operation in igvm.Operation}
    assert (rows["loaded"] <= np.maximum(rows["pages"], 1)).all()
    counted = plan.of(*MEMORY, igvm.Operation.ERROR_RANGE, igvm.Operation.VP_CONTEXT)
    has_reason = rows["reason"] != 0
    assert has_reason[counted & (rows["loaded"] < rows["pages"])].all()
    covered = plan.of(*isolation_of(plan.platform).measured) & (rows["loaded"] > 0)
    assert has_reason[covered & ~rows["measured"]].all()
    assert (
        not plan.refusals
        or any(reason.startswith("fatal") for reason in plan.reasons)
        or any(refusal.header is None or file.header(refusal.header) for refusal in plan.refusals)
    )


@pytest.mark.parametrize("seed", range(3))
def test_every_directive_is_named(seed: int) -> None:
    """Of generated files, by every loader."""
    for data in measurable(seed, 60):
        for plan in plans(igvm.parse(data)):
            judge(plan)


def test_every_directive_of_real_files_is_named(corpus: Path) -> None:
    """Of the corpus, by every loader."""
    count = 0
    for path in sorted(corpus.rglob("*.igvm")):
        try:
            file = igvm.open(path)
        except igvm.FormatError:
            continue
        for plan in plans(file):
            judge(plan)
            count += 1
    assert count > 1000


def test_what_a_plan_was_missing() -> None:
    """Seen before: pages that the firmware never gets, whole large pages, first contents, areas."""
    file = file_for(
        SEV, raw.page(0x1000, raw.at(0), flags=2), raw.area(1), raw.insert(1, 0x2000), data=PAGE
    )
    rows = [
        (row.operation.name, row.gpa, row.measured)
        for row in igvm.plan(file, SEV, loader="qemu-kvm")
    ]
    assert ("UNMEASURED", 0x1000, False) in rows
    assert ("PARAMETER", 0x2000, False) in rows
    file = file_for(
        SNP,
        raw.policy(),
        raw.page(0x200000, raw.at(0), flags=1),
        raw.area(1, 4096, raw.at(0)),
        raw.insert(1, 0x2000),
        data=PAGE.ljust(0x200000, b"\0"),
    )
    large, area = (
        row for row in igvm.plan(file, SNP) if row.operation.name in {"NORMAL", "PARAMETER"}
    )
    assert (512, 1, True) == (large.pages, large.loaded, large.measured)
    assert large.reason
    assert PAGE[:16] == bytes(igvm.plan(file, SNP).content(area.source))[:16]
    file = file_for(TDX, raw.area(1), raw.parameter(0x307, 1), raw.insert(1, 0x2000))
    names = [row.operation.name for row in igvm.plan(file, TDX, loader="td-shim")]
    assert ["PARAMETER_AREA", "PARAMETER_VALUE", "PARAMETER"] == names


def test_summary() -> None:
    """A plan is shown by what it is for, how much is in it, and what is missing."""
    file = guest_for(LONG_MODE_VMSA, raw.page(0x1000, raw.at(0)), gpa=0)
    plan = igvm.plan(file, "snp", loader="igvmmeasure")
    assert "<LaunchPlan SEV_SNP, loader igvmmeasure, 3 rows, 2 pages measured>" == repr(plan)
    assert repr(igvm.plan(file, "snp", loader="cloud-hypervisor-kvm")).endswith("vcpus missing>")


def test_names_of_platforms() -> None:
    """A platform is one of the file's, a type or a name; a number is refused in words."""
    file = guest_for(LONG_MODE_VMSA, gpa=0)
    digest = igvm.measure(file, SNP).digest
    for platform in ("snp", "SEV-SNP", file.platforms["SEV_SNP"], file.platforms[0]):
        assert digest == igvm.measure(file, platform).digest
    with pytest.raises(igvm.ValidationError, match="there is no platform 'spn'"):
        igvm.measure(file, "spn")
    with pytest.raises(igvm.ValidationError, match="2"):
        igvm.measure(file, 2)  # type: ignore[arg-type]


def test_measure_all() -> None:
    """Every platform of a file that the loader measures, at once."""
    with igvm.open("examples/hello.igvm") as file:
        measured = igvm.measure_all(file)
        assert {kind.name for kind in measured} <= set(map(str, file.platforms))
        for kind, measurement in measured.items():
            assert igvm.measure(file, kind) == measurement
        assert {SNP} == set(igvm.measure_all(file, loader="igvmmeasure"))
