"""`igvm.measure`: the digest that hardware will report, and what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.errors import MeasurementError
from igvm.launch.plan import Operation
from igvm.launch.planning import plan as make_plan
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igvm.file.view import IgvmFile
    from igvm.launch.hashes import KernelHashes
    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.cache import ContentCache
    from igvm.measurement.cca import RealmParameters

NAMES = {
    PlatformType.SEV_SNP: "launch digest",
    PlatformType.TDX: "MRTD",
    PlatformType.VSM_ISOLATION: "boot digest",
    PlatformType.CCA: "RIM",
    PlatformType.SEV: "launch digest",
    PlatformType.SEV_ES: "launch digest",
}
"""What each technology calls its launch measurement; NATIVE has none."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """A launch measurement and what it rests on."""

    digest: bytes
    algorithm: str
    """The hash, by hashlib's name."""
    platform: PlatformType
    mask: int
    """The platform's compatibility mask."""
    loader: str
    assumptions: tuple[str, ...] = ()
    """What the digest depends on and the file does not say, one sentence each."""
    pages: dict[str, int] = {}
    """Pages of 4 KiB for each kind of operation that the plan has."""

    @property
    def name(self) -> str:
        """What the technology calls it: launch digest, MRTD, boot digest, RIM."""
        return NAMES[self.platform]


def measure(
    file: IgvmFile,
    platform: PlatformType,
    *,
    loader: str = "reference",
    vcpus: int | None = None,
    cpu: str | int | None = None,
    sev_features: int | None = None,
    hashes: KernelHashes | None = None,
    realm: RealmParameters | None = None,
) -> Measurement:
    """The launch measurement of `platform` after loader `loader` loaded `file`.

    Args:
        file: an open file.
        platform: one that the file is for, and that is measured.
        loader: a name in `igvm.loaders()`.
        vcpus: as for `igvm.plan`.
        cpu: as for `igvm.plan`.
        sev_features: as for `igvm.plan`.
        hashes: as for `igvm.plan`.
        realm: what the VMM chooses for a Realm; needed for CCA.

    Raises:
        ValidationError: the file is not for `platform`.
        MeasurementError: it cannot be measured that way; the error says what is missing or wrong.
    """
    made = make_plan(
        file,
        platform,
        loader=loader,
        vcpus=vcpus,
        cpu=cpu,
        sev_features=sev_features,
        hashes=hashes,
    )
    return measure_plan(made, realm=realm)


def measure_plan(
    plan: LaunchPlan, *, realm: RealmParameters | None = None, contents: ContentCache | None = None
) -> Measurement:
    """The launch measurement of `plan`.

    Args:
        plan: from `igvm.plan`.
        realm: what the VMM chooses for a Realm; needed for CCA.
        contents: shared by plans of one file, so that what they have in common is hashed once.

    Raises:
        MeasurementError: the platform is not measured, or is CCA and `realm` is missing.
    """
    if contents is not None:
        contents.require(plan)
    return _measurement(plan, _digest(plan, realm, contents), realm)


def measure_plans(
    plans: Sequence[LaunchPlan],
    *,
    realm: RealmParameters | None = None,
    contents: ContentCache | None = None,
) -> list[Measurement]:
    """The launch measurement of each of `plans`, on two processors where there are two.

    Args:
        plans: of any files and platforms.
        realm: as for `measure_plan`.
        contents: as for `measure_plan`.

    Raises:
        MeasurementError: as for `measure_plan`, for the first plan that gives cause.
    """
    from igvm.measurement.side_by_side import elsewhere

    def digest(plan: LaunchPlan) -> bytes:
        return _digest(plan, realm, contents)

    with elsewhere(plans, digest) as others:
        here = [None if index in others.mine else digest(plan) for index, plan in enumerate(plans)]
        return [
            _measurement(plan, others.digest(index) if made is None else made, realm)
            for index, (plan, made) in enumerate(zip(plans, here, strict=True))
        ]


def _measurement(plan: LaunchPlan, digest: bytes, realm: RealmParameters | None) -> Measurement:
    assumptions = plan.assumptions
    if plan.platform == PlatformType.CCA and realm is not None:
        from igvm.measurement import cca

        assumptions += cca.assumptions(plan, realm)
    return Measurement(
        digest=digest,
        algorithm=algorithm_of(plan),
        platform=plan.platform,
        mask=plan.mask,
        loader=plan.loader,
        assumptions=assumptions,
        pages=counts(plan),
    )


def counts(plan: LaunchPlan) -> dict[str, int]:
    """Pages of each operation of `plan`."""
    import numpy as np

    kinds = plan.rows["operation"]
    return {
        Operation(kind).name: int(plan.rows["pages"][kinds == kind].sum())
        for kind in np.flatnonzero(np.bincount(kinds, minlength=1)).tolist()
    }


def algorithm_of(plan: LaunchPlan) -> str:
    """The hash that the technology uses, by hashlib's name."""
    if plan.platform in {PlatformType.SEV_SNP, PlatformType.TDX}:
        return "sha384"
    if plan.platform == PlatformType.CCA:
        from igvm.measurement import cca

        return cca.algorithm_of(plan)
    return "sha256"


def _digest(
    plan: LaunchPlan, realm: RealmParameters | None, contents: ContentCache | None
) -> bytes:
    """The digest of `plan`."""
    platform = plan.platform
    if platform == PlatformType.SEV_SNP:
        from igvm.measurement import snp

        return snp.digest(plan, contents)
    if platform == PlatformType.TDX:
        from igvm.measurement import tdx

        return tdx.digest(plan, contents)
    if platform == PlatformType.VSM_ISOLATION:
        from igvm.measurement import vbs

        return vbs.digest(plan, contents)
    if platform in {PlatformType.SEV, PlatformType.SEV_ES}:
        from igvm.measurement import sev

        return sev.digest(plan, contents)
    if platform == PlatformType.CCA:
        from igvm.measurement import cca

        if realm is None:
            raise MeasurementError(
                "a Realm's measurement depends on parameters that the VMM chooses",
                missing="realm",
            )
        return cca.digest(plan, realm, contents)
    raise MeasurementError(f"{platform.name} has no launch measurement", path=plan.file.path)
