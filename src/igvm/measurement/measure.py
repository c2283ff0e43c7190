"""`igvm.measure`: the digest that hardware will report, and what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm import markup
from igvm.errors import MeasurementError
from igvm.file.argument_kinds import require_file
from igvm.launch.argument_kinds import require_plan, require_plans, require_request
from igvm.launch.axes import axis_named, varied
from igvm.launch.loader_table import loader_of
from igvm.launch.plan import exact_sum
from igvm.launch.planning import plan_for
from igvm.launch.request import PlanRequest
from igvm.measurement.hashing_limit import require_bounded
from igvm.measurement.realm import known
from igvm.measurement.technology_table import technologies, technology_of
from igvm.spec.enums import PlatformType  # noqa: TC001 - msgspec reads annotations
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from igvm.file.platforms import PlatformLike
    from igvm.file.view import IgvmFile
    from igvm.launch.axes import Host
    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.page_cache import ContentCache
    from igvm.measurement.realm import RealmParameters


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
    """Pages of 4 KiB that the loader loads, for each kind of operation that the plan has."""

    @property
    def name(self) -> str:
        """What the technology calls it: launch digest, MRTD, boot digest, RIM."""
        return technology_of(self.platform).measurement

    def __str__(self) -> str:
        return self.digest.hex()

    def __repr__(self) -> str:
        return (
            f"<Measurement {self.platform.name} {self.name} {self.digest.hex()}, "
            f"loader {self.loader}>"
        )

    def _repr_html_(self) -> str:
        """What notebooks show."""
        pages = [f"{count:,} {operation}" for operation, count in self.pages.items()]
        return markup.title(f"{self.platform.name}, {self.name}") + markup.facts(
            {
                "digest": self.digest.hex(),
                "algorithm": self.algorithm,
                "loader": self.loader,
                "pages": ", ".join(pages),
                "assumed": self.assumptions,
            }
        )


def measure(
    file: IgvmFile,
    platform: PlatformLike,
    *,
    loader: str = "reference",
    vcpus: int | None = None,
    cpu: str | int | None = None,
    sev_features: int | None = None,
    hashes: KernelHashes | None = None,
    firmware_digest: bytes | None = None,
    realm: RealmParameters | None = None,
    host: Host | None = None,
) -> Measurement:
    """The launch measurement of `platform` after loader `loader` loaded `file`.

    Args:
        file: an open file.
        platform: one of the file's, its type, or its name such as `snp`; one that is measured.
        loader: a name in `igvm.loaders()`.
        vcpus: as for `igvm.plan`.
        cpu: as for `igvm.plan`.
        sev_features: as for `igvm.plan`.
        hashes: as for `igvm.plan`.
        firmware_digest: as for `igvm.plan`.
        realm: what the VMM chooses for a Realm; needed for CCA.
        host: what the host does otherwise than the loader: values of axes by their names
            (docs/measure.md lists them).

    Raises:
        ValidationError: the file is not for `platform`; there is no such platform, loader,
            processor or axis.
        LoadError: the loader does not take the platform, or refuses the file.
        MeasurementError: it cannot be measured that way; the error says what is missing or wrong.
    """
    request = PlanRequest(
        vcpus=vcpus,
        cpu=cpu,
        sev_features=sev_features,
        hashes=hashes,
        firmware_digest=firmware_digest,
        host=host or {},
    )
    return measure_request(file, platform, loader, request, realm=realm)


def measure_request(
    file: IgvmFile,
    platform: PlatformLike,
    loader: str,
    request: PlanRequest,
    *,
    realm: RealmParameters | None = None,
    contents: ContentCache | None = None,
) -> Measurement:
    """As `measure`, with what the plan is made for in one object.

    Raises:
        ValidationError: as for `measure`.
        LoadError: as for `measure`.
        MeasurementError: as for `measure`.
    """
    plan = hosted_plan(file, platform, loader, request)
    return measure_plan(plan, realm=realm, contents=contents)


def hosted_plan(
    file: IgvmFile, platform: PlatformLike, loader: str, request: PlanRequest
) -> LaunchPlan:
    """The plan of `loader` on a host as `request` says, its technology's axes included.

    Raises:
        ValidationError: as for `measure`.
        LoadError: as for `measure`.
    """
    chosen = require_file(file).platforms.find(platform).type
    require_request(request)
    technology = technologies().get(chosen)
    axes = () if technology is None else technology.axes
    own = {axis.name: axis for axis in axes}
    known_axes = (*loader_of(loader).axes_on(chosen), *axes)
    for name in request.host:
        axis_named(known_axes, name)
    theirs = {name: value for name, value in request.host.items() if name not in own}
    plan = plan_for(file, platform, loader, msgspec.structs.replace(request, host=theirs))
    return varied(plan, axes, request.host)


def measure_plan(
    plan: LaunchPlan, *, realm: RealmParameters | None = None, contents: ContentCache | None = None
) -> Measurement:
    """The launch measurement of `plan`.

    Args:
        plan: from `igvm.plan`.
        realm: what the VMM chooses for a Realm; needed for CCA.
        contents: shared by plans of one file, so that what they have in common is hashed once.

    Raises:
        LoadError: the loader refuses the file.
        MeasurementError: the platform is not measured, or something is not known that the
            measurement depends on; `missing` of the error says what.
    """
    require_plan(plan)
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
        LoadError: as for `measure_plan`, for the first plan that gives cause.
        MeasurementError: the same.
    """
    from igvm.measurement.parallel import elsewhere

    require_plans(plans)
    for plan in plans:
        require_plan(plan)

    def digest(plan: LaunchPlan) -> bytes:
        return _digest(plan, realm, contents)

    with elsewhere(plans, digest) as others:
        here = [None if index in others.mine else digest(plan) for index, plan in enumerate(plans)]
        return [
            _measurement(plan, others.digest(index) if made is None else made, realm)
            for index, (plan, made) in enumerate(zip(plans, here, strict=True))
        ]


