"""What a loader is: its name, its platforms, the plan it makes, its rules, and its hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.errors import LoadError, ValidationError
from igvm.launch.axes import axis_named, varied
from igvm.launch.shaping import refusing_wraps
from igvm.spec.isolation import VMSA, isolation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from igvm.file.view import IgvmFile
    from igvm.launch.axes import Axis
    from igvm.launch.kvm.vmm import VMM
    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest
    from igvm.spec.enums import HeaderType, PlatformType

    Shape = Callable[[LaunchPlan, PlanRequest], LaunchPlan]
    Rules = Callable[[], Iterable[LoaderRule]]
else:
    Axis = VMM = HeaderType = PlatformType = Shape = Rules = Any  # loaded by those who have some


def no_rules() -> Iterable[LoaderRule]:
    """The rules of a tool that loads nothing."""
    return ()


class Loader(msgspec.Struct, frozen=True, kw_only=True):
    """One program that starts guests from IGVM files, or one tool that computes digests."""

    name: str
    program: str
    """What rules and messages call it."""
    title: str
    """What it is, in one line."""
    source: str
    """The release and the files in which its behaviour was read."""
    platforms: tuple[PlatformType, ...]
    """The platforms that it takes, the one it prefers first."""
    measured: tuple[PlatformType, ...] | None = None
    """Those for which it leads to a launch measurement; None for all that it takes."""
    judged: tuple[PlatformType, ...] | None = None
    """Those that its rules are about; None for all that it takes."""
    is_tool: bool = False
    """Whether it computes digests and loads nothing."""
    is_told: bool = False
    """Whether it is told which of its platforms to take, instead of taking the first there is."""
    crate: str | None = None
    """The release of the igvm crate that it reads files with; None for another reader."""
    filters: bool = True
    """Whether headers of other platforms are dropped before it looks at their types."""
    writes_runs: bool = False
    """Whether pages that go on are collected and written in one run, a batch of the plan."""
    unknown: tuple[HeaderType, ...] = ()
    """The header types at which it ends."""
    ignored: tuple[HeaderType, ...] = ()
    """The header types that it does nothing with."""
    every_vmsa: bool = False
    """Whether it takes VMSAs of all platforms, whatever their mask."""
    shape: Shape
    """From what a platform asks for, as a plan, to the plan of this loader."""
    rules: Rules = no_rules
    """Why it would not boot a file, and what it ignores or changes; loaded when called."""
    parameters: tuple[str, ...] = ()
    """What its launch depends on and the file does not say: fields of PlanRequest."""
    takes_hashes: bool = False
    """Whether it puts the hashes of a kernel into guest memory."""
    takes_id_block: bool = False
    """Whether it hands the file's ID block to the firmware, which compares the digest in it."""
    vmm: VMM | None = None
    """How it hands contexts to KVM, where KVM builds the VMSAs."""
    axes: tuple[Axis, ...] = ()
    """What its hosts vary of the plan, besides what all hosts of the platform do."""

    @property
    def measures(self) -> tuple[PlatformType, ...]:
        """The platforms for which it leads to a launch measurement."""
        return self.platforms if self.measured is None else self.measured

    def choices(self, file: IgvmFile) -> list[PlatformType]:
        """The platforms of `file` that it may start; empty where there is none."""
        judged = self.platforms if self.judged is None else self.judged
        kinds = [kind for kind in judged if file.platform_masks.get(kind)]
        return kinds if self.is_told else kinds[:1]

    def plan(
        self, file: IgvmFile, platform: PlatformType, mask: int, request: PlanRequest
    ) -> LaunchPlan:
        """Its plan for one platform of `file`, which may be refused and may lack something.

        Raises:
            LoadError: it does not take the platform.
            ValidationError: it has no use for something that was asked for.
        """
        from igvm.launch.directives import directives

        if platform not in self.platforms:
            names = ", ".join(kind.name for kind in sorted(self.platforms))
            message = f"loader {self.name} does not load {platform.name}; it loads {names}"
            raise LoadError(message, path=file.path)
        if request.hashes is not None and not self.takes_hashes:
            message = f"loader {self.name} does not measure the hashes of a kernel"
            raise ValidationError(message, path=file.path)
        for name in request.host:
            axis_named(self.axes_on(platform), name)
        asked_for = directives(file, platform, mask, every_vmsa=self.every_vmsa)
        asked_for = msgspec.structs.replace(asked_for, loader=self.name)
        if asked_for.refusals:
            return asked_for
        plan = self.shape(asked_for, request)
        if request.host and self.vmm is None and isolation_of(platform).context is VMSA:
            from igvm.launch.kvm.vcpu_rows import with_hosts_contexts

            plan = with_hosts_contexts(plan, request)
        if self.unknown:
            why = f"fatal: {self.program} ends at a header of this type"
            plan = plan.explained(plan.from_headers(*self.unknown), why)
        if self.ignored:
            why = f"{self.program} does nothing with it"
            plan = plan.explained(plan.from_headers(*self.ignored), why)
        if platform not in self.measures:
            plan = plan.unmeasured(plan.rows["measured"], f"{self.program} has nothing measured")
            plan = msgspec.structs.replace(plan, is_measured=False)
        plan = refusing_wraps(plan)
        return varied(plan, self.axes, request.host)

    def axes_on(self, platform: PlatformType) -> tuple[Axis, ...]:
        """What its hosts vary when it starts `platform`."""
        if isolation_of(platform).context is not VMSA:
            return self.axes
        from igvm.launch.kvm.vmsa_axes import VMSA_AXES

        return (*self.axes, *VMSA_AXES)

    def __repr__(self) -> str:
        names = ", ".join(kind.name for kind in self.platforms)
        return f"<Loader {self.name}: {self.title}; {names}>"
