"""What may be different in a launch from what is thought of it: the variations of a search."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, NamedTuple

from igvm.errors import MeasurementError
from igvm.launch.draft import draft
from igvm.launch.hashes import firmware_area, with_hashes
from igvm.launch.loaders import loaders
from igvm.launch.plan import NO_SOURCE, LaunchPlan, Operation
from igvm.launch.planning import plan as make_plan
from igvm.spec.directive import VPContext
from igvm.spec.enums import HeaderType, PlatformType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile
    from igvm.launch.hashes import KernelHashes

    Rows = NDArray[np.void]
    Change = tuple[str, Callable[[Rows], Rows]]

WITH_VMSAS = (PlatformType.SEV_SNP, PlatformType.SEV_ES)
"""Platforms on which a VMSA for each vCPU may follow the pages."""

_SEV = (PlatformType.SEV, PlatformType.SEV_ES)


class Way(NamedTuple):
    """How one comes to the pages of a variation."""

    loader: str
    deviations: tuple[str, ...] = ()
    """What must be otherwise than in the loader."""
    hashes: bool = False
    """Whether the hashes of a kernel are in it."""
    contexts: tuple[tuple[int, int], ...] = ()
    """Source and gpa of each context of the file that the loader has measured."""
    rebuilt: bool = False
    """Whether the loader has KVM build the VMSAs."""


class Variation(NamedTuple):
    """One sequence of pages, and every way to come to it."""

    plan: LaunchPlan
    ways: list[Way]
    open: bool
    """Whether VMSAs may follow; else the contexts that count are in the plan."""


def variations(
    file: IgvmFile, platform: PlatformType, *, names: Sequence[str], hashes: KernelHashes | None
) -> tuple[list[Variation], dict[str, str]]:
    """The different page sequences of the loaders `names`, and why loaders refuse the file.

    Args:
        file: an open file.
        platform: one that the file is for.
        names: loaders; those that do not load the platform are left out.
        hashes: try with these and without.
    """
    found: dict[bytes, Variation] = {}
    refused: dict[str, str] = {}
    known = loaders()
    table = file.table(VPContext)
    vcpus = int(table[VPContext.vp_index].max()) + 1 if len(table) else 1
    sizes = _area_sizes(file, platform)
    for name in names:
        if platform not in known[name].platforms:
            continue
        for given in (None, hashes) if hashes and known[name].takes_hashes else (None,):
            try:
                made = make_plan(file, platform, loader=name, vcpus=vcpus, cpu=0, hashes=given)
            except MeasurementError as error:
                refused[name] = error.message
                continue
            way = Way(name, hashes=given is not None)
            for variation in _varied(made, way, sizes):
                _add(found, variation)
            area = firmware_area(made) if hashes and given is None else None
            if area is not None and hashes is not None and platform == PlatformType.SEV_SNP:
                said = (f"QEMU has put the kernel's hashes at {area:#x}, for the firmware",)
                patched = with_hashes(made, hashes, area)
                for variation in _varied(patched, way._replace(deviations=said), sizes):
                    _add(found, variation)
    return list(found.values()), refused


def _area_sizes(file: IgvmFile, platform: PlatformType) -> dict[int, int]:
    """Pages of the area that each PARAMETER_INSERT, by its position, inserts."""
    asked = draft(file, platform)
    rows = asked.rows[asked.of(HeaderType.PARAMETER_INSERT)]
    return dict(zip(rows["header"].tolist(), rows["pages"].tolist(), strict=True))


def _add(found: dict[bytes, Variation], variation: Variation) -> None:
    """Put a variation to those found, or its way to the one that has the same pages."""
    (way,) = variation.ways
    same = found.setdefault(_key(variation), variation)
    if same is variation:
        return
    simpler = (one for one in same.ways if len(one.deviations) <= len(way.deviations))
    if not any(one.loader == way.loader for one in simpler):
        same.ways.append(way)


def _key(variation: Variation) -> bytes:
    """What the digest of a variation depends on, in short."""
    plan = variation.plan
    hasher = hashlib.blake2b(bytes([variation.open]))
    for name in ("operation", "gpa", "pages", "source"):
        hasher.update(plan.rows[name].tobytes())
    made = plan.rows["source"][plan.rows["source"] < NO_SOURCE]
    for source in made.tolist():
        hasher.update(plan.content(source))
    return hasher.digest()


def _varied(plan: LaunchPlan, way: Way, sizes: dict[int, int]) -> Iterator[Variation]:
    """`plan` as it is and with every change that makes sense for its platform."""
    contexts = plan.rows["operation"] == Operation.VP_CONTEXT
    own = plan.rows[contexts]
    way = way._replace(
        contexts=tuple(zip(own["source"].tolist(), own["gpa"].tolist(), strict=True)),
        rebuilt=bool((own["source"] < NO_SOURCE).any()),
    )
    bases = [("", plan, False)]
    if plan.platform in WITH_VMSAS:
        last = bool(contexts[len(contexts) - len(own) :].all())
        bare = plan.with_rows(plan.rows[~contexts])
        bases = [("", bare, True)]
        if not last:
            bases = [("", plan, False), ("the VMSAs come last", bare, True)]
    for chosen in itertools.product(*_changes(plan.platform, sizes)):
        for words, base, is_open in bases:
            rows = base.rows
            for _, change in chosen:
                rows = change(rows)
            said = tuple(text for text in (*(text for text, _ in chosen), words) if text)
            ways = [way._replace(deviations=(*way.deviations, *said))]
            yield Variation(base.with_rows(rows), ways, is_open)


def _changes(platform: PlatformType, sizes: dict[int, int]) -> Iterator[list[Change]]:
    """The changes to try, in groups of which one applies; the first of each is none."""
    if sizes and platform not in _SEV:
        yield [
            _NONE,
            ("a parameter area counts as one page", lambda rows: _area_pages(rows, {})),
            ("every page of a parameter area counts", lambda rows: _area_pages(rows, sizes)),
            ("parameter areas do not count", lambda rows: _without(rows, Operation.PARAMETER)),
        ]
    if platform == PlatformType.SEV_SNP:
        yield [
            _NONE,
            ("empty pages are loaded as SNP's zero pages",
             lambda rows: _empty_as(rows, Operation.NORMAL, Operation.ZERO)),
            ("empty pages are loaded as normal pages of zeroes",
             lambda rows: _empty_as(rows, Operation.ZERO, Operation.NORMAL)),
        ]  # fmt: skip
    if platform in {PlatformType.TDX, PlatformType.CCA}:
        yield [
            _NONE,
            ("the contents of empty pages are not measured",
             lambda rows: _empty_as(rows, Operation.NORMAL, Operation.UNMEASURED)),
        ]  # fmt: skip
    if platform in _SEV:
        yield [_NONE, ("empty pages add nothing", lambda rows: _empty_as(rows, Operation.NORMAL))]
    if platform in {PlatformType.TDX, PlatformType.VSM_ISOLATION}:
        yield [_NONE, ("shared pages are measured", _shared_measured)]
    if platform in {PlatformType.VSM_ISOLATION, PlatformType.CCA}:
        yield [
            _NONE,
            ("only the registers of vCPU 0 are measured", _first_context),
            ("no registers are measured", lambda rows: _without(rows, Operation.VP_CONTEXT)),
        ]


_NONE: Change = ("", lambda rows: rows)


def _area_pages(rows: Rows, sizes: dict[int, int]) -> Rows:
    """`rows` with the sizes of areas that are given, or with one page for each area."""
    rows = rows.copy()
    for index in (rows["operation"] == Operation.PARAMETER).nonzero()[0].tolist():
        rows["pages"][index] = sizes.get(int(rows["header"][index]), 1)
    return rows


def _without(rows: Rows, operation: Operation) -> Rows:
    return _kept(rows, rows["operation"] != operation)


def _kept(rows: Rows, where: NDArray[np.bool_]) -> Rows:
    kept: Rows = rows[where]
    return kept


def _empty_as(rows: Rows, before: Operation, after: Operation | None = None) -> Rows:
    """`rows` with empty pages loaded in another way, or not at all."""
    empty = (rows["operation"] == before) & (rows["source"] == NO_SOURCE)
    if after is None:
        return _kept(rows, ~empty)
    rows = rows.copy()
    rows["operation"][empty] = after
    return rows


def _shared_measured(rows: Rows) -> Rows:
    rows = rows.copy()
    rows["operation"][rows["operation"] == Operation.SHARED] = Operation.NORMAL
    return rows


def _first_context(rows: Rows) -> Rows:
    return _kept(rows, (rows["operation"] != Operation.VP_CONTEXT) | (rows["vp_index"] == 0))
