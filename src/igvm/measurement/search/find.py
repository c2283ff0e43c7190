"""Which loader, and which settings, lead to a digest that hardware reported."""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from igvm.errors import LoadError, MeasurementError
from igvm.file.argument_kinds import require_digest, require_file
from igvm.launch.kvm.vmsa_axes import CONTEXTS_AXIS, NOBODY
from igvm.launch.loader_table import loader_names
from igvm.launch.plan import PAGE
from igvm.launch.processors import cpu_name, processor_words
from igvm.measurement.measure import measure_plan
from igvm.measurement.page_cache import ContentCache
from igvm.measurement.realm import known
from igvm.measurement.search.file_contexts import MOST_VCPUS
from igvm.measurement.search.near_miss import NearMiss, pages_alike, vcpus_not_asked_for
from igvm.measurement.search.search_account import Account, Asked, Untried, looked_at, untried
from igvm.measurement.search.variations import Variation, Way, variations
from igvm.measurement.search.vmsa_families import MOST_UNLIKELY, Families
from igvm.measurement.search.vmsa_family import BUILDING, Family, family_words
from igvm.measurement.technology_table import has_vmsas, technologies, technology_of
from igvm.spec.enums import PlatformType  # noqa: TC001 - msgspec reads annotations

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from igvm.file.view import IgvmFile
    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.measurement.realm import RealmParameters

Progress = Callable[[int, int], None]
"""Is told how much of the work is done, and how much there is at most."""

ANY_VCPUS = range(1, 65)
"""Numbers of vCPUs that a search thinks of that is not told."""
MOST_UNLIKELY_TOGETHER = 64
"""What of pages and VMSAs that are both unusual is not tried if it is less likely than this."""
_MOST_PREPARED = 1 << 24
"""Bytes of what is hashed for VMSAs that are kept while they are compared."""
MOST_WORK = 6_000_000
"""Digests that a search compares, what making VMSAs costs included (`Family.cost`)."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """One way to come to the digest."""

    platform: PlatformType
    loader: str
    deviations: tuple[str, ...] = ()
    """What must be otherwise than in the loader; empty if `igvm.measure` gives the digest."""
    vcpus: int | None = None
    cpu: str | None = None
    processor: str = ""
    """Which real processors have the CPU signature of vCPUs in reset, or in RDX; in words."""
    sev_features: int | None = None
    hashes: bool = False
    """Whether the hashes of the given kernel are in it."""

    host: dict[str, str] = {}
    """What the host does otherwise than the loader, as `igvm.measure` takes it."""

    def __repr__(self) -> str:
        known = {"vcpus": self.vcpus, "cpu": self.cpu, "hashes": self.hashes or None}
        if self.sev_features is not None:
            known["sev_features"] = f"{self.sev_features:#x}"
        words = [
            f"{name} {value}" for name, value in (known | self.host).items() if value is not None
        ]
        return ", ".join([f"<Match {self.platform.name} {self.loader}", *words]) + ">"


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found, and what it looked at."""

    matches: list[Match]
    """The simplest ways to the digest: those with the fewest deviations from a loader."""
    tried: int
    """Digests that were compared."""
    refused: dict[str, str]
    """Loaders that refuse the file, and why; `PLATFORM loader` is the key."""
    looked_at: dict[str, list[str]] = {}
    """What was varied, in words, for each platform that was searched."""
    untried: list[Untried] = []
    """What was not tried and may lead to the digest all the same."""
    near: list[NearMiss] = []
    """Where nothing was found: launches that go through the digest and do not end there."""


