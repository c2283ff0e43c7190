"""`igvm.endorsed_digests`: which loaders lead to the digests that ID blocks of a file vouch for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from igvm.errors import LoadError, MeasurementError, ValidationError
from igvm.file.argument_kinds import require_file
from igvm.launch.kvm.vmsa_axes import CONTEXTS_AXIS, NOBODY, VMM_AXIS
from igvm.launch.loader_table import loader_names, loader_of
from igvm.launch.plan import PAGE
from igvm.launch.processors import cpu_name, processor_words
from igvm.launch.request import PlanRequest
from igvm.measurement.measure import measure_plan
from igvm.measurement.page_cache import ContentCache, parted
from igvm.measurement.search.file_contexts import MOST_VCPUS
from igvm.measurement.search.find import Match
from igvm.measurement.search.variations import Way
from igvm.measurement.search.vmsa_families import Families
from igvm.measurement.search.vmsa_family import Family, family_words
from igvm.measurement.technology_table import technologies, technology_of
from igvm.spec.directive import SNPIDBlock, VBSMeasurement, VPContext
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from igvm.file.view import IgvmFile
    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.launch.loader import Loader
    from igvm.launch.plan import LaunchPlan

MOST_ENDORSEMENTS = 32
"""Endorsements of a file that are compared: a platform has one."""
USUAL_VCPUS = 64
"""How many vCPUs are thought of at least, where no number is given."""

_MOST_PAGES = 1 << 16
"""Pages beyond those that the file has room for, up to which a launch is measured to compare."""
_MOST_VARIED = 256
"""The largest number of vCPUs for which every SEV_FEATURES is tried."""
_MOST_WORK = 250_000
"""What all families of VMSAs may cost together, in digests of a chain."""


class EndorsedDigest(msgspec.Struct, frozen=True, kw_only=True):
    """A digest that the file vouches for, held against what each loader and tool measures."""

    header_index: int
    """Position in the file of the SNP_ID_BLOCK or VBS_MEASUREMENT."""
    header_type: str
    platform: PlatformType
    digest: bytes
    matches: list[Match]
    """What leads to it: for each loader the simplest ways, with the values of its axes."""
    others: list[str]
    """Loaders and tools that lead to other digests, whatever value was tried."""
    refused: dict[str, str]
    """Loaders that refuse the file, and why."""
    not_compared: dict[str, str]
    """Loaders whose digest was not computed, and why."""
    tried: list[str]
    """What was varied of loaders that measure more than the file says, in words: how many vCPUs,
    processors, values of SEV_FEATURES. Empty where nothing is."""

    @property
    def title(self) -> str:
        """What users call it."""
        return _TITLES[self.header_type]

    @property
    def is_foreign(self) -> bool:
        """Whether it is the digest of something else: nothing that was asked leads to it."""
        return bool(self.others) and not self.matches and not self.not_compared

    @property
    def loaders(self) -> list[str]:
        """The loaders and tools that lead to it, each once."""
        return list(dict.fromkeys(match.loader for match in self.matches))


class _Endorsement(NamedTuple):
    header_index: int
    header_type: str
    platform: PlatformType
    digest: bytes


_TITLES = {"SNP_ID_BLOCK": "ID block", "VBS_MEASUREMENT": "VBS measurement"}
_DIGEST_SIZE = {"SNP_ID_BLOCK": 48, "VBS_MEASUREMENT": 32}


def endorsed_digests(
    file: IgvmFile,
    *,
    platforms: Collection[PlatformType] | None = None,
    loaders: Collection[str] | None = None,
    vcpus: Collection[int] | None = None,
    cpu: str | int | None = None,
    sev_features: int | None = None,
    hashes: KernelHashes | None = None,
    every_feature: bool = True,
    most_pages: int | None = None,
    contents: ContentCache | None = None,
) -> list[EndorsedDigest]:
    """Hold each SNP_ID_BLOCK and VBS_MEASUREMENT against what loaders and tools measure.

    The secure processor compares `ld` of an ID block with the launch digest and refuses a launch
    that has another (SEV-SNP firmware ABI, SNP_LAUNCH_FINISH). The pages of a loader are taken as
    it loads them: no host mends those. Of loaders that measure a VMSA for each vCPU are tried
    1 to 64 vCPUs, or as many as the file has contexts, every processor that is known and, where
    nothing else fits, the SEV_FEATURES that hosts turn on: the likeliest first, up to 250,000
    digests. The first 32 endorsements are compared.

    Args:
        file: an open file.
        platforms: where to look; None for all.
        loaders: who is asked; None for every loader and tool.
        vcpus: numbers of vCPUs to try, where they are known.
        cpu: the processor, where it is known.
        sev_features: SEV_FEATURES, where they are known.
        hashes: of a kernel that may have been given to the loader.
        every_feature: whether other SEV_FEATURES than those of the file are tried too.
        most_pages: a launch that measures more is not compared; None for 65,536 pages more than
            the file has room for.
        contents: digests of pages of the file that are known already.

    Returns:
        One for each endorsement that is for a platform which it can vouch for, in file order.

    Raises:
        ValidationError: there is no such loader or processor, or more than 1,024 vCPUs.
    """
    require_file(file)
    most = max(vcpus, default=0) if vcpus is not None else 0
    if most > MOST_VCPUS:
        raise ValidationError(f"digests of at most {MOST_VCPUS} vCPUs are compared, not {most}")
    chosen = [loader_of(name) for name in (loader_names() if loaders is None else loaders)]
    contents = contents or ContentCache(file)
    found: list[EndorsedDigest] = []
    for platform in file.platform_masks if platforms is None else platforms:
        endorsements = list(_endorsements(file, platform))
        if endorsements:
            comparison = _Comparison(file, platform, endorsements, contents, most_pages)
            comparison.measure(chosen, hashes)
            comparison.vary(vcpus, cpu, sev_features, every_feature=every_feature)
            found += comparison.results()
    return sorted(found, key=lambda endorsed: endorsed.header_index)


def has_endorsements(file: IgvmFile) -> bool:
    """Whether something in `file` vouches for a digest."""
    return any(
        next(_endorsements(file, platform), None) is not None for platform in file.platform_masks
    )


def _endorsements(file: IgvmFile, platform: PlatformType) -> Iterator[_Endorsement]:
    """What vouches for a digest of `platform`; the first 32."""
    import numpy as np

    mask = np.uint32(file.platform_masks.get(platform, 0))
    record: type[SNPIDBlock | VBSMeasurement]
    if platform == PlatformType.SEV_SNP:
        record, field = SNPIDBlock, "ld"
    elif platform == PlatformType.VSM_ISOLATION:
        record, field = VBSMeasurement, "boot_measurement_digest"
    else:
        return
    table = file.table(record)
    is_for_it = table.column("compatibility_mask") & mask != 0
    for index in table.index[is_for_it][:MOST_ENDORSEMENTS].tolist():
        header = file.header(index)
        whole = bytes(getattr(header.record, field))
        # A digest that has more bytes than the technology's is none, and is compared whole.
        size = _DIGEST_SIZE[header.name]
        digest = whole if any(whole[size:]) else whole[:size]
        yield _Endorsement(index, header.name, platform, digest)


class _Candidate(NamedTuple):
    """A loader that has KVM build VMSAs, and the pages before them."""

    loader: Loader
    body: LaunchPlan
    hashes: bool


class _Comparison:
    """The endorsements of one platform, and what was found to lead to their digests."""

    def __init__(
        self,
        file: IgvmFile,
        platform: PlatformType,
        endorsements: list[_Endorsement],
        contents: ContentCache,
        most_pages: int | None,
    ) -> None:
        self._file, self._platform, self._contents = file, platform, contents
        if most_pages is None:
            most_pages = _MOST_PAGES + len(file.buffer) // PAGE
        self._most_pages = most_pages
        self._endorsements = endorsements
        self._ways: dict[bytes, list[Match]] = {each.digest: [] for each in endorsements}
        self._asked: list[str] = []
        self._refused: dict[str, str] = {}
        self._not_compared: dict[str, str] = {}
        self._candidates: list[_Candidate] = []
        self._tried: list[str] = []
        self._is_cut = False
        """Whether families of VMSAs were left out, for want of work."""

    def measure(self, loaders: Iterable[Loader], hashes: KernelHashes | None) -> None:
        """Compare the digests of loaders that depend on the file alone; keep the others."""
        contexts = self._file.table(VPContext)
        last = int(contexts[VPContext.vp_index].max()) + 1 if len(contexts) else 1
        for loader in loaders:
            if self._platform not in loader.measures or self._platform not in technologies():
                continue
            if loader.takes_firmware:  # which never sees the endorsements of a file
                continue
            self._asked.append(loader.name)
            for given in (None, hashes) if hashes and loader.takes_hashes else (None,):
                request = PlanRequest(hashes=given)
                if loader.vmm is not None:
                    request = PlanRequest(vcpus=last, cpu=0, hashes=given)
                try:
                    self._compare(loader, request)
                except MeasurementError as error:
                    self._not_compared.setdefault(loader.name, error.message)
                except (LoadError, ValidationError) as error:
                    self._refused.setdefault(loader.name, error.message)

    def _compare(self, loader: Loader, request: PlanRequest) -> None:
        """Compare the digest of one loader, or keep the pages that its VMSAs follow.

        Raises:
            LoadError: the loader refuses the file.
            MeasurementError: the file cannot be measured.
        """
        mask = self._file.platform_masks[self._platform]
        plan = loader.plan(self._file, self._platform, mask, request).require_loadable()
        pages = plan.measured_pages
        if pages > self._most_pages:
            self._not_compared[loader.name] = f"it has {pages:,} measured pages"
            return
        has_hashes = request.hashes is not None
        if loader.vmm is not None and technology_of(self._platform).continuation is not None:
            body, _ = parted(plan.measured_part())
            self._candidates.append(_Candidate(loader, body, has_hashes))
            return
        digest = measure_plan(plan, contents=self._contents).digest
        if digest in self._ways:
            self._add(digest, Match(platform=self._platform, loader=loader.name, hashes=has_hashes))

    def vary(
        self,
        vcpus: Collection[int] | None,
        cpu: str | int | None,
        sev_features: int | None,
        *,
        every_feature: bool,
    ) -> None:
        """Try the VMSAs that KVM may build: as the file says first, then with other features."""
        if not self._candidates:
            return
        own = self._own_vcpus()
        most = max(vcpus) if vcpus else min(max(USUAL_VCPUS, own), MOST_VCPUS)
        wanted = frozenset(vcpus or range(1, most + 1))
        tails = self._families(most, cpu, sev_features, is_as_in_file=sev_features is None)
        self._search(tails, wanted, own)
        least = most
        # What the host's kernel turns on is asked where nothing else explains a digest.
        if sev_features is None and every_feature and not all(self._ways.values()):
            least = most if vcpus and most <= _MOST_VARIED else min(most, USUAL_VCPUS)
            others = self._families(least, cpu, None, is_as_in_file=False)
            others = [tail for tail in others if tail.features is not None]
            self._search(others, wanted, own)
            tails += others
        self._tried = _words(tails, wanted, cpu, sev_features, least)
        if self._is_cut:
            self._tried[-1] += " in their likeliest combinations"

    def _families(
        self, most: int, cpu: str | int | None, sev_features: int | None, *, is_as_in_file: bool
    ) -> list[Family]:
        """The VMSAs that KVM may build for any of the candidates."""
        tails = Families(
            self._file, self._platform, most=most, cpu=cpu, sev_features=sev_features,
            as_in_file=is_as_in_file,
            vmms={each.loader.vmm.name for each in self._candidates if each.loader.vmm is not None},
        )  # fmt: skip
        found, work = [], 0
        for tail in tails:
            work += tail.cost
            if work > _MOST_WORK:
                self._is_cut = True
                break
            found.append(tail)
        return found

    def _own_vcpus(self) -> int:
        """How many vCPUs there are up to the last that has a context for the platform."""
        import numpy as np

        table = self._file.table(VPContext)
        mask = np.uint32(self._file.platform_masks[self._platform])
        is_for_it = table.column("compatibility_mask") & mask != 0
        indices = table[VPContext.vp_index][is_for_it]
        return int(indices.max()) + 1 if len(indices) else 0

    def _search(self, tails: list[Family], wanted: frozenset[int], own: int) -> None:
        """Compare the digests of all candidates with each of `tails` after their pages."""
        continuation = technology_of(self._platform).continuation
        assert continuation is not None
        for candidate in self._candidates:
            vmm = candidate.loader.vmm
            assert vmm is not None
            try:
                state = continuation.start(candidate.body, self._contents)
            except MeasurementError as error:
                self._not_compared.setdefault(candidate.loader.name, error.message)
                continue
            # It ends at a context for a vCPU that there is not, unless it passes such over.
            fewest = own if vmm.dropped is not None else 1
            if fewest > MOST_VCPUS:
                reason = f"it has {fewest:,} vCPUs, more than are tried"
                self._not_compared[candidate.loader.name] = reason
                continue
            for tail in tails:
                if vmm.name not in tail.vmms:
                    continue
                entries = [continuation.entry(page, gpa) for page, gpa in tail.pages]
                digests = continuation.after(state, entries)
                next(digests)
                for count, digest in enumerate(digests, 1):
                    if digest in self._ways and count in wanted and count >= fewest:
                        self._add(digest, self._match(candidate, tail, count))

    def _match(self, candidate: _Candidate, tail: Family, count: int) -> Match:
        """The first `count` VMSAs of `tail` after the pages of a loader."""
        name = candidate.loader.name
        way = Way(name, hashes=candidate.hashes, rebuilt=True)
        cpu = tail.cpu if count > tail.own else None
        return Match(
            platform=self._platform,
            loader=name,
            deviations=tuple(family_words(way, tail, count)),
            vcpus=count,
            cpu=None if cpu is None else cpu_name(cpu),
            processor="" if cpu is None else processor_words(cpu),
            sev_features=tail.features,
            hashes=candidate.hashes,
            host=tail.host(way, count),
        )

    def _add(self, digest: bytes, match: Match) -> None:
        """Take note of a way to a digest, unless another VMM's or no VMSA is meant."""
        is_others = VMM_AXIS.name in match.host or match.host.get(CONTEXTS_AXIS.name) == NOBODY
        if not is_others and match not in self._ways[digest]:
            self._ways[digest].append(match)

    def results(self) -> Iterator[EndorsedDigest]:
        """What was found, for each endorsement."""
        for endorsement in self._endorsements:
            ways = self._ways[endorsement.digest]
            fewest: dict[str, int] = {}
            for match in ways:
                count = len(match.deviations)
                fewest[match.loader] = min(count, fewest.get(match.loader, count))
            matches = [match for match in ways if len(match.deviations) == fewest[match.loader]]
            matches.sort(key=lambda match: self._asked.index(match.loader))
            yield EndorsedDigest(
                header_index=endorsement.header_index,
                header_type=endorsement.header_type,
                platform=self._platform,
                digest=endorsement.digest,
                matches=matches,
                others=[
                    name
                    for name in self._asked
                    if name not in fewest
                    and name not in self._refused
                    and name not in self._not_compared
                ],
                refused={n: why for n, why in self._refused.items() if n not in fewest},
                not_compared=self._not_compared,
                tried=self._tried,
            )


