"""What comes near a digest that nothing leads to: launches that go through it, and on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.errors import IgvmError
from igvm.measurement.explain import explain
from igvm.spec.enums import PlatformType  # noqa: TC001 - msgspec reads annotations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from igvm.measurement.realm import RealmParameters
    from igvm.measurement.search.variations import Variation, Way

_MOST_PAGES = 40_000
"""Pages of all launches that are looked at one by one."""


class NearMiss(msgspec.Struct, frozen=True, kw_only=True):
    """A launch that has the digest on its way, and another at its end."""

    platform: PlatformType
    loader: str
    deviations: tuple[str, ...] = ()
    """What must be otherwise than in the loader, as of a match."""
    message: str
    """What of the launch leads to the digest."""
    gpa: int | None = None
    """Where the last page is that it covers."""
    pages: int | None = None
    """How many pages of the launch it covers."""
    vcpus: int | None = None
    """For how many vCPUs it is the digest, where the search was for other numbers."""


def vcpus_not_asked_for(platform: PlatformType, way: Way, count: int) -> NearMiss:
    """That the digest is one for `count` vCPUs, a number that was not asked for."""
    vcpus = f"{count} vCPU{'s' if count > 1 else ''}"
    return NearMiss(
        platform=platform,
        loader=way.loader,
        deviations=way.deviations,
        message=f"the digest is one for {vcpus}, which was not asked for",
        vcpus=count,
    )


def pages_alike(
    digest: bytes, variations: Iterable[Sequence[Variation]], realm: RealmParameters | None
) -> list[NearMiss]:
    """The first launch that goes through `digest`, of those that were compared with it.

    Args:
        digest: what is searched for.
        variations: the sequences of pages of each platform, the likeliest first.
        realm: what the VMM chooses for a Realm.
    """
    left = _MOST_PAGES
    for candidates in variations:
        for variation in candidates:
            pages = variation.plan.measured_pages
            if pages > left:
                continue
            left -= pages
            try:
                found = _on_the_way(digest, variation, realm)
            except IgvmError:  # the search has told already that it cannot be measured
                continue
            if found is not None:
                return [found]
    return []


def _on_the_way(
    digest: bytes, variation: Variation, realm: RealmParameters | None
) -> NearMiss | None:
    """Where a launch goes through `digest`, if it does."""
    done = 0
    for step in explain(variation.plan, realm=realm, every_page=True):
        done += step.pages
        if step.digest == digest and step.measured:
            way = variation.ways[0]
            total = variation.plan.measured_pages
            place = "its start" if step.gpa is None else f"page {step.gpa:#x}"
            return NearMiss(
                platform=variation.plan.platform,
                loader=way.loader,
                deviations=way.deviations,
                message=f"the digest is that of the launch up to {place}, {done} of {total} pages; "
                "what follows did not count, or was other than in the file",
                gpa=step.gpa,
                pages=done,
            )
    return None