def find(
    file: IgvmFile,
    digest: bytes,
    *,
    platforms: Collection[PlatformType] | None = None,
    names: Collection[str] | None = None,
    vcpus: Collection[int] = ANY_VCPUS,
    cpu: str | int | None = None,
    sev_features: int | None = None,
    hashes: KernelHashes | None = None,
    firmware_digest: bytes | None = None,
    realm: RealmParameters | None = None,
    progress: Progress | None = None,
) -> Search:
    """Search for what makes `file` lead to `digest`.

    Tried are all loaders, with what hosts vary of pages, and with each the VMSAs of the file as
    they are or as KVM and clouds build them, for every number of vCPUs, processors and plausible
    SEV_FEATURES; the likeliest first. Work is bounded: what it left is in `untried`.

    Args:
        file: an open file.
        digest: what an attestation report says.
        platforms: where to search; None for all that have digests of this size.
        names: loaders to try; None for all.
        vcpus: numbers of vCPUs to try.
        cpu: the processor, where it is known, as for `igvm.plan`; of a real one such as
            `host:genoa` every signature is tried. None for all that are known.
        sev_features: SEV_FEATURES, where they are known.
        hashes: of a kernel that may have been given to the loader.
        firmware_digest: the SEV-SNP digest after the firmware's pages, for a loader that is given
            firmware.
        realm: what the VMM chose for a Realm; without it CCA is not searched.
        progress: is called now and then.

    Raises:
        ValidationError: the file is not for a platform in `platforms`, an argument is of the
            wrong kind, there is no such processor, or something is given that no platform of
            the file that has digests of this size depends on.
        MeasurementError: no platform has digests of this size, or there are too many vCPUs.
    """
    require_file(file)
    digest = require_digest(digest)
    most = max(vcpus, default=0)
    if most > MOST_VCPUS:
        raise MeasurementError(f"a search goes through at most {MOST_VCPUS} vCPUs, not {most}")
    wanted, without_realm = _platforms(file, digest, platforms, realm)
    asked = Asked(
        names=list(loader_names()) if names is None else list(names),
        vcpus=frozenset(vcpus),
        cpu=cpu,
        sev_features=sev_features,
        hashes=hashes,
        realm=realm,
        firmware_digest=firmware_digest,
        has_vcpus=vcpus is not ANY_VCPUS,
    )
    asked.require_use(file, wanted)
    search = _Search(digest, asked, ContentCache(file), progress)
    parts = [_Part(file, platform, asked) for platform in wanted]
    for part in parts:
        search.compare_pages(part)
    for part in parts:
        if part.families:
            search.compare_families(part)
    search.tell(MOST_WORK)
    fewest = min((len(match.deviations) for match in search.matches), default=0)
    simplest = [match for match in search.matches if len(match.deviations) == fewest]
    near: list[NearMiss] = []
    if not simplest:
        near = [*search.near, *pages_alike(digest, [part.candidates for part in parts], realm)]
    refused: dict[str, str] = {}
    for part in parts:
        refused |= part.refused
    return Search(
        matches=simplest,
        tried=search.tried,
        refused=refused,
        looked_at={part.platform.name: looked_at(asked, part.account) for part in parts},
        untried=untried(asked, [part.account for part in parts], without_realm=without_realm),
        near=near,
    )


def _platforms(
    file: IgvmFile,
    digest: bytes,
    platforms: Collection[PlatformType] | None,
    realm: RealmParameters | None,
) -> tuple[list[PlatformType], list[PlatformType]]:
    """Where to search, and where that needs a Realm that is not given."""
    platforms_asked_for = list(file.platform_masks if platforms is None else platforms)
    fitting = fitting_platforms(digest, platforms_asked_for)
    if not fitting:
        names = ", ".join(platform.name for platform in platforms_asked_for) or "no platform"
        message = f"a digest of {len(digest)} bytes is none of {names}"
        raise MeasurementError(message, path=file.path)
    if realm is None:
        without = [each for each in fitting if "realm" not in technology_of(each).parameters]
        if not without:
            known(realm)
        return without, [each for each in fitting if each not in without]
    return fitting, []


def fitting_platforms(
    digest: bytes, platforms: Collection[PlatformType]
) -> list[PlatformType]:  # fmt: skip
    """Those of `platforms` that have digests of this size."""
    return [platform for platform in platforms if len(digest) in digest_sizes(platform)]


