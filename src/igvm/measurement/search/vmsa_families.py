"""The VMSAs that may follow the pages of a guest: families that differ in one thing each."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from igvm.launch.kvm.clouds import CLOUDS
from igvm.launch.kvm.vmm import FPU, VMM
from igvm.launch.kvm.vmsa_axes import (
    CONTEXTS_AXIS,
    FPU_AXIS,
    RDX_AXIS,
    VMM_AXIS,
    VMSA_GPA_AXIS,
    context_of,
    has_signature,
    own_vmsa,
    reset_vmsa_of,
    vmsa_gpa,
)
from igvm.launch.kvm.vmsa_rewriting import RESET_VECTOR, VMSA_GPA, kvm_reset_vmsa
from igvm.launch.loaders.qemu_kvm import QEMU
from igvm.launch.processors import known_signatures, signatures_of
from igvm.measurement.search.file_contexts import (
    MOST_VCPUS,
    family_of_file,
    firmware_ap_start,
    own_contexts,
)
from igvm.measurement.search.vmsa_family import Family, Kind, Page, Pages, kvm_vmms
from igvm.spec.enums import PlatformType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from igvm.file.view import IgvmFile
    from igvm.launch.axes import Axis, Host


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
_USUAL_BIT, _RARE_BIT, _PLAIN = 2, 8, 2
"""How much less likely SEV_FEATURES are for each such bit, and if only SNP is on."""
MOST_UNLIKELY = 256
"""What is less likely than this is not tried: several odd things at once."""
_MOST_KEPT = 2048
"""VMSAs that are kept for recipes to come."""

T = TypeVar("T")


class Recipe(NamedTuple):
    """What a family is made by, before its VMSAs are."""

    unlikely: int
    kind: Kind
    value: int
    """SEV_FEATURES."""
    fpu: str
    gpa: str
    rdx: int | None
    signature: int | None
    """The CPU signature of vCPUs in reset; None where no vCPU has it."""
    vmms: tuple[VMM, ...]


class Families:
    """Every plausible sequence of VMSAs for one platform of a file, the likeliest first.

    A sequence of more than 1,024 contexts is tried with the SEV_FEATURES it has, no others.

    Args:
        file: an open file.
        platform: SEV-SNP or SEV-ES.
        most: the largest number of vCPUs to think of.
        cpu: the processor, if it is known; all signatures of a real one are tried.
        sev_features: SEV_FEATURES, if they are known.
        as_in_file: whether SEV_FEATURES are those that the file asks for, if they are not known.
        contexts: sequences of the file's contexts that loaders measure.
        firmware: take the VMSAs with which QEMU starts the firmware that the file has below 4 GiB
            by itself: the first vCPU in reset, the others where the firmware says, and none of
            them where it does not say.
        vmms: who has KVM build the VMSAs, by name; None for all, and clouds.

    Attributes:
        signatures: the CPU signatures that are tried, each with how unlikely it is.
        values: SEV_FEATURES that are tried, the same.
        left: recipes that were not gone through yet, while one does.
    """

    def __init__(
        self,
        file: IgvmFile,
        platform: PlatformType,
        *,
        most: int,
        cpu: str | int | None = None,
        sev_features: int | None = None,
        as_in_file: bool = False,
        contexts: Iterable[tuple[tuple[int, int], ...]] = (),
        firmware: bool = False,
        vmms: Collection[str] | None = None,
    ) -> None:
        self._file, self._platform, self._most = file, platform, most
        self._contexts = list(contexts)
        self._of_firmware = firmware
        self._ap_start = RESET_VECTOR
        self._vmms = tuple(vmm for vmm in kvm_vmms() if vmms is None or vmm.name in vmms)
        self._has_clouds = vmms is None
        self._own: dict[int, SEVVMSA] = {}
        self._gpas: dict[int, int] = {}
        numbers: frozenset[int] = frozenset()
        if firmware:
            start = firmware_ap_start(file, platform)
            self._ap_start = start or RESET_VECTOR
            self._most = most if start else min(most, 1)
            self._vmms = (QEMU,)
        else:
            self._own, self._gpas, numbers = own_contexts(file, platform, most)
        own = self._own
        self._wanted = int(own[0].sev_features) if 0 in own else 0
        if platform == PlatformType.SEV_SNP:
            self._wanted |= int(SEVFeatures.SNP)  # which KVM sets by itself
        self.values: Mapping[int, int] = {self._wanted: 1}
        if not as_in_file:
            self.values = _features(self._wanted, platform)
        if sev_features is not None:
            self.values = {sev_features: 1}
        self.signatures: Mapping[int, int] = known_signatures()
        if cpu is not None:
            self.signatures = dict.fromkeys(signatures_of(cpu), 1)
        self._first = next(index for index in itertools.count() if index not in numbers)
        self._last = max(numbers, default=-1) + 1
        self._starts = {index: vmsa for index, vmsa in own.items() if index < most}
        self._found: list[Recipe] = []
        self._recipes: list[Recipe] | None = None
        self._current: Recipe | None = None
        self._made: dict[tuple[int, str, int | None, str], Any] = {}
        self.left = 0

    @property
    def recipes(self) -> list[Recipe]:
        """What families are made by, the likeliest first."""
        if self._recipes is None:
            self._recipes = sorted(
                self._all_recipes(), key=lambda recipe: (recipe.unlikely, recipe.value)
            )
        return self._recipes

    def as_they_are(self) -> Iterator[Family]:
        """The contexts of the file as they are, with SEV_FEATURES and addresses of a host."""
        gpas = VMSA_GPA_AXIS.on(self._platform)
        for sequence in self._contexts:
            whole = list(self.values.items()) if len(sequence) <= MOST_VCPUS else []
            choices: list[tuple[int | None, int]] = [(None, 1), *whole]
            for value, unlikely in choices:
                self._current = self._as_it_is(self._wanted if value is None else value)
                yield family_of_file(self._file, sequence, value, unlikely)
            for choice in gpas if whole else ():
                moved = tuple((source, choice.change(gpa)) for source, gpa in sequence)
                if moved != sequence:
                    self._current = self._as_it_is(self._wanted)
                    family = family_of_file(self._file, moved, None, choice.unlikely)
                    yield family._replace(contexts=sequence, gpa=choice.value)

    def __iter__(self) -> Iterator[Family]:
        """What KVM and clouds build, each sequence of VMSAs once for each state of the FPU."""
        seen: set[bytes] = set()
        for number, recipe in enumerate(self.recipes):
            self._current = recipe
            self.left = len(self.recipes) - number
            if self._found and not any(_is_near(recipe, found) for found in self._found):
                continue
            families = [self._family(recipe, vmm) for vmm in recipe.vmms]
            for family in _merged(families):
                # After the contexts come the first vCPU in reset and then all others alike.
                key = _key(family, self._last + 2)
                if key not in seen:
                    seen.add(key)
                    yield family
        self.left = 0

    @property
    def current(self) -> Recipe:
        """What was given last; before the first one the contexts of the file as they are."""
        return self._current or self._as_it_is(self._wanted)

    @staticmethod
    def _as_it_is(value: int) -> Recipe:
        """What stands for contexts of the file as they are, but for SEV_FEATURES."""
        return Recipe(1, "file", value, "", "", None, None, ())

    def narrow(self, found: Recipe) -> None:
        """From the next one on, give only families that may be `found`."""
        self._found.append(found)

    def _all_recipes(self) -> Iterator[Recipe]:
        fpus = _unlikely_values(FPU_AXIS, self._platform)
        reset = kvm_reset_vmsa(0)
        own = self._own.values()
        if not any(getattr(vmsa, name) != getattr(reset, name) for vmsa in own for name in FPU):
            fpus.pop("file", None)
        gpas = _unlikely_values(VMSA_GPA_AXIS, self._platform)
        clouds = {vmm: VMM_AXIS.choice(vmm.host_value).unlikely for vmm in CLOUDS}
        is_real = not any(vmsa.cr0 & 1 for vmsa in self._starts.values())
        for gpa, fpu, value in itertools.product(gpas, fpus, self.values):
            unlikely = gpas[gpa] * fpus[fpu] * self.values[value]
            for recipe in self._of_kvm(unlikely, value, fpu, gpa):
                if recipe.unlikely <= MOST_UNLIKELY:
                    yield recipe
            is_cloud = is_real and not fpu and self._has_clouds
            for vmm, how in clouds.items() if is_cloud else ():
                if unlikely * how <= MOST_UNLIKELY:
                    yield Recipe(unlikely * how, "kvm", value, fpu, gpa, None, None, (vmm,))

    def _of_kvm(self, unlikely: int, value: int, fpu: str, gpa: str) -> Iterator[Recipe]:
        """What KVM measures for every VMM, and what it would measure if contexts went astray."""
        kinds = {choice.value: choice.unlikely for choice in CONTEXTS_AXIS.choices}
        # Others than QEMU do what the file says of the FPU, or do not ask.
        vmms = tuple(vmm for vmm in self._vmms if fpu != "file" or vmm.has_cpu_model)
        setting = tuple(vmm for vmm in vmms if vmm.own_reset)
        others = tuple(vmm for vmm in vmms if not vmm.own_reset)
        has_reset = self._first < self._most
        # Firmware is laid out with the signature of one processor, and may run on another.
        modelled = tuple(vmm for vmm in setting if vmm.has_cpu_model)
        is_laid_out = any(map(has_signature, self._own.values()))
        if has_reset:
            for signature, how in self.signatures.items():
                level = unlikely * how
                yield Recipe(level, "kvm", value, fpu, gpa, None, signature, setting)
            yield Recipe(unlikely, "kvm", value, fpu, gpa, None, None, others)
        else:  # no vCPU has the processor's signature from a reset
            yield Recipe(unlikely, "kvm", value, fpu, gpa, None, None, vmms)
        if self._own and fpu != "file":
            for signature, how in self.signatures.items():
                level = unlikely * how * kinds["reset"]
                yield Recipe(level, "reset", value, fpu, gpa, None, signature, setting)
            level = unlikely * kinds["reset"]
            yield Recipe(level, "reset", value, fpu, gpa, None, None, others)
        rdx: list[tuple[int | None, int]] = [(None, 1)]
        if is_laid_out:
            rdx += [(signature, 2 * how) for signature, how in self.signatures.items()]
        for own, how in rdx:
            level = unlikely * how
            among = vmms if own is None else modelled
            if own is not None:
                of_resets = own if has_reset else None
                yield Recipe(level, "kvm", value, fpu, gpa, own, of_resets, among)
            if 0 in self._starts:
                yield Recipe(level * kinds["copies"], "copies", value, fpu, gpa, own, None, among)
                level *= kinds["last"]
                yield Recipe(level, "last", value, fpu, gpa, own, None, modelled)

    def _family(self, recipe: Recipe, vmm: VMM) -> Family:
        """The family of one VMM."""
        host = {FPU_AXIS.name: recipe.fpu} if recipe.fpu else {}
        if recipe.gpa:
            host[VMSA_GPA_AXIS.name] = recipe.gpa
        if recipe.rdx is not None:
            host[RDX_AXIS.name] = str(recipe.rdx)
        value, most, kind = recipe.value, self._most, recipe.kind
        own: dict[int, bytes] = {}
        if kind != "reset":
            of = (recipe.value, recipe.fpu, recipe.rdx, vmm.name)
            own = self._kept(of, lambda: self._own_pages(value, vmm, host))
        built = {
            index: (page, vmsa_gpa(self._gpas[index], host))
            for index, page in own.items()
            if not index or kind != "copies"
        }
        resets: tuple[Page, Page] = ((b"", 0), (b"", 0))  # which no vCPU has
        if kind in {"kvm", "reset"}:
            gpa = vmsa_gpa(next(iter(self._gpas.values()), VMSA_GPA), host)
            of = (recipe.value, recipe.fpu, -1 - (recipe.signature or 0), vmm.name)
            first, other = self._kept(of, lambda: self._reset_pages(recipe, vmm, host))
            resets = (first, gpa), (other, gpa)
        where = {} if kind == "kvm" else {CONTEXTS_AXIS.name: kind}
        return Family(
            kind,
            _pages(built, resets, most, where),
            (vmm.name,),
            features=None if value == self._wanted else value,
            cpu=recipe.signature,
            own={"copies": most, "reset": 0}.get(kind, self._first),
            most=0 if kind == "reset" else self._last,
            fpu=recipe.fpu,
            rdx=recipe.rdx,
            gpa=recipe.gpa,
            unlikely=recipe.unlikely,
            distinct=len({page for page, _ in built.values()}) + len({*resets}),
            firmware=self._of_firmware,
        )

    def _reset_pages(self, recipe: Recipe, vmm: VMM, host: Host) -> tuple[bytes, bytes]:
        """What KVM measures of vCPUs in reset: of the first, and of all others."""
        signature = recipe.signature or 0
        first, *others = (
            reset_vmsa_of(signature, recipe.value, vmm, host, start).pack()
            for start in dict.fromkeys([RESET_VECTOR, self._ap_start])
        )
        return first, others[0] if others else first

    def _own_pages(self, value: int, vmm: VMM, host: Host) -> dict[int, bytes]:
        """What KVM builds of the file's contexts; alike where those are."""
        pages: dict[SEVVMSA, bytes] = {}
        for vmsa in self._starts.values():
            if vmsa not in pages:
                pages[vmsa] = own_vmsa(vmsa, value, vmm, host).pack()
        return {index: pages[vmsa] for index, vmsa in self._starts.items()}

    def _kept(self, key: tuple[int, str, int | None, str], make: Callable[[], T]) -> T:
        """What `make` gives, kept for recipes that differ in nothing that it depends on."""
        if key not in self._made:
            if len(self._made) * (len(self._starts) + 1) > _MOST_KEPT:
                self._made.clear()
            self._made[key] = make()
        made: T = self._made[key]
        return made


