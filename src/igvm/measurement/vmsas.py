"""The VMSAs that may follow the pages of a guest: families that differ in one thing each."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal, NamedTuple

from igvm.launch.draft import draft
from igvm.launch.kvm import (
    CLOUD_HYPERVISOR,
    FPU,
    OPENVMM,
    QEMU,
    VMM,
    VMSA_GPA,
    kvm_reset_vmsa,
    kvm_vmsa,
)
from igvm.launch.processor import CPU_SIGNATURES, signature_of
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from igvm.file.view import IgvmFile
    from igvm.measurement.variations import Way

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
_OTHER_SIGNATURES = (0, 0x600)
"""RDX of guests that were told no model, and of EC2 and GCE."""

VMMS: Mapping[str, VMM] = {
    "qemu-kvm": QEMU,
    "cloud-hypervisor-kvm": CLOUD_HYPERVISOR,
    "openvmm": OPENVMM,
}
"""Who takes the contexts to KVM, by loader."""

Fpu = Literal["", "file", "none"]
_FPU_WORDS: Mapping[Fpu, str] = {
    "file": "MXCSR and the x87 control word are those of the file",
    "none": "KVM measures no FPU: its old VM type, or Linux before 6.10",
}

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
    fpu: Fpu = ""
    """Where MXCSR and the x87 control word come from, if not from the loader."""
    rdx: int | None = None
    """The CPU signature in RDX of contexts that start in real mode, if not the file's."""