def digest_sizes(platform: PlatformType) -> set[int]:
    """Bytes of the digests of `platform`; none where it is not measured."""
    technology = technologies().get(platform)
    algorithms = () if technology is None else technology.algorithms
    return {hashlib.new(algorithm).digest_size for algorithm in algorithms}


class _Part:
    """What is tried of one platform."""

    def __init__(self, file: IgvmFile, platform: PlatformType, asked: Asked) -> None:
        self.platform = platform
        self.candidates, refusals = variations(
            file,
            platform,
            names=asked.names,
            hashes=asked.hashes,
            firmware_digest=asked.firmware_digest,
        )
        self.refused = {f"{platform.name} {name}": why for name, why in refusals.items()}
        self.families: list[Families] = []
        self.states: list[tuple[Variation, Any]] = []
        """Pages that VMSAs may follow, with the state of the measurement after them."""
        if has_vmsas(platform):
            every_way = [way for each in self.candidates for way in each.ways]
            as_they_are = {way.contexts for way in every_way if way.contexts and not way.rebuilt}
            for is_firmware in sorted({way.firmware for way in every_way}):
                families = Families(
                    file,
                    platform,
                    most=max(asked.vcpus, default=0),
                    cpu=asked.cpu,
                    sev_features=asked.sev_features,
                    contexts=() if is_firmware else sorted(as_they_are),
                    firmware=is_firmware,
                )
                self.families.append(families)
        self.left = 0
        """Families for which no work was left."""
        self.left_pages = 0
        """Variations for which none was left."""

    @property
    def account(self) -> Account:
        """What was tried of it, for those who put it into words."""
        loaders = dict.fromkeys(way.loader for each in self.candidates for way in each.ways)
        families = self.families[0] if self.families else None
        return Account(self.platform, list(loaders), families, self.left, self.left_pages)