def _words(
    tails: list[Family],
    vcpus: frozenset[int],
    cpu: str | int | None,
    sev_features: int | None,
    most_varied: int,
) -> list[str]:
    """What was varied, in words; SEV_FEATURES of up to `most_varied` vCPUs."""
    low, high = min(vcpus), max(vcpus)
    if len(vcpus) == high - low + 1 > 1:
        counts = f"{low} to {high} vCPUs"
    else:
        counts = f"{', '.join(map(str, sorted(vcpus)))} vCPU{'s' if vcpus != {1} else ''}"
    words = [counts]
    processors = {tail.cpu for tail in tails if tail.cpu is not None}
    if cpu is not None:
        words.append(f"processor {cpu}")
    elif processors:
        words.append(f"{len(processors)} CPU signatures")
    features = {tail.features for tail in tails}
    if sev_features is not None:
        words.append(f"SEV_FEATURES {sev_features:#x}")
    elif len(features) > 1:
        upto = f" with up to {most_varied} vCPUs" if most_varied < high else ""
        words.append(f"{len(features)} values of SEV_FEATURES{upto}")
    else:
        words.append("the SEV_FEATURES of the file")
    return words


def values_text(match: Match) -> str:
    """What a loader needs to be told to lead to a digest; empty where it is told nothing."""
    words = []
    if match.vcpus is not None:
        words.append(f"{match.vcpus} vCPU{'s' if match.vcpus != 1 else ''}")
    if match.cpu is not None:
        words.append(f"processor {match.cpu}")
    if match.sev_features is not None:
        words.append(f"SEV_FEATURES {match.sev_features:#x}")
    if match.hashes:
        words.append("the hashes of the kernel")
    return ", ".join([*words, *match.deviations])


def matches_text(matches: Iterable[Match]) -> str:
    """Who leads to a digest, each loader once, with the first of its values."""
    by_loader: dict[str, Match] = {}
    for match in matches:
        by_loader.setdefault(match.loader, match)
    names = [
        f"{name} ({values})" if (values := values_text(match)) else name
        for name, match in by_loader.items()
    ]
    return ", ".join(names)
