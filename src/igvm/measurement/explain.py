"""A measurement step by step: each operation of a plan with the running digest after it."""

from __future__ import annotations

import functools
import hashlib
import itertools
from typing import TYPE_CHECKING

import msgspec

from igvm.errors import MeasurementError
from igvm.launch.plan import NO_SOURCE, PAGE, Operation
from igvm.measurement.contents import windows
from igvm.spec.context import CCAContext
from igvm.spec.enums import PlatformType
from igvm.spec.hyperv import register_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.cca import RealmParameters

    Rows = NDArray[np.void]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One operation, or a run of equal ones, and the running digest after it."""

    operation: str
    """The name of an Operation; REALM, RIPAS or REGISTER for what is no operation of a plan."""
    gpa: int | None
    """Where its pages start; None where it has no address."""
    pages: int
    """Pages of 4 KiB, one after the other."""
    header: int
    """Position in the file of the header that the first page comes from, or -1."""
    source: int
    """Offset of the first byte in the file; -1 for zeroes; less where the loader made it."""
    note: str = ""
    """What else there is to say: which vCPU, which register, that pages are empty."""
    measured: bool
    """Whether it changed the digest."""
    digest: bytes
    """The running digest after it."""


def explain(
    plan: LaunchPlan, *, realm: RealmParameters | None = None, every_page: bool = False
) -> Iterator[Step]:
    """How the measurement of `plan` comes about.

    The digest of the last step is that of `igvm.measure_plan(plan)`. Operations that the
    technology does not measure are there too, with the digest unchanged.

    Args:
        plan: from `igvm.plan`.
        realm: what the VMM chooses for a Realm; needed for CCA.
        every_page: a step for every page, register and RTT entry, instead of one for each run of
            pages of one kind at addresses that follow each other.

    Raises:
        MeasurementError: the platform is not measured, or is CCA and `realm` is missing.
    """
    groups = _pages(plan) if every_page else _runs(plan)
    platform = plan.platform
    if platform == PlatformType.CCA and realm is None:
        raise MeasurementError(
            "a Realm's measurement depends on parameters that the VMM chooses",
            missing="realm",
        )
    if platform in {PlatformType.SEV_SNP, PlatformType.VSM_ISOLATION, PlatformType.CCA}:
        return _chained(plan, groups, realm, every_page=every_page)
    if platform == PlatformType.TDX:
        from igvm.measurement import tdx

        return _hashed(plan, groups, hashlib.sha384(), tdx.stream)
    if platform in {PlatformType.SEV, PlatformType.SEV_ES}:
        from igvm.measurement import sev

        return _hashed(plan, groups, hashlib.sha256(), sev.payload)
    raise MeasurementError(f"{platform.name} has no launch measurement", path=plan.file.path)


def _pages(plan: LaunchPlan) -> Iterator[Rows]:
    """Every page of `plan` as one row."""
    import numpy as np

    for pages in windows(plan, np.ones(len(plan.rows), bool)):
        rows = plan.rows[pages.row].copy()
        rows["pages"], rows["gpa"], rows["source"] = 1, pages.gpa, pages.source
        yield from (rows[index : index + 1] for index in range(len(rows)))


def _runs(plan: LaunchPlan) -> Iterator[Rows]:
    """The rows of `plan` in runs of one kind at addresses that follow each other."""
    import numpy as np

    rows = plan.rows
    ends = rows["gpa"] + rows["pages"] * np.uint64(PAGE)
    empty = rows["source"] == NO_SOURCE
    parts = (
        (rows["operation"][1:] != rows["operation"][:-1])
        | (rows["operation"][1:] == Operation.VP_CONTEXT)
        | (empty[1:] != empty[:-1])
        | (rows["gpa"][1:] != ends[:-1])
    )
    edges = [0, *(np.flatnonzero(parts) + 1).tolist(), len(rows)]
    return (rows[start:end] for start, end in itertools.pairwise(edges) if start < end)


def _step(rows: Rows, digest: bytes, *, measured: bool) -> Step:
    """The step for `rows`, which are of one kind."""
    kind, gpa, _, source, header, vp_index = rows[0].item()
    operation = Operation(kind)
    note = ""
    if operation == Operation.VP_CONTEXT:
        note = f"vCPU {vp_index}" + (", made by the loader" if header < 0 else "")
    elif operation == Operation.NORMAL and source == NO_SOURCE:
        note = "empty"
    elif source < NO_SOURCE:
        note = "made by the loader"
    return Step(
        operation=operation.name,
        gpa=gpa,
        pages=sum(rows["pages"].tolist()),
        header=header,
        source=source,
        note=note,
        measured=measured,
        digest=digest,
    )


def _hashed(
    plan: LaunchPlan,
    groups: Iterator[Rows],
    hasher: hashlib._Hash,
    stream: Callable[[LaunchPlan], Iterator[bytes | memoryview]],
) -> Iterator[Step]:
    """Steps of a digest that is one hash over a stream."""
    for rows in groups:
        measured = False
        for part in stream(plan.with_rows(rows)):
            hasher.update(part)
            measured = True
        yield _step(rows, hasher.digest(), measured=measured)


def _chained(
    plan: LaunchPlan, groups: Iterator[Rows], realm: RealmParameters | None, *, every_page: bool
) -> Iterator[Step]:
    """Steps of a digest that is a chain with a link for every page."""
    links, linked, size = _chain(plan, realm)
    digest = bytes(size)
    if plan.platform == PlatformType.CCA:
        assert realm is not None
        digest = next(links)
        yield _bare("REALM", f"IPA of {realm.s2sz} bits", digest)
        for step in _ripas(plan, realm, links, every_page=every_page):
            digest = step.digest
            yield step
    for rows in groups:
        count = linked(rows)
        if count:
            digest = next(itertools.islice(links, count - 1, None))
        yield _step(rows, digest, measured=bool(count))
    if plan.platform == PlatformType.VSM_ISOLATION:
        yield from _registers(plan, links, every_page=every_page)


def _chain(
    plan: LaunchPlan, realm: RealmParameters | None
) -> tuple[Iterator[bytes], Callable[[Rows], int], int]:
    """The running digests, how many of them rows of one kind have, and the size of one."""
    if plan.platform == PlatformType.SEV_SNP:
        from igvm.measurement import snp

        return snp.chain(plan), functools.partial(_count, frozenset(snp.PAGE_TYPE)), 48
    if plan.platform == PlatformType.VSM_ISOLATION:
        from igvm.measurement import vbs

        return vbs.chain(plan), functools.partial(_count, frozenset(vbs.METADATA)), 32
    from igvm.measurement import cca

    assert realm is not None
    extending = frozenset({Operation.NORMAL, Operation.UNMEASURED, Operation.PARAMETER})

    def linked(rows: Rows) -> int:
        source = int(rows["source"][0])
        if rows["operation"][0] != Operation.VP_CONTEXT:
            return _count(extending, rows)
        return CCAContext.unpack_from(plan.content(source, CCAContext.SIZE)).flags & 1

    return cca.chain(plan, realm), linked, 0


def _count(linked: frozenset[Operation], rows: Rows) -> int:
    """The pages of `rows` if their operation is one of `linked`."""
    kind = Operation(int(rows["operation"][0]))
    return sum(rows["pages"].tolist()) if kind in linked else 0


def _ripas(
    plan: LaunchPlan, realm: RealmParameters, links: Iterator[bytes], *, every_page: bool
) -> Iterator[Step]:
    """The steps for the RTT entries that become RAM, which RMM 1.x measures first."""
    from igvm.measurement.cca import algorithm_of
    from igvm.measurement.rmm import measured_ripas, ripas_entries

    for base, top in measured_ripas(realm, algorithm_of(plan)):
        entries = list(ripas_entries(base, top, realm.s2sz))
        digests = list(itertools.islice(links, len(entries)))
        if every_page or len(entries) == 1:
            for (start, end), digest in zip(entries, digests, strict=True):
                yield _bare("RIPAS", f"{start:#x} to {end:#x}", digest)
        else:
            note = f"{base:#x} to {top:#x}, {len(entries)} entries"
            yield _bare("RIPAS", note, digests[-1])


def _registers(plan: LaunchPlan, links: Iterator[bytes], *, every_page: bool) -> Iterator[Step]:
    """The steps for the registers of all contexts, which VBS measures last."""
    from igvm.measurement.vbs import registers

    for row in plan:
        if row.operation != Operation.VP_CONTEXT:
            continue
        found = registers(plan, row.source, row.header)
        digests = list(itertools.islice(links, len(found)))
        vcpu = f"vCPU {row.vp_index}"
        if not every_page:
            if found:
                yield _bare("REGISTER", f"{vcpu}, {len(found)} registers", digests[-1], row.header)
            continue
        for register, digest in zip(found, digests, strict=True):
            name = register_name(plan.file.architecture, register.register_name).name
            note = f"{vcpu}, VTL {register.vtl}, {name}"
            yield _bare("REGISTER", note, digest, row.header)


def _bare(operation: str, note: str, digest: bytes, header: int = -1) -> Step:
    """A step that is no operation on pages."""
    return Step(
        operation=operation, gpa=None, pages=0, header=header, source=NO_SOURCE, note=note,
        measured=True, digest=digest,
    )  # fmt: skip