def _is_near(recipe: Recipe, found: Recipe) -> bool:
    """Whether two recipes may lead to the same VMSAs: features and processors are the same."""
    cpu, other = (each.signature if each.rdx is None else each.rdx for each in (recipe, found))
    return recipe.value == found.value and (cpu is None or other is None or cpu == other)


def _key(family: Family, count: int) -> bytes:
    """What tells VMSAs of a family, all alike after the first `count`, from others, in short."""
    hasher = hashlib.blake2b(family.fpu.encode(), digest_size=16)
    before = None
    for number, page in enumerate(itertools.islice(family.pages, count)):
        if page != before:
            hasher.update(number.to_bytes(4, "little"))
            hasher.update(page[0])
            hasher.update(page[1].to_bytes(8, "little"))
        before = page
    return hasher.digest()


def _merged(families: list[Family]) -> list[Family]:
    """`families` of one recipe, those of several VMMs that build the same as one."""
    merged: dict[Pages, Family] = {}
    for family in families:
        same = merged.get(family.pages)
        names = family.vmms if same is None else (*same.vmms, *family.vmms)
        merged[family.pages] = (same or family)._replace(vmms=tuple(dict.fromkeys(names)))
    return list(merged.values())


def _unlikely_values(axis: Axis, platform: PlatformType) -> dict[str, int]:
    """The values of `axis` on `platform` and how unlikely each is; an empty one for the usual."""
    return {"": 1, **{choice.value: choice.unlikely for choice in axis.on(platform)}}


