"""The VMSAs that may follow the pages of a guest: families that differ in one thing each."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal, NamedTuple

from igvm.errors import FormatError
from igvm.launch.directives import directives
from igvm.launch.flash import Flash
from igvm.launch.kvm.vmm import FPU, VMM
from igvm.launch.kvm.vmsa_axes import (
    CONTEXTS_AXIS,
    FPU_AXIS,
    NOBODY,
    OTHER_SIGNATURES,
    RDX_AXIS,
    VMM_AXIS,
    context_of,
    cpu_name,
    has_signature,
    own_vmsa,
    reset_vmsa_of,
)
from igvm.launch.kvm.vmsa_rewriting import RESET_VECTOR, VMSA_GPA, kvm_reset_vmsa
from igvm.launch.loader_table import loaders
from igvm.launch.loaders.qemu_kvm import QEMU
from igvm.launch.processors import CPU_SIGNATURES, signature_of
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.file.view import IgvmFile
    from igvm.launch.axes import Host
    from igvm.measurement.search.variations import Way

Kind = Literal["file", "kvm", "last", "reset", "copies"]

# Set or clear in any combination: VMMs and kernels that are not upstream's turn these on and off.
_USUAL = (SEVFeatures.DEBUG_SWAP, SEVFeatures.RESTRICTED_INJECTION, SEVFeatures.SECURE_TSC)
# Set or clear one at a time, with any of the others.
_RARE = (
    SEVFeatures.VTOM,
    SEVFeatures.ALTERNATE_INJECTION,
    SEVFeatures.PREVENT_HOST_IBS,
    SEVFeatures.BTB_ISOLATION,
    SEVFeatures.VMPL_SSS,
    SEVFeatures.VMSA_REG_PROTECTION,
    SEVFeatures.SMT_PROTECTION,
    SEVFeatures.IBPB_ON_ENTRY,
    SEVFeatures.ALLOWED_SEV_FEATURES_ENABLE,
)
MOST_VCPUS = 1024
"""The largest number of vCPUs that a search thinks of."""

Page = tuple[bytes, int]
"""A VMSA and its gpa."""


class Family(NamedTuple):
    """VMSAs one after the other; any number of them, from the first, may be measured."""

    kind: Kind
    """file: those of the file as they are. kvm: a VMSA for each vCPU, from the file's contexts
    where there are any, as KVM builds them. last: the same, and the last context for all vCPUs
    after it. reset: all vCPUs in reset. copies: the context of vCPU 0 for every vCPU, as KVM
    builds it."""
    pages: tuple[Page, ...]
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
    firmware: bool = False
    """Whether they start firmware that the VMM was given, and the file has none of them."""

    def host(self, way: Way, count: int) -> dict[str, str]:
        """The first `count` VMSAs as values of axes, after the pages of `way`."""
        if self.kind == "file":
            is_same = not way.rebuilt and way.contexts == self.contexts
            is_whole = count == len(self.pages) and self.features is None
            return {} if is_same and is_whole else {VMM_AXIS.name: NOBODY}
        host = {}
        vmm = _vmm_of(way)
        if vmm is None or vmm.name not in self.vmms:
            host[VMM_AXIS.name] = self.vmms[0].lower().replace(" ", "-")
        if self.kind in {"reset", "copies"} or (self.kind == "last" and count > self.own):
            host[CONTEXTS_AXIS.name] = self.kind
        if self.fpu:
            host[FPU_AXIS.name] = self.fpu
        if self.rdx is not None:
            host[RDX_AXIS.name] = cpu_name(self.rdx).lower()
        return host


def families(
    file: IgvmFile,
    platform: PlatformType,
    *,
    most: int,
    cpu: str | int | None = None,
    sev_features: int | None = None,
    as_in_file: bool = False,
    contexts: Iterable[tuple[tuple[int, int], ...]] = (),
) -> list[Family]:
    """Every plausible sequence of VMSAs for `platform` of `file`.

    A sequence of more than 1,024 contexts is tried with the SEV_FEATURES it has, no others.

    Args:
        file: an open file.
        platform: SEV-SNP or SEV-ES.
        most: the largest number of vCPUs to think of.
        cpu: the processor, if it is known.
        sev_features: SEV_FEATURES, if they are known.
        as_in_file: whether SEV_FEATURES are those that the file asks for, if they are not known.
        contexts: sequences of the file's contexts that loaders measure.
    """
    own = _contexts(file, platform)
    wanted = int(own[0].sev_features) if 0 in own else 0
    if platform == PlatformType.SEV_SNP:
        wanted |= int(SEVFeatures.SNP)  # which KVM sets by itself
    values = [wanted] if as_in_file else _features(wanted, platform)
    if sev_features is not None:
        values = [sev_features]
    signatures = _signatures(cpu)
    found: dict[tuple[tuple[Page, ...], str], Family] = {}
    reset = kvm_reset_vmsa(0)
    differs = any(
        getattr(vmsa, name) != getattr(reset, name) for vmsa in own.values() for name in FPU
    )
    fpus = ["", *(choice.value for choice in FPU_AXIS.on(platform))]
    if not differs:
        fpus.remove("file")
    for value, fpu in itertools.product(values, fpus):
        features = None if value == wanted else value
        for family in _by_kvm(own, value, features, signatures, most, fpu=fpu):
            same = found.setdefault((family.pages, fpu), family)
            if same._replace(vmms=()) == family._replace(vmms=()):
                names = dict.fromkeys([*same.vmms, *family.vmms])
                found[family.pages, fpu] = same._replace(vmms=tuple(names))
    as_they_are = [
        _as_they_are(file, sequence, value)
        for sequence in contexts
        for value in (None, *(values if len(sequence) <= MOST_VCPUS else ()))
    ]
    return [*as_they_are, *found.values()]


def firmware_families(
    file: IgvmFile,
    platform: PlatformType,
    *,
    most: int,
    cpu: str | int | None = None,
    sev_features: int | None = None,
) -> list[Family]:
    """The VMSAs with which QEMU starts the firmware that `file` has below 4 GiB, by itself.

    The first vCPU starts at the reset vector, the others where the firmware says; it has only the
    first where it does not say.

    Args:
        file: an open file.
        platform: SEV-SNP or SEV-ES.
        most: the largest number of vCPUs to think of.
        cpu: as for `families`.
        sev_features: as for `families`.
    """
    flash = Flash(directives(file, platform, file.platform_masks[platform]))
    try:
        start = flash.ap_start() if len(flash.rows) else None
    except FormatError:
        start = None
    wanted = int(SEVFeatures.SNP) if platform == PlatformType.SEV_SNP else 0
    values = _features(wanted, platform) if sev_features is None else [sev_features]
    signatures = _signatures(cpu)
    made = [
        family
        for value in values
        for fpu in ("", *(choice.value for choice in FPU_AXIS.on(platform)))
        for family in _by_kvm(
            {}, value, None if value == wanted else value, signatures,
            most if start else min(most, 1), fpu=fpu, vmms=[QEMU], ap_start=start or RESET_VECTOR,
        )
    ]  # fmt: skip
    # A value of the axis that changes nothing is no other family.
    first = {(family.pages, family.cpu): family for family in reversed(made)}
    return [family._replace(firmware=True) for family in reversed(first.values())]


def _signatures(cpu: str | int | None) -> list[int]:
    """The CPU signatures to try."""
    if cpu is None:
        return list(dict.fromkeys([*CPU_SIGNATURES.values(), *OTHER_SIGNATURES]))
    return [signature_of(cpu)]


def _contexts(file: IgvmFile, platform: PlatformType) -> dict[int, SEVVMSA]:
    """The contexts of the file by vCPU; of several for one the last counts."""
    plan = directives(file, platform, file.platform_masks[platform])
    contexts: dict[int, SEVVMSA] = {}
    for row in plan.rows[plan.from_headers(HeaderType.VP_CONTEXT)]:
        if row["loaded"]:
            vmsa = SEVVMSA.unpack_from(file.buffer, int(row["source"]))
            contexts[int(row["vp_index"])] = vmsa
    return contexts


def _features(wanted: int, platform: PlatformType) -> list[int]:
    """Values of SEV_FEATURES that are plausible where the file says `wanted`."""
    usual = [
        sum(map(int, chosen))
        for count in range(len(_USUAL) + 1)
        for chosen in itertools.combinations(_USUAL, count)
    ]
    bases = (wanted, int(platform == PlatformType.SEV_SNP))
    values = itertools.product((0, *map(int, _RARE)), usual, bases)
    return list(dict.fromkeys(base ^ bits ^ bit for bit, bits, base in values))


def _as_they_are(
    file: IgvmFile, contexts: tuple[tuple[int, int], ...], features: int | None
) -> Family:
    """The contexts of the file, with other SEV_FEATURES or exactly as they are."""
    made = {source: _own_page(file, source, features) for source, _ in contexts}
    pages = tuple((made[source], gpa) for source, gpa in contexts)
    return Family("file", pages, contexts=contexts, features=features, own=len(pages))


def _own_page(file: IgvmFile, source: int, features: int | None) -> bytes:
    """The context of the file at `source`, or zeroes without one, with other SEV_FEATURES."""
    page = bytes(file.buffer[source : source + SEVVMSA.SIZE]) if source >= 0 else bytes(4096)
    if features is None:
        return page
    return SEVVMSA.unpack_from(page).replace(sev_features=SEVFeatures(features)).pack()


def _by_kvm(
    own: dict[int, SEVVMSA],
    value: int,
    features: int | None,
    signatures: list[int],
    most: int,
    *,
    fpu: str,
    vmms: Iterable[VMM] | None = None,
    ap_start: int = RESET_VECTOR,
) -> Iterator[Family]:
    """What KVM measures for every VMM, and what it would measure if contexts went astray."""
    first = next(index for index in itertools.count() if index not in own)
    last = max(own, default=-1) + 1
    starts = {index: vmsa for index, vmsa in own.items() if index < most}
    for vmm in _vmms() if vmms is None else vmms:
        if fpu == "file" and not vmm.has_cpu_model:  # others do what the file says, or do not ask
            continue
        # Firmware is laid out with the signature of one processor, and may run on another.
        is_laid_out = vmm.has_cpu_model and any(map(has_signature, own.values()))
        for rdx in (None, *(signatures if is_laid_out else ())):
            host = {FPU_AXIS.name: fpu} if fpu else {}
            if rdx is not None:
                host[RDX_AXIS.name] = str(rdx)
            built = {
                index: (own_vmsa(vmsa, value, vmm, host).pack(), VMSA_GPA)
                for index, vmsa in starts.items()
            }
            shared = Family(
                "kvm", (), (vmm.name,), features=features, own=first, most=last, fpu=fpu, rdx=rdx
            )
            in_reset = signatures if rdx is None else [rdx]
            for signature in in_reset if vmm.own_reset else [None]:
                resets = tuple(
                    (reset_vmsa_of(signature or 0, value, vmm, host, eip).pack(), VMSA_GPA)
                    for eip in (RESET_VECTOR, ap_start)
                )
                cpu = signature if first < most else None
                yield shared._replace(pages=_pages(built, resets, most, {}), cpu=cpu)
                if own and fpu != "file" and rdx is None:
                    pages = _pages(built, resets, most, {CONTEXTS_AXIS.name: "reset"})
                    yield shared._replace(kind="reset", pages=pages, cpu=signature, own=0, most=0)
            if 0 in built:
                nobodys = ((b"", 0),) * 2  # every vCPU has a context
                pages = _pages(built, nobodys, most, {CONTEXTS_AXIS.name: "copies"})
                yield shared._replace(kind="copies", pages=pages, own=most)
                if vmm.has_cpu_model:
                    pages = _pages(built, nobodys, most, {CONTEXTS_AXIS.name: "last"})
                    yield shared._replace(kind="last", pages=pages)


def _pages(
    built: dict[int, Page], resets: tuple[Page, ...], most: int, host: Host
) -> tuple[Page, ...]:
    """The VMSAs of `most` vCPUs, each from the context that `host` gives it or in reset.

    Args:
        built: those from contexts, by vCPU.
        resets: of the first vCPU and of all others.
        most: how many there are.
        host: which context each gets.
    """
    starts = (context_of(index, built, host) for index in range(most))
    return tuple(
        resets[index > 0] if start is None else built[start] for index, start in enumerate(starts)
    )


def _vmms() -> list[VMM]:
    """Every VMM that takes contexts to KVM."""
    return [
        loader.vmm
        for loader in loaders().values()
        if loader.vmm is not None and not loader.takes_firmware
    ]


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
        return
    vmm = _vmm_of(way)
    if vmm is None:
        yield VMM_AXIS.choice(tail.host(way, count)[VMM_AXIS.name]).words
    elif vmm.name not in tail.vmms:
        yield f"the VMSAs are as for {tail.vmms[0]}"
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
