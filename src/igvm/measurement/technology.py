"""What an isolation technology's launch measurement is: its names, its hash, its chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from igvm.launch.plan import exact_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.axes import Axis
    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.page_cache import ContentCache
    from igvm.measurement.realm import RealmParameters
    from igvm.spec.enums import PlatformType
    from igvm.spec.operations import Operation

    Rows = NDArray[np.void]
else:
    Axis = PlatformType = Mapping = Operation = Any  # loaded by those who have some


class Links(NamedTuple):
    """Links of a chain that are no pages: a Realm's creation, the registers of a context."""

    operation: str
    summary: str
    """What they are together."""
    links: int
    """How many there are."""
    notes: Iterable[str]
    """What each is."""
    header: int = -1
    """Position in the file of the header that they come from, or -1."""


def no_links(_plan: LaunchPlan, _realm: RealmParameters | None) -> Iterable[Links]:
    """Nothing before or after the rows of a plan."""
    return ()


def loaded_pages(_plan: LaunchPlan, rows: Rows) -> int:
    """A link for every page of measured rows."""
    return exact_sum(rows["loaded"])


class Continuation(NamedTuple):
    """How a measurement goes on with VMSAs, many sequences of which may follow the same pages."""

    start: Callable[[LaunchPlan, ContentCache | None], Any]
    """From pages to a state."""
    entry: Callable[[bytes, int], bytes]
    """What of a VMSA goes into the measurement, prepared once: its page, its gpa."""
    after: Callable[[Any, Iterable[bytes]], Iterator[bytes]]
    """The digests after no, one, two, ... entries."""


class Technology(msgspec.Struct, frozen=True, kw_only=True):
    """How one isolation technology measures a launch.

    What it covers is `measured` of the technology in `igvm.spec.isolation`: its functions get a
    plan that has the measured rows and no others.
    """

    platforms: tuple[PlatformType, ...]
    measurement: str
    """What the digest is called: launch digest, MRTD, boot digest, RIM."""
    algorithms: tuple[str, ...]
    """The hashes that it may use, by hashlib's names; the first where nothing chooses."""
    algorithm_of: Callable[[LaunchPlan], str] | None = None
    """Which of several it uses for a plan."""
    digest: Callable[[LaunchPlan, RealmParameters | None, ContentCache | None], bytes]
    """The launch measurement."""
    chain: Callable[[LaunchPlan, RealmParameters | None], Iterator[bytes]] | None = None
    """The running digest after each link, where it is a chain."""
    stream: Callable[[LaunchPlan], Iterator[bytes | memoryview]] | None = None
    """What is hashed, where it is one hash over all."""
    links_of: Callable[[LaunchPlan, Rows], int] = loaded_pages
    """How many links of the chain rows of one operation have."""
    links_before: Callable[[LaunchPlan, RealmParameters | None], Iterable[Links]] = no_links
    links_after: Callable[[LaunchPlan, RealmParameters | None], Iterable[Links]] = no_links
    assumptions: Callable[[LaunchPlan, RealmParameters | None], tuple[str, ...]] | None = None
    """What the digest depends on and nobody said, one sentence each."""
    parameters: tuple[str, ...] = ()
    """What it depends on and no loader knows, by name."""
    continuation: Continuation | None = None
    """Where VMSAs are measured, last as a rule."""
    cost: float
    """What a page costs, relative to one SHA-384 over it."""
    hashed: Mapping[Operation, int]
    """Bytes that it hashes for a page of each operation that it measures, small pieces counted as
    what they cost: a call of a hash is 2 KiB."""
    shares_digests: bool = False
    """Whether it hashes pages by themselves, so that those with the same data are hashed once; what
    `hashed` says of a page is without its data then."""
    leaves_page_digests: bool = False
    """Whether measuring leaves digests of pages that measuring another plan can use."""
    axes: tuple[Axis, ...] = ()
    """What hosts vary, from one plan to another."""

    def algorithm(self, plan: LaunchPlan) -> str:
        """The hash that it uses for `plan`, by hashlib's name.

        Raises:
            MeasurementError: the file asks for one that it does not have.
        """
        return self.algorithms[0] if self.algorithm_of is None else self.algorithm_of(plan)