def _features(wanted: int, platform: PlatformType) -> dict[int, int]:
    """Values of SEV_FEATURES that are plausible where the file says `wanted`, and how unlikely."""
    plain = int(platform == PlatformType.SEV_SNP)
    values: dict[int, int] = {}
    usual = [
        (sum(map(int, chosen)), _USUAL_BIT**count)
        for count in range(len(_USUAL) + 1)
        for chosen in itertools.combinations(_USUAL, count)
    ]
    rare = [(0, 1), *((int(bit), _RARE_BIT) for bit in _RARE)]
    for base, how in ((wanted, 1), (plain, _PLAIN)):
        for (bits, usual_how), (bit, rare_how) in itertools.product(usual, rare):
            value, unlikely = base ^ bits ^ bit, how * usual_how * rare_how
            values[value] = min(unlikely, values.get(value, unlikely))
    return values


def _pages(
    built: dict[int, Page], resets: tuple[Page, Page], most: int, host: Host
) -> tuple[Page, ...]:
    """The VMSAs of `most` vCPUs, each from the context that `host` gives it or in reset.

    Args:
        built: those from contexts, by vCPU.
        resets: of the first vCPU and of all others.
        most: how many there are.
        host: which context each gets.
    """
    if not host:
        return tuple(built.get(index, resets[index > 0]) for index in range(most))
    starts = (context_of(index, built, host) for index in range(most))
    return tuple(
        resets[index > 0] if start is None else built[start] for index, start in enumerate(starts)
    )