def families(
    file: IgvmFile,
    platform: PlatformType,
    *,
    most: int,
    cpu: str | int | None = None,
    sev_features: int | None = None,
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
        contexts: sequences of the file's contexts that loaders measure.
    """
    own = _contexts(file, platform)
    wanted = int(own[0].sev_features) if 0 in own else 0
    if platform == PlatformType.SEV_SNP:
        wanted |= SEVFeatures.SNP  # which KVM sets by itself
    choice = _features(wanted, platform) if sev_features is None else [sev_features]
    if cpu is None:
        signatures = list(dict.fromkeys([*CPU_SIGNATURES.values(), *_OTHER_SIGNATURES]))
    else:
        signatures = [signature_of(cpu)]
    found: dict[tuple[tuple[Page, ...], Fpu], Family] = {}
    fpus: list[Fpu] = [""]
    reset = kvm_reset_vmsa(0)
    if any(getattr(vmsa, name) != getattr(reset, name) for vmsa in own.values() for name in FPU):
        fpus.append("file")
    if platform == PlatformType.SEV_ES:
        fpus.append("none")
    for value, fpu in itertools.product(choice, fpus):
        features = None if value == wanted else value
        for one in _by_kvm(own, value, features, signatures, most, fpu=fpu):
            same = found.setdefault((one.pages, fpu), one)
            if same._replace(vmms=()) == one._replace(vmms=()):
                names = dict.fromkeys([*same.vmms, *one.vmms])
                found[one.pages, fpu] = same._replace(vmms=tuple(names))
    as_they_are = [
        _as_they_are(file, one, value)
        for one in contexts
        for value in (None, *(choice if len(one) <= MOST_VCPUS else ()))
    ]
    return [*as_they_are, *found.values()]


def _contexts(file: IgvmFile, platform: PlatformType) -> dict[int, SEVVMSA]:
    """The contexts of the file by vCPU; of several for one the last counts."""
    asked = draft(file, platform)
    found: dict[int, SEVVMSA] = {}
    for row in asked.rows[asked.of(HeaderType.VP_CONTEXT)]:
        index = int(row["vp_index"])
        found[index] = SEVVMSA.unpack_from(file.buffer, int(row["source"]))
    return found


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
    fpu: Fpu,
) -> Iterator[Family]:
    """What KVM measures for every VMM, and what it would measure if contexts went astray."""
    first = next(index for index in itertools.count() if index not in own)
    last = max(own, default=-1) + 1
    for vmm in VMMS.values():
        if fpu == "file" and not vmm.is_qemu:  # the others do what the file says, or do not ask
            continue
        # Firmware is laid out with the signature of one processor, and may run on another.
        changed = signatures if vmm.is_qemu and any(map(_has_signature, own.values())) else []
        for rdx in (None, *changed):
            built = {
                index: _page(kvm_vmsa(_on(vmsa, rdx), value, vmm), fpu, vmsa)
                for index, vmsa in own.items()
                if index < most
            }
            shared = Family(
                "kvm", (), (vmm.name,), features=features, own=first, most=last, fpu=fpu, rdx=rdx
            )
            resets = signatures if rdx is None else [rdx]
            for signature in resets if vmm.own_reset else [None]:
                reset = _page(vmm.reset(signature or 0, value), fpu)
                pages = tuple(built.get(index, reset) for index in range(most))
                cpu = signature if first < most else None
                yield shared._replace(pages=pages, cpu=cpu)
                if own and fpu != "file" and rdx is None:
                    pages = (reset,) * most
                    yield shared._replace(kind="reset", pages=pages, cpu=signature, own=0, most=0)
            if 0 in built:
                yield shared._replace(kind="copies", pages=(built[0],) * most, own=most)
                if vmm.is_qemu:
                    pages = tuple(built[min(index, first - 1)] for index in range(most))
                    yield shared._replace(kind="last", pages=pages)


def _has_signature(vmsa: SEVVMSA) -> bool:
    """Whether a context starts in real mode and has a CPU signature in RDX, or nothing yet."""
    return not vmsa.cr0 & 1 and vmsa.rdx in {*CPU_SIGNATURES.values(), *_OTHER_SIGNATURES}


def _on(vmsa: SEVVMSA, rdx: int | None) -> SEVVMSA:
    """A context on the processor with the signature `rdx`."""
    return vmsa if rdx is None or not _has_signature(vmsa) else vmsa.replace(rdx=rdx)


def _page(made: SEVVMSA, fpu: Fpu, own: SEVVMSA | None = None) -> Page:
    """A VMSA by KVM with the FPU of the context `own`, or without any."""
    if fpu == "file" and own is not None:
        made = made.replace(**{name: getattr(own, name) for name in FPU})
    elif fpu == "none":
        made = made.replace(**dict.fromkeys(FPU, 0))
    return made.pack(), VMSA_GPA


def cpu_name(signature: int) -> str:
    """A model with this CPU signature, or the number."""
    names = (name for name, value in CPU_SIGNATURES.items() if value == signature)
    return next(names, f"{signature:#x}")


def family_words(way: Way, tail: Family, count: int) -> Iterator[str]:
    """What about the first `count` VMSAs of `tail` is otherwise than in the loader of `way`."""
    if tail.kind == "file":
        if way.rebuilt or way.contexts != tail.contexts:
            yield "the VMSAs are those of the file as they are"
        if count < len(tail.pages):
            yield f"{count} of the file's {len(tail.pages)} VMSAs measured"
        if tail.features is not None:
            yield f"SEV_FEATURES are {tail.features:#x}"
        return
    vmm = VMMS.get(way.loader) if way.rebuilt else None
    if vmm is None:
        yield f"KVM builds the VMSAs, last, as for {tail.vmms[0]}"
    elif vmm.name not in tail.vmms:
        yield f"the VMSAs are as for {tail.vmms[0]}"
    if tail.fpu:
        yield _FPU_WORDS[tail.fpu]
    if tail.rdx is not None:
        yield f"the contexts have the CPU signature of {cpu_name(tail.rdx)} in RDX"
    if tail.kind == "reset":
        yield "the contexts of the file are not used"
    elif tail.kind == "last" and count > tail.own:
        yield f"vCPU {tail.own} and up start as vCPU {tail.own - 1} does"
    elif tail.kind == "copies":
        yield "every vCPU starts with the context of vCPU 0"
    elif count < tail.most and vmm is not None and vmm.dropped is not None:
        yield f"contexts for vCPU {count} and up are passed over"
