"""Which loader, and which settings, lead to a digest that hardware reported."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from igvm.errors import LoadError, MeasurementError
from igvm.file.argument_kinds import require_digest, require_file
from igvm.launch.kvm.vmsa_axes import CONTEXTS_AXIS, NOBODY, cpu_name
from igvm.launch.loader_table import loader_names
from igvm.measurement.measure import measure_plan
from igvm.measurement.page_cache import ContentCache
from igvm.measurement.realm import known
from igvm.measurement.search.variations import Variation, Way, variations
from igvm.measurement.search.vmsa_families import (
    MOST_VCPUS,
    Family,
    families,
    family_words,
    firmware_families,
)
from igvm.measurement.technology_table import technologies, technology_of
from igvm.spec.enums import PlatformType  # noqa: TC001 - msgspec reads annotations

if TYPE_CHECKING:
    from collections.abc import Collection

    from igvm.file.view import IgvmFile
    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.measurement.realm import RealmParameters

Progress = Callable[[int, int], None]
"""Is told how many variations of how many are done."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """One way to come to the digest."""

    platform: PlatformType
    loader: str
    deviations: tuple[str, ...] = ()
    """What must be otherwise than in the loader; empty if `igvm.measure` gives the digest."""
    vcpus: int | None = None
    cpu: str | None = None
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


def find(
    file: IgvmFile,
    digest: bytes,
    *,
    platforms: Collection[PlatformType] | None = None,
    names: Collection[str] | None = None,
    vcpus: Collection[int] = range(1, 65),
    cpu: str | int | None = None,
    sev_features: int | None = None,
    hashes: KernelHashes | None = None,
    firmware_digest: bytes | None = None,
    realm: RealmParameters | None = None,
    progress: Progress | None = None,
) -> Search:
    """Search for what makes `file` lead to `digest`.

    Tried are all loaders, with empty pages as normal or zero pages, parameter areas of one, all
    or no pages, and the hashes in and out; and with each the VMSAs of the file as they are or as
    KVM rebuilds them, for every number of vCPUs, processors and plausible SEV_FEATURES.

    Args:
        file: an open file.
        digest: what an attestation report says.
        platforms: where to search; None for all that have digests of this size.
        names: loaders to try; None for all.
        vcpus: numbers of vCPUs to try.
        cpu: the processor, where it is known; else all that QEMU has.
        sev_features: SEV_FEATURES, where they are known.
        hashes: of a kernel that may have been given to the loader.
        firmware_digest: the SEV-SNP digest after the firmware's pages, for a loader that is given
            firmware.
        realm: what the VMM chose for a Realm; without it CCA is not searched.
        progress: is called now and then.

    Raises:
        ValidationError: the file is not for a platform in `platforms`, or an argument is of the
            wrong kind.
        MeasurementError: no platform has digests of this size, or there are too many vCPUs.
    """
    require_file(file)
    digest = require_digest(digest)
    most = max(vcpus, default=0)
    if most > MOST_VCPUS:
        raise MeasurementError(f"a search goes through at most {MOST_VCPUS} vCPUs, not {most}")
    search = _Search(digest, frozenset(vcpus), realm, ContentCache(file))
    wanted = _platforms(file, digest, platforms, realm)
    names = list(loader_names()) if names is None else list(names)
    work: list[tuple[PlatformType, list[Variation], list[Family]]] = []
    refused: dict[str, str] = {}
    for platform in wanted:
        candidates, refusals = variations(
            file, platform, names=names, hashes=hashes, firmware_digest=firmware_digest
        )
        refused |= {f"{platform.name} {name}": why for name, why in refusals.items()}
        tails: list[Family] = []
        if technology_of(platform).continuation is not None:
            ways = [way for variation in candidates for way in variation.ways if not way.rebuilt]
            contexts = {way.contexts for way in ways if way.contexts}
            tails = families(
                file, platform, most=most, cpu=cpu, sev_features=sev_features,
                contexts=sorted(contexts),
            )  # fmt: skip
            if any(way.firmware for variation in candidates for way in variation.ways):
                tails += firmware_families(
                    file, platform, most=most, cpu=cpu, sev_features=sev_features
                )
        work.append((platform, candidates, tails))
    total = sum(len(candidates) for _, candidates, _ in work)
    done = 0
    for platform, candidates, tails in work:
        continuation = technology_of(platform).continuation
        entries = []
        if continuation is not None:
            entry = continuation.entry
            entries = [[entry(page, gpa) for page, gpa in tail.pages] for tail in tails]
        for variation in candidates:
            if progress is not None:
                progress(done, total)
            try:
                search.compare(variation, tails, entries)
            except (LoadError, MeasurementError) as error:
                for way in variation.ways:
                    refused.setdefault(f"{platform.name} {way.loader}", error.message)
            done += 1
    if progress is not None:
        progress(total, total)
    fewest = min((len(match.deviations) for match in search.matches), default=0)
    simplest = [match for match in search.matches if len(match.deviations) == fewest]
    return Search(matches=simplest, tried=search.tried, refused=refused)


def _platforms(
    file: IgvmFile,
    digest: bytes,
    platforms: Collection[PlatformType] | None,
    realm: RealmParameters | None,
) -> list[PlatformType]:
    """Where to search."""
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
        return without
    return fitting


def fitting_platforms(
    digest: bytes, platforms: Collection[PlatformType]
) -> list[PlatformType]:  # fmt: skip
    """Those of `platforms` that have digests of this size."""
    return [platform for platform in platforms if len(digest) in _sizes(platform)]


def _sizes(platform: PlatformType) -> set[int]:
    """Bytes of the digests of `platform`; none where it is not measured."""
    technology = technologies().get(platform)
    algorithms = () if technology is None else technology.algorithms
    return {hashlib.new(algorithm).digest_size for algorithm in algorithms}


class _Search:
    """The digest that is searched for, and what was found so far."""

    def __init__(
        self,
        digest: bytes,
        vcpus: frozenset[int],
        realm: RealmParameters | None,
        contents: ContentCache,
    ) -> None:
        self.digest = digest
        self.vcpus = vcpus
        self.contents = contents
        self.matches: list[Match] = []
        self.tried = 0
        self._realm = realm

    def compare(
        self, variation: Variation, tails: list[Family], entries: list[list[bytes]]
    ) -> None:
        """Compare every digest that a variation can lead to."""
        platform = variation.plan.platform
        continuation = technology_of(platform).continuation
        if not variation.open or continuation is None:
            self.tried += 1
            made = measure_plan(variation.plan, realm=self._realm, contents=self.contents)
            if made.digest == self.digest:
                for way in variation.ways:
                    self._add(platform, way, way.deviations, host={})
            return
        state = continuation.start(variation.plan, self.contents)
        (bare,) = continuation.after(state, [])
        self.tried += 1
        if bare == self.digest:
            self._found(variation, None, 0)
        given = {way.firmware for way in variation.ways}
        for tail, prepared in zip(tails, entries, strict=True):
            if tail.firmware not in given:
                continue
            digests = continuation.after(state, prepared)
            next(digests)
            for count, digest in enumerate(digests, 1):
                if digest == self.digest and (tail.kind == "file" or count in self.vcpus):
                    self._found(variation, tail, count)
            self.tried += len(prepared)

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
                features = tail.features
                self._add(platform, way, words, host=host, vcpus=count, cpu=cpu, features=features)

    def _add(
        self,
        platform: PlatformType,
        way: Way,
        deviations: tuple[str, ...],
        *,
        host: dict[str, str],
        vcpus: int | None = None,
        cpu: int | None = None,
        features: int | None = None,
    ) -> None:
        match = Match(
            platform=platform,
            loader=way.loader,
            deviations=deviations,
            vcpus=vcpus,
            cpu=None if cpu is None else cpu_name(cpu),
            sev_features=features,
            hashes=way.hashes,
            host=dict(way.host) | host,
        )
        if match not in self.matches:
            self.matches.append(match)
