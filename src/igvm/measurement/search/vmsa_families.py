"""The VMSAs that may follow the pages of a guest: families that differ in one thing each."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar

from igvm.errors import FormatError
from igvm.launch.directives import directives
from igvm.launch.flash import Flash
from igvm.launch.kvm.clouds import CLOUDS
from igvm.launch.kvm.vmm import FPU, VMM
from igvm.launch.kvm.vmsa_axes import (
    CONTEXTS_AXIS,
    FPU_AXIS,
    NOBODY,
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
from igvm.launch.loader_table import loaders
from igvm.launch.loaders.qemu_kvm import QEMU
from igvm.launch.processors import cpu_name, known_signatures, signatures_of
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from igvm.file.view import IgvmFile
    from igvm.launch.axes import Axis, Host
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
_USUAL_BIT, _RARE_BIT, _PLAIN = 2, 8, 2
"""How much less likely SEV_FEATURES are for each such bit, and if only SNP is on."""
MOST_UNLIKELY = 256
"""What is less likely than this is not tried: several odd things at once."""
MOST_VCPUS = 1024
"""The largest number of vCPUs that a search thinks of."""
_MOST_KEPT = 2048
"""VMSAs that are kept for recipes to come."""
BUILDING = 32
"""What making a VMSA costs, in digests of a chain."""

T = TypeVar("T")
Page = tuple[bytes, int]
"""A VMSA and its gpa."""


class Pages(Protocol):
    """VMSAs with their gpas, one after the other."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Page]:
        """One after the other."""


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
        self._vmms = tuple(vmm for vmm in _vmms() if vmms is None or vmm.name in vmms)
        self._has_clouds = vmms is None
        self._own: dict[int, SEVVMSA] = {}
        self._gpas: dict[int, int] = {}
        numbers: frozenset[int] = frozenset()
        if firmware:
            start = _firmware_ap_start(file, platform)
            self._ap_start = start or RESET_VECTOR
            self._most = most if start else min(most, 1)
            self._vmms = (QEMU,)
        else:
            self._own, self._gpas, numbers = _own_contexts(file, platform, most)
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
                yield _as_they_are(self._file, sequence, value, unlikely)
            for choice in gpas if whole else ():
                moved = tuple((source, choice.change(gpa)) for source, gpa in sequence)
                if moved != sequence:
                    self._current = self._as_it_is(self._wanted)
                    family = _as_they_are(self._file, moved, None, choice.unlikely)
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


def _firmware_ap_start(file: IgvmFile, platform: PlatformType) -> int | None:
    """Where firmware below 4 GiB has all vCPUs but the first start, if it says so."""
    flash = Flash(directives(file, platform, file.platform_masks[platform]))
    try:
        return flash.ap_start() if len(flash.rows) else None
    except FormatError:
        return None


def _unlikely_values(axis: Axis, platform: PlatformType) -> dict[str, int]:
    """The values of `axis` on `platform` and how unlikely each is; an empty one for the usual."""
    return {"": 1, **{choice.value: choice.unlikely for choice in axis.on(platform)}}


def _own_contexts(
    file: IgvmFile, platform: PlatformType, most: int
) -> tuple[dict[int, SEVVMSA], dict[int, int], frozenset[int]]:
    """The contexts of the file for the first `most` vCPUs; of several for one the last counts.

    Returns:
        The contexts by vCPU, their addresses, and the numbers of all vCPUs that have one.
    """
    plan = directives(file, platform, file.platform_masks[platform])
    rows = plan.rows[plan.from_headers(HeaderType.VP_CONTEXT)]
    rows = rows[rows["loaded"] > 0]
    numbers = rows["vp_index"].tolist()
    last = {number: row for row, number in enumerate(numbers) if number < most}
    contexts: dict[int, SEVVMSA] = {}
    gpas: dict[int, int] = {}
    for number, row in last.items():
        contexts[number] = SEVVMSA.unpack_from(file.buffer, int(rows["source"][row]))
        gpas[number] = int(rows["gpa"][row])
    return contexts, gpas, frozenset(numbers)


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


def _as_they_are(
    file: IgvmFile, contexts: tuple[tuple[int, int], ...], features: int | None, unlikely: int
) -> Family:
    """The contexts of the file, with other SEV_FEATURES or exactly as they are."""
    pages: Pages
    if features is None and len(contexts) > MOST_VCPUS:
        pages = _PagesOfFile(file, contexts)
        distinct = len({source for source, _ in contexts})
    else:
        made = {source: _own_page(file, source, features) for source, _ in contexts}
        pages = tuple((made[source], gpa) for source, gpa in contexts)
        distinct = len(made)
    return Family(
        "file",
        pages,
        contexts=contexts,
        features=features,
        own=len(pages),
        unlikely=unlikely,
        distinct=distinct,
    )


class _PagesOfFile:
    """The contexts of a file as they are, each read when it comes: there may be very many."""

    def __init__(self, file: IgvmFile, contexts: tuple[tuple[int, int], ...]) -> None:
        self._file, self._contexts = file, contexts

    def __len__(self) -> int:
        return len(self._contexts)

    def __iter__(self) -> Iterator[Page]:
        for source, gpa in self._contexts:
            yield _own_page(self._file, source, None), gpa


def _own_page(file: IgvmFile, source: int, features: int | None) -> bytes:
    """The context of the file at `source`, or zeroes without one, with other SEV_FEATURES."""
    page = bytes(file.buffer[source : source + SEVVMSA.SIZE]) if source >= 0 else bytes(4096)
    if features is None:
        return page
    return SEVVMSA.unpack_from(page).replace(sev_features=SEVFeatures(features)).pack()


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


def _vmms() -> list[VMM]:
    """Every VMM that takes contexts to KVM."""
    vmms = (
        loader.vmm
        for loader in loaders().values()
        if loader.vmm is not None and not loader.takes_firmware
    )
    return list(dict.fromkeys(vmms))


def _host_value(name: str) -> str:
    """What the axis `vmm` calls the VMM called `name`."""
    return next(vmm.host_value for vmm in (*_vmms(), *CLOUDS) if vmm.name == name)


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
