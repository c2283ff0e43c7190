"""What a loader is: its name, its platforms, the plan it makes, its rules, and its hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.errors import LoadError, ValidationError
from igvm.launch.axes import axis_named, varied
from igvm.launch.shaping import decoded_by_crate, refusing_wraps, sharing_masks
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


_SNP_DIGEST = 48


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
    area_bits: int = 64
    """How many bits of the size of a parameter area it looks at."""
    machines: tuple[str, ...] = ()
    """The machines whose memory its rules know; the first is assumed."""
    wraps: tuple[PlatformType, ...] = ()
    """The platforms on which it has a digest for memory past the end of the address space."""
    shape: Shape
    """From what a platform asks for, as a plan, to the plan of this loader."""
    rules: Rules = no_rules
    """Why it would not boot a file, and what it ignores or changes; loaded when called."""
    parameters: tuple[str, ...] = ()
    """What its launch depends on and the file does not say: fields of PlanRequest."""
    takes_hashes: bool = False
    """Whether it puts the hashes of a kernel into guest memory."""
    takes_firmware: bool = False
    """Whether it is given firmware, and what it reads of a file are the pages below 4 GiB."""
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
        self._require_use(file, platform, request)
        asked_for = self.directives(file, platform, mask)
        if asked_for.refusals:
            return asked_for
        asked_for = sharing_masks(asked_for)
        if self.crate is not None:
            asked_for = decoded_by_crate(asked_for, refused=not self.is_tool)
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
        if platform not in self.wraps:
            plan = refusing_wraps(plan)
        return varied(plan, self.axes, request.host)

    def directives(self, file: IgvmFile, platform: PlatformType, mask: int) -> LaunchPlan:
        """What `platform` of `file` asks for, as this loader reads it."""
        from igvm.launch.directives import directives

        plan = directives(
            file,
            platform,
            mask,
            every_vmsa=self.every_vmsa,
            area_bits=self.area_bits,
            # No work goes with the size of an area where nothing is loaded or measured.
            any_size=self.is_tool or platform not in self.measures,
        )
        return msgspec.structs.replace(plan, loader=self.name)

    def _require_use(self, file: IgvmFile, platform: PlatformType, request: PlanRequest) -> None:
        """Refuse a platform that it does not take, and what it has no use for.

        Raises:
            LoadError: it does not take the platform.
            ValidationError: it has no use for something that was asked for.
        """
        from igvm.spec.enums import PlatformType as Kind

        if platform not in self.platforms:
            names = ", ".join(kind.name for kind in sorted(self.platforms))
            message = f"loader {self.name} does not load {platform.name}; it loads {names}"
            raise LoadError(message, path=file.path)
        if request.hashes is not None and not self.takes_hashes:
            message = f"loader {self.name} does not measure the hashes of a kernel"
            raise ValidationError(message, path=file.path, hint=self._hashes_elsewhere())
        if request.firmware_digest is not None and (
            not self.takes_firmware or platform != Kind.SEV_SNP
        ):
            message = f"loader {self.name} takes no digest of firmware on {platform.name}"
            raise ValidationError(message, path=file.path)
        if request.firmware_digest is not None and len(request.firmware_digest) != _SNP_DIGEST:
            message = f"a digest of SEV-SNP has 48 bytes, not {len(request.firmware_digest)}"
            raise ValidationError(message, path=file.path)
        for name in request.host:
            axis_named(self.axes_on(platform), name)

    def _hashes_elsewhere(self) -> str | None:
        """Which loader of the program measures the hashes of a kernel."""
        if self.program != "QEMU":
            return None
        return "QEMU does for firmware that it is given without an IGVM file: qemu-bios"

    def axes_on(self, platform: PlatformType) -> tuple[Axis, ...]:
        """What its hosts vary when it starts `platform`."""
        if isolation_of(platform).context is not VMSA:
            return self.axes
        from igvm.launch.kvm.vmsa_axes import VMSA_AXES

        if self.takes_firmware:  # it has no contexts to hand over
            from igvm.launch.kvm.vmsa_axes import RDX_AXIS

            return (*self.axes, *(axis for axis in VMSA_AXES if axis is not RDX_AXIS))
        return (*self.axes, *VMSA_AXES)

    def __repr__(self) -> str:
        names = ", ".join(kind.name for kind in self.platforms)
        return f"<Loader {self.name}: {self.title}; {names}>"
