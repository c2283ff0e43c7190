"""One sequence of VMSAs that may follow the pages of a guest, as values of axes and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from igvm.launch.kvm.clouds import CLOUDS
from igvm.launch.kvm.vmsa_axes import (
    CONTEXTS_AXIS,
    FPU_AXIS,
    NOBODY,
    RDX_AXIS,
    VMM_AXIS,
    VMSA_GPA_AXIS,
)
from igvm.launch.loader_table import loaders
from igvm.launch.processors import cpu_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.kvm.vmm import VMM
    from igvm.measurement.search.variations import Way

Kind = Literal["file", "kvm", "last", "reset", "copies"]

Page = tuple[bytes, int]
"""A VMSA and its gpa."""

BUILDING = 32
"""What making a VMSA costs, in digests of a chain."""


class Pages(Protocol):
    """VMSAs with their gpas, one after the other."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __iter__(self) -> Iterator[Page]:
        """One after the other."""
        ...


class Family(NamedTuple):
    """VMSAs one after the other; any number of them, from the first, may be measured."""

    kind: Kind
    """file: those of the file as they are. kvm: a VMSA for each vCPU, from the file's contexts
    where there are any, as KVM builds them. last: the same, and the last context for all vCPUs
    after it. reset: all vCPUs in reset. copies: the context of vCPU 0 for every vCPU, as KVM
    builds it."""
    pages: Pages
    vmms: tuple[str, ...] = ()
    """Of all kinds but file: who has KVM build these, by name."""
    contexts: tuple[tuple[int, int], ...] = ()
    """Of file: source and gpa of each."""
    features: int | None = None
    """SEV_FEATURES, where not those that the file asks for."""
    cpu: int | None = None
    """CPU signature of vCPUs in reset, where it counts."""
    own: int = 0
    """vCPUs from the first that have a context in the file."""
    most: int = 0
    """vCPUs up to the last that has a context in the file."""
    fpu: str = ""
    """The value of the axis `fpu`, where there is one."""
    rdx: int | None = None
    """The CPU signature in RDX of contexts that start in real mode, if not the file's."""
    gpa: str = ""
    """The value of the axis `vmsa-gpa`, where there is one."""
    unlikely: int = 1
    """How many times less likely it is than what loaders do."""
    distinct: int = 1
    """How many different VMSAs it has, at most."""
    firmware: bool = False
    """Whether they start firmware that the VMM was given, and the file has none of them."""

    @property
    def cost(self) -> int:
        """What making and comparing it costs, in digests."""
        return len(self.pages) + self.distinct * BUILDING

    def host(self, way: Way, count: int) -> dict[str, str]:
        """The first `count` VMSAs as values of axes, after the pages of `way`."""
        if self.kind == "file":
            is_same = not way.rebuilt and way.contexts == self.contexts
            is_whole = count == len(self.pages) and self.features is None
            moved = {VMSA_GPA_AXIS.name: self.gpa} if self.gpa else {}
            return moved if is_same and is_whole else {VMM_AXIS.name: NOBODY, **moved}
        host = {}
        vmm = _vmm_of(way)
        if vmm is None or vmm.name not in self.vmms:
            host[VMM_AXIS.name] = _host_value(self.vmms[0])
        if self.kind in {"reset", "copies"} or (self.kind == "last" and count > self.own):
            host[CONTEXTS_AXIS.name] = self.kind
        if self.fpu:
            host[FPU_AXIS.name] = self.fpu
        if self.rdx is not None:
            host[RDX_AXIS.name] = rdx_value(self.rdx)
        if self.gpa:
            host[VMSA_GPA_AXIS.name] = self.gpa
        return host


def kvm_vmms() -> list[VMM]:
    """Every VMM that takes contexts to KVM."""
    vmms = (
        loader.vmm
        for loader in loaders().values()
        if loader.vmm is not None and not loader.takes_firmware
    )
    return list(dict.fromkeys(vmms))


def _host_value(name: str) -> str:
    """What the axis `vmm` calls the VMM called `name`."""
    return next(vmm.host_value for vmm in (*kvm_vmms(), *CLOUDS) if vmm.name == name)


def rdx_value(signature: int) -> str:
    """What the axis `rdx` calls a CPU signature."""
    return cpu_name(signature).lower()


def _vmm_of(way: Way) -> VMM | None:
    """Who has KVM build the VMSAs in the loader of `way`."""
    return loaders()[way.loader].vmm if way.rebuilt else None


def family_words(way: Way, tail: Family, count: int) -> Iterator[str]:
    """What about the first `count` VMSAs of `tail` is otherwise than in the loader of `way`."""
    if tail.kind == "file":
        if way.rebuilt or way.contexts != tail.contexts:
            yield VMM_AXIS.choice(NOBODY).words
        if count < len(tail.pages):
            yield f"{count} of the file's {len(tail.pages)} VMSAs measured"
        if tail.features is not None:
            yield f"SEV_FEATURES are {tail.features:#x}"
        if tail.gpa:
            yield VMSA_GPA_AXIS.choice(tail.gpa).words
        return
    vmm = _vmm_of(way)
    if vmm is None:
        yield VMM_AXIS.choice(tail.host(way, count)[VMM_AXIS.name]).words
    elif vmm.name not in tail.vmms:
        yield vmsa_words(tail.vmms[0])
    if tail.gpa:
        yield VMSA_GPA_AXIS.choice(tail.gpa).words
    if tail.fpu:
        yield FPU_AXIS.choice(tail.fpu).words
    if tail.rdx is not None:
        yield f"the contexts have the CPU signature of {cpu_name(tail.rdx)} in RDX"
    if tail.kind == "last" and count > tail.own:
        yield f"vCPU {tail.own} and up start as vCPU {tail.own - 1} does"
    elif tail.kind in {"reset", "copies"}:
        yield CONTEXTS_AXIS.choice(tail.kind).words
    elif count < tail.most and vmm is not None and vmm.dropped is not None:
        yield f"contexts for vCPU {count} and up are passed over"


def vmsa_words(name: str) -> str:
    """That VMSAs are those of a VMM, by its name."""
    cloud = next((vmm for vmm in CLOUDS if vmm.name == name), None)
    if cloud is not None:
        return VMM_AXIS.choice(cloud.host_value).words
    return f"the VMSAs are as for {name}"
