"""The summary of a file as plain values: what `igvm info` shows."""

from __future__ import annotations

from typing import Literal

import msgspec

from igvm.measurement.endorsed_digests import EndorsedDigest  # noqa: TC001 - msgspec reads it
from igvm.report.check_results import Result  # noqa: TC001 - msgspec reads annotations
from igvm.report.file_model import FileModel  # noqa: TC001 - msgspec reads annotations
from igvm.report.launch_summary import LaunchDigest, LoaderVerdict  # noqa: TC001 - as above
from igvm.report.registers import Registers  # noqa: TC001 - msgspec reads annotations


class Checksum(msgspec.Struct, frozen=True, kw_only=True):
    """The CRC-32 of the headers."""

    stored: int
    computed: int

    @property
    def ok(self) -> bool:
        """Whether the file holds the right one."""
        return self.stored == self.computed


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One GUEST_POLICY of a platform."""

    value: int
    fields: dict[str, int]
    """The named bits, on platforms where they are known."""


class CCAPolicyModel(msgspec.Struct, frozen=True, kw_only=True):
    """One CCA_POLICY of a platform."""

    attributes_required_zeroes: int
    attributes_required_ones: int
    hash_algorithm: str
    lfa_policy: str


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform loads and needs."""

    pages: int
    """PAGE_DATA headers; each is counted once as normal, zero, secrets, cpuid or other."""
    bytes: int
    """Bytes of guest memory that those pages take."""
    normal: int
    """Pages with contents."""
    zero: int
    """Normal pages without file data."""
    secrets: int
    cpuid: int
    """Pages of type CPUID_DATA or CPUID_XF."""
    other: int
    """Pages of a type that the specification does not know."""
    unmeasured: int
    """Pages with that flag, of any type."""
    shared: int
    large: int
    """Pages of 2 MiB."""
    lowest_gpa: int | None
    highest_gpa: int | None
    """The last byte that a page takes."""
    parameter_areas: int
    """Areas that are inserted."""
    parameter_bytes: int
    required_bytes: int
    """Bytes of all REQUIRED_MEMORY."""


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """A platform that the file is for."""

    platform_type: str
    compatibility_mask: int
    highest_vtl: int
    platform_version: int
    shared_gpa_boundary: int
    policies: list[Policy]
    cca_policies: list[CCAPolicyModel]
    policy_words: list[str]
    """What each policy says, in words: of GUEST_POLICY, CCA_POLICY and VBS_MEASUREMENT headers."""
    memory: Memory


class ContextModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A VP context; one for all VPs that share it."""

    platforms: list[str]
    vp_indexes: list[int]
    gpas: list[int]
    context: Registers | None = None
    start: str | None = None
    """In which mode of the processor it starts, and where: `in long mode at 0x100000`."""
    problem: str | None = None
    """Why the registers cannot be shown."""


class IDBlock(msgspec.Struct, frozen=True, kw_only=True):
    """An SNP_ID_BLOCK."""

    platforms: list[str]
    ld: str
    family_id: str
    image_id: str
    version: int
    guest_svn: int
    author_key_enabled: int


class VBSMeasurementModel(msgspec.Struct, frozen=True, kw_only=True):
    """A VBS_MEASUREMENT."""

    platforms: list[str]
    version: int
    product_id: int
    module_id: int
    security_version: int
    policy_flags: int
    boot_measurement_digest: str


class Corim(msgspec.Struct, frozen=True, kw_only=True):
    """A CORIM_DOCUMENT or CORIM_SIGNATURE."""

    kind: Literal["document", "signature"]
    platforms: list[str]
    size: int


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """A RELOCATABLE_REGION."""

    platforms: list[str]
    gpa: int
    size: int
    alignment: int
    minimum_gpa: int
    maximum_gpa: int


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """The summary of a file: what `igvm info --json` prints.

    Lists of platforms, contexts, ID blocks, measurements, CoRIM headers and regions hold the
    first 32; `headers` counts all.
    """

    schema: Literal["igvm.info/1"] = "igvm.info/1"
    file: FileModel
    revision: int
    architecture: str
    page_size: int
    checksum: Checksum
    version: str | None
    """The VERSION_STRING, if there is one."""
    platforms: list[Platform]
    headers: dict[str, int]
    """How many headers there are, by type, in the order of the types."""
    vp_contexts: list[ContextModel]
    id_blocks: list[IDBlock]
    vbs_measurements: list[VBSMeasurementModel]
    endorsed: list[EndorsedDigest]
    """The digests of ID blocks and VBS measurements, and which loaders lead to them; of launches
    of at most 4,096 measured pages, and without other SEV_FEATURES than the file's."""
    digests: list[LaunchDigest]
    """What the reference measures of each platform, in launches of at most 4,096 pages."""
    loaders: list[LoaderVerdict] | None
    """What the rules of each loader but those about digests say, of QEMU on a q35 with 4 GiB;
    null for a file of more than 32,768 headers, and where no rules were asked for."""
    corim: list[Corim]
    relocatable_regions: list[Region]
    results: list[Result]
    """What the specification, igvm 0.5 and igvm 0.4 say; errors and warnings, ten a rule."""