def measure_all(
    file: IgvmFile, *, loader: str = "reference", realm: RealmParameters | None = None
) -> Mapping[PlatformType, Measurement]:
    """The launch measurement of every platform of `file` that `loader` takes and that is measured.

    Args:
        file: an open file.
        loader: a name in `igvm.loaders()`.
        realm: as for `measure`; a Realm is left out without it.

    Raises:
        ValidationError: there is no such loader.
        LoadError: the loader refuses the file.
        MeasurementError: something is not known that a measurement depends on.
    """
    chosen = loader_of(loader)
    require_file(file)
    plans = [
        plan_for(file, platform, loader, PlanRequest())
        for platform in file.platforms
        if platform.type in chosen.measures and platform.type in technologies()
        if realm is not None or "realm" not in technology_of(platform.type).parameters
    ]
    measured = measure_plans(plans, realm=realm)
    return {measurement.platform: measurement for measurement in measured}


def require_measured(plan: LaunchPlan, realm: RealmParameters | None) -> LaunchPlan:
    """`plan`, if it is measured, and all is known that its measurement depends on.

    Raises:
        LoadError: as for `measure_plan`.
        MeasurementError: as for `measure_plan`.
    """
    technology = technology_of(plan.platform)
    if not plan.is_measured:
        message = f"loader {plan.loader} leads to no launch measurement of {plan.platform.name}"
        raise MeasurementError(message, path=plan.file.path)
    plan.require_loadable().require_known()
    require_bounded(plan, technology)
    if "realm" in technology.parameters:
        known(realm)
    return plan


def counts(plan: LaunchPlan) -> dict[str, int]:
    """Pages of 4 KiB that the loader loads, for each operation of `plan` that loads some."""
    import numpy as np

    where = plan.loads()
    operations, loaded = plan.rows["operation"][where], plan.rows["loaded"][where]
    return {
        Operation(number).name: exact_sum(loaded[operations == number])
        for number in np.flatnonzero(np.bincount(operations, minlength=1)).tolist()
    }


def _measurement(plan: LaunchPlan, digest: bytes, realm: RealmParameters | None) -> Measurement:
    technology = technology_of(plan.platform)
    assumptions = plan.assumptions
    if technology.assumptions is not None:
        assumptions += technology.assumptions(plan, realm)
    return Measurement(
        digest=digest,
        algorithm=technology.algorithm(plan),
        platform=plan.platform,
        mask=plan.mask,
        loader=plan.loader,
        assumptions=assumptions,
        pages=counts(plan),
    )


def _digest(
    plan: LaunchPlan, realm: RealmParameters | None, contents: ContentCache | None
) -> bytes:
    """The digest of `plan`."""
    part = require_measured(plan, realm).measured_part()
    return technology_of(plan.platform).digest(part, realm, contents)
