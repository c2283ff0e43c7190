"""What may be otherwise in a launch than its loader does it: the variations of a search."""

from __future__ import annotations

import hashlib
import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

from igvm.errors import LoadError
from igvm.launch.flash import has_firmware
from igvm.launch.kernel_hashes import firmware_area, with_hashes
from igvm.launch.loader_table import loader_of
from igvm.launch.plan import NO_SOURCE
from igvm.launch.request import PlanRequest
from igvm.measurement.host_axes import CONTEXT_ORDER
from igvm.measurement.technology_table import technology_of
from igvm.spec.directive import VPContext
from igvm.spec.enums import PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from igvm.file.view import IgvmFile
    from igvm.launch.axes import Axis, Choice
    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.launch.plan import LaunchPlan


MOST_UNLIKELY = 32
"""What is less likely than this is not tried: several odd things at once."""


class Way(NamedTuple):
    """How one comes to the pages of a variation."""

    loader: str
    deviations: tuple[str, ...] = ()
    """What must be otherwise than in the loader."""
    host: tuple[tuple[str, str], ...] = ()
    """The same as values of axes."""
    hashes: bool = False
    """Whether the hashes of a kernel are in it."""
    contexts: tuple[tuple[int, int], ...] = ()
    """Source and gpa of each context of the file that the loader has measured."""
    rebuilt: bool = False
    """Whether the loader has KVM build the VMSAs."""
    firmware: bool = False
    """Whether the loader is given firmware, whose vCPUs have no contexts."""


class Variation(NamedTuple):
    """One sequence of pages, and every way to come to it."""

    plan: LaunchPlan
    """Its measured rows."""
    ways: list[Way]
    open: bool
    """Whether VMSAs may follow; else the contexts that count are in the plan."""
    unlikely: int = 1
    """How many times less likely it is than what loaders do."""


def variations(
    file: IgvmFile,
    platform: PlatformType,
    *,
    names: Sequence[str],
    hashes: KernelHashes | None,
    firmware_digest: bytes | None = None,
) -> tuple[list[Variation], dict[str, str]]:
    """The different page sequences of the loaders `names`, and why loaders refuse the file.

    Args:
        file: an open file.
        platform: one that the file is for.
        names: loaders; those that do not load the platform are left out.
        hashes: try with these and without.
        firmware_digest: the digest after the firmware's pages, in their place.
    """
    known: dict[bytes, Variation] = {}
    refused: dict[str, str] = {}
    table = file.table(VPContext)
    vcpus = int(table[VPContext.vp_index].max()) + 1 if len(table) else 1
    mask = file.platform_masks[platform]
    for name in names:
        loader = loader_of(name)
        if platform not in loader.measures:
            continue
        if loader.takes_firmware and not has_firmware(file, platform):
            if hashes is not None:
                refused[name] = "no page ends at 4 GiB: there is no firmware to take a kernel"
            continue
        for given in (None, hashes) if hashes and loader.takes_hashes else (None,):
            takes_digest = loader.takes_firmware and platform == PlatformType.SEV_SNP
            given_digest = firmware_digest if takes_digest else None
            # The contexts of the file are nothing to a loader that is given firmware.
            count = 1 if loader.takes_firmware else vcpus
            request = PlanRequest(
                vcpus=count, cpu=0, hashes=given, firmware_digest=given_digest
            )  # fmt: skip
            try:
                plan = loader.plan(file, platform, mask, request).require_loadable()
            except LoadError as error:
                refused[name] = error.message
                continue
            way = Way(name, hashes=given is not None, firmware=loader.takes_firmware)
            for variation in _varied(plan, way):
                _add(known, variation)
            is_asked = hashes and given is None and not loader.takes_firmware
            area = firmware_area(plan) if is_asked else None
            if area is not None and hashes is not None and platform == PlatformType.SEV_SNP:
                words = (f"QEMU has put the kernel's hashes at {area:#x}, for the firmware",)
                patched = with_hashes(plan, hashes, area)
                for variation in _varied(patched, way._replace(deviations=words)):
                    _add(known, variation)
    return sorted(known.values(), key=lambda variation: variation.unlikely), refused


def _add(known: dict[bytes, Variation], variation: Variation) -> None:
    """Put a variation to those known, or its way to the one that has the same pages."""
    (way,) = variation.ways
    key = _key(variation)
    same = known.setdefault(key, variation)
    if same is variation:
        return
    if variation.unlikely < same.unlikely:
        known[key] = same._replace(unlikely=variation.unlikely)
    simpler = (other for other in same.ways if len(other.deviations) <= len(way.deviations))
    if not any(other.loader == way.loader for other in simpler):
        same.ways.append(way)


def _key(variation: Variation) -> bytes:
    """What the digest of a variation depends on, in short."""
    plan = variation.plan
    hasher = hashlib.blake2b(bytes([variation.open]) + plan.start)
    for name in ("operation", "gpa", "loaded", "source"):
        hasher.update(plan.rows[name].tobytes())
    made = plan.rows["source"][plan.rows["source"] < NO_SOURCE]
    for source in made.tolist():
        hasher.update(plan.content(source))
    return hasher.digest()


def _varied(plan: LaunchPlan, way: Way) -> Iterator[Variation]:
    """`plan` as it is and with every choice of its technology's axes that changes it."""
    technology = technology_of(plan.platform)
    contexts = plan.rows[plan.of(Operation.VP_CONTEXT) & plan.rows["measured"]]
    way = way._replace(
        contexts=tuple(zip(contexts["source"].tolist(), contexts["gpa"].tolist(), strict=True)),
        rebuilt=bool((contexts["source"] < NO_SOURCE).any()),
    )
    # The order comes last, so that what is said of pages comes before what is said of VMSAs.
    axes = sorted(technology.axes, key=lambda axis: axis is CONTEXT_ORDER)
    options = [_choices(axis, plan) for axis in axes]
    for chosen in itertools.product(*options):
        if _unlikely(chosen) > MOST_UNLIKELY:
            continue
        changed = plan
        for choice in chosen:
            before = changed
            changed = changed if choice is None else choice.change(changed)
            if choice is not None and changed is before:
                break
        else:
            yield _variation(changed, way, axes, chosen)


def _unlikely(chosen: Iterable[Choice | None]) -> int:
    """How many times less likely all of `chosen` are than what a loader does."""
    return math.prod(choice.unlikely for choice in chosen if choice is not None)


def _choices(axis: Axis, plan: LaunchPlan) -> tuple[Choice | None, ...]:
    return (None, *axis.on(plan.platform))


def _variation(
    plan: LaunchPlan, way: Way, axes: Sequence[Axis], chosen: Sequence[Choice | None]
) -> Variation:
    """The variation that comes of `chosen`, a choice for each of `axes` or none."""
    made = [(axis, choice) for axis, choice in zip(axes, chosen, strict=True) if choice is not None]
    way = way._replace(
        deviations=(*way.deviations, *(choice.words for _, choice in made)),
        host=tuple((axis.name, choice.value) for axis, choice in made),
    )
    part = plan.measured_part()
    is_context = part.of(Operation.VP_CONTEXT)
    count = int(is_context.sum())
    is_open = technology_of(plan.platform).continuation is not None
    if is_open and is_context[len(is_context) - count :].all():
        rows = part.rows[~is_context]
        return Variation(part.with_rows(rows), [way], open=True, unlikely=_unlikely(chosen))
    return Variation(part, [way], open=False, unlikely=_unlikely(chosen))