class _Search:
    """The digest that is searched for, and what was found so far."""

    def __init__(
        self, digest: bytes, asked: Asked, contents: ContentCache, progress: Progress | None
    ) -> None:
        self.digest = digest
        self.asked = asked
        self.contents = contents
        self.matches: list[Match] = []
        self.near: list[NearMiss] = []
        self.tried = 0
        self.work = 0
        self._progress = progress
        self.tell(0)

    def is_out_of_work(self) -> bool:
        """Whether as much was done as a search does."""
        return self.work >= MOST_WORK

    def tell(self, done: int) -> None:
        """Say how much of the work is done."""
        if self._progress is not None:
            self._progress(min(done, MOST_WORK), MOST_WORK)

    def compare_pages(self, part: _Part) -> None:
        """Compare the digests of pages, with the contexts that are among them or with none."""
        for variation in part.candidates:
            if self.is_out_of_work():
                part.left_pages += 1
                continue
            try:
                self._compare_pages(part, variation)
            except (LoadError, MeasurementError) as error:
                for way in variation.ways:
                    part.refused.setdefault(f"{part.platform.name} {way.loader}", error.message)

    def _compare_pages(self, part: _Part, variation: Variation) -> None:
        continuation = technology_of(part.platform).continuation
        self.tried += 1
        # Pages that no bytes of the file are for cost work that a header asked for.
        room = len(variation.plan.file.buffer) // PAGE
        self.work += max(0, variation.plan.measured_pages - room)
        if not variation.open or continuation is None:
            made = measure_plan(variation.plan, realm=self.asked.realm, contents=self.contents)
            if made.digest == self.digest:
                for way in variation.ways:
                    self._add(part.platform, way, way.deviations, host={})
            return
        state = continuation.start(variation.plan, self.contents)
        part.states.append((variation, state))
        (bare,) = continuation.after(state, [])
        if bare == self.digest:
            self._found(variation, None, 0)

    def compare_families(self, part: _Part) -> None:
        """Compare the digests of pages with VMSAs after them, as long as there is work left."""
        if self.is_out_of_work():
            part.left = sum(len(families.recipes) for families in part.families)
            return
        before = len(self.matches)
        found = [part.families[0].current] if before else []
        for families in part.families:
            for family in families.as_they_are():
                self._compare_family(part, family)
                if len(self.matches) > before:
                    before = len(self.matches)
                    found.append(families.current)
        # What is left may be other words for the same.
        for recipe, families in itertools.product(found, part.families):
            families.narrow(recipe)
        each_with_its_source = (
            ((families, family) for family in families) for families in part.families
        )
        for source, family in heapq.merge(*each_with_its_source, key=lambda item: item[1].unlikely):
            if self.is_out_of_work():
                part.left = sum(families.left for families in part.families)
                return
            self._compare_family(part, family)
            if len(self.matches) > before:
                before = len(self.matches)
                recipe = source.current
                for families in part.families:
                    families.narrow(recipe)

    def _compare_family(self, part: _Part, family: Family) -> None:
        continuation = technology_of(part.platform).continuation
        assert continuation is not None
        self.work += family.distinct * BUILDING
        entries: Sequence[bytes] | None = None
        size = len(continuation.entry(bytes(PAGE), 0))
        if size * len(family.pages) <= _MOST_PREPARED:
            entries = [continuation.entry(page, gpa) for page, gpa in family.pages]
        for variation, state in part.states:
            if all(way.firmware != family.firmware for way in variation.ways):
                continue
            limit = MOST_UNLIKELY if variation.unlikely == 1 else MOST_UNLIKELY_TOGETHER
            if variation.unlikely * family.unlikely > limit and family.kind != "file":
                continue
            each = (continuation.entry(page, gpa) for page, gpa in family.pages)
            digests = continuation.after(state, each if entries is None else entries)
            next(digests)
            for count, digest in enumerate(digests, 1):
                if digest == self.digest:
                    if family.kind == "file" or count in self.asked.vcpus:
                        self._found(variation, family, count)
                    else:
                        ways = variation.ways
                        way = next(each for each in ways if each.firmware == family.firmware)
                        self.near.append(vcpus_not_asked_for(part.platform, way, count))
            self.tried += len(family.pages)
            self.work += len(family.pages)
        self.tell(self.work)

    def _found(self, variation: Variation, tail: Family | None, count: int) -> None:
        """Take note of the digest after the first `count` VMSAs of a family."""
        platform = variation.plan.platform
        for way in variation.ways:
            if tail is not None and tail.firmware != way.firmware:
                continue
            if tail is None:
                if way.contexts:
                    words = (*way.deviations, CONTEXTS_AXIS.choice(NOBODY).words)
                    self._add(platform, way, words, host={CONTEXTS_AXIS.name: NOBODY})
                else:
                    self._add(platform, way, way.deviations, host={})
                continue
            words = (*way.deviations, *family_words(way, tail, count))
            host = tail.host(way, count)
            if tail.kind == "file":
                self._add(platform, way, words, host=host)
            else:
                cpu = tail.cpu if count > tail.own else None
                signature = cpu if tail.rdx is None else tail.rdx
                self._add(
                    platform,
                    way,
                    words,
                    host=host,
                    vcpus=count,
                    cpu=cpu,
                    processor="" if signature is None else processor_words(signature),
                    features=tail.features,
                )

    def _add(
        self,
        platform: PlatformType,
        way: Way,
        deviations: tuple[str, ...],
        *,
        host: dict[str, str],
        vcpus: int | None = None,
        cpu: int | None = None,
        processor: str = "",
        features: int | None = None,
    ) -> None:
        match = Match(
            platform=platform,
            loader=way.loader,
            deviations=deviations,
            vcpus=vcpus,
            cpu=None if cpu is None else cpu_name(cpu),
            processor=processor,
            sev_features=features,
            hashes=way.hashes,
            host=dict(way.host) | host,
        )
        if match not in self.matches:
            self.matches.append(match)
