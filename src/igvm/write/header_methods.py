"""The headers that most files have, by name: what a Builder offers beside `add` and pages."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Self

from igvm.errors import ValidationError
from igvm.file.platforms import Platform, Platforms, platform_type
from igvm.spec.directive import (
    ErrorRange,
    Parameter,
    ParameterArea,
    ParameterInsert,
    RequiredMemory,
    VPContext,
)
from igvm.spec.enums import RequiredMemoryFlags
from igvm.spec.initialization import CorimDocument, CorimSignature, GuestPolicy
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.file.context import Context
    from igvm.file.platforms import PlatformLike
    from igvm.spec.enums import PlatformType
    from igvm.spec.registry import HeaderRecord
    from igvm.write.pending_headers import Data

    OnPlatforms = PlatformLike | Iterable[PlatformLike]
    """A platform of the builder, its type or its name; or several."""


class HeaderMethods(abc.ABC):
    """Methods that make a record and add it."""

    areas: set[int]
    """Indices of the parameter areas so far."""

    @property
    @abc.abstractmethod
    def platforms(self) -> Platforms:
        """The platforms so far, in order; also by type or name."""

    def mask_of(self, platform: OnPlatforms) -> int:
        """The bits of one or several platforms.

        Raises:
            ValidationError: one was not added, or it is an integer, which may be a type or a mask.
        """
        if isinstance(platform, (Platform, str, int)):
            return self.platforms.find(platform).mask
        mask = 0
        for each in platform:
            mask |= self.platforms.find(each).mask
        return mask

    @abc.abstractmethod
    def add(
        self, record: HeaderRecord, *, data: Data | Context | None = None, optional: bool = False
    ) -> Self:
        """Add one header of any type."""

    def platform(
        self,
        platform: PlatformType | str,
        *,
        compatibility_mask: int | None = None,
        highest_vtl: int = 0,
        shared_gpa_boundary: int = 0,
        platform_version: int = 1,
    ) -> Platform:
        """Add a platform, and return it.

        Args:
            platform: its type, or its name such as `snp`.
            compatibility_mask: the bit that stands for it; by default the lowest free one.
            highest_vtl: 0 or 2.
            shared_gpa_boundary: memory from this gpa up is host visible; 0 for none.
            platform_version: 1.

        Raises:
            ValidationError: all 32 bits are taken, or there is no platform of that name.
        """
        kind = platform_type(platform)
        mask = compatibility_mask
        if mask is None:
            taken = 0
            for other in self.platforms:
                taken |= other.mask
            mask = ~taken & taken + 1
            if mask >> 32:
                raise ValidationError(
                    "all 32 mask bits are taken",
                    header="SUPPORTED_PLATFORM",
                    field="compatibility_mask",
                )
        self.add(
            SupportedPlatform(
                compatibility_mask=mask,
                highest_vtl=highest_vtl,
                platform_type=kind,
                platform_version=platform_version,
                shared_gpa_boundary=shared_gpa_boundary,
            )
        )
        return self.platforms[-1]

    def policy(self, policy: int, platform: OnPlatforms) -> Self:
        """Add the policy word of a platform, such as an SNPPolicy or a TDXPolicy."""
        mask = self.mask_of(platform)
        return self.add(GuestPolicy(policy=int(policy), compatibility_mask=mask))

    def corim(
        self, document: Data, platform: OnPlatforms, *, signature: Data | None = None
    ) -> Self:
        """Add a CoRIM document for a platform, and the COSE_Sign1 over it."""
        mask = self.mask_of(platform)
        self.add(CorimDocument(compatibility_mask=mask, file_offset=0, size_bytes=0), data=document)
        if signature is not None:
            signed = CorimSignature(compatibility_mask=mask, file_offset=0, size_bytes=0)
            self.add(signed, data=signature)
        return self

    def context(
        self, context: Context, platform: OnPlatforms, *, vp_index: int = 0, gpa: int = 0
    ) -> Self:
        """Add the registers of a virtual processor.

        Args:
            context: a SEVVMSA, NativeContextX64, CCAContext or VBSContext, as the platform has it.
            platform: the platform; several where they have one format.
            vp_index: the virtual processor.
            gpa: where the VMSA lies on SEV_ES and SEV_SNP; 0 on other platforms.

        Raises:
            ValidationError: a VBSContext is for another architecture.
        """
        mask = self.mask_of(platform)
        header = VPContext(gpa=gpa, compatibility_mask=mask, file_offset=0, vp_index=vp_index)
        return self.add(header, data=context)

    def parameter_area(
        self, number_of_bytes: int, data: Data | None = None, *, index: int | None = None
    ) -> int:
        """Add a parameter area, and return its index: by default the lowest free number.

        `data` is what it holds at first, with zeroes after it.
        """
        if index is None:
            index = next(i for i in range(len(self.areas) + 1) if i not in self.areas)
        area = ParameterArea(number_of_bytes=number_of_bytes, parameter_area_index=index)
        self.add(area, data=data)
        return index

    def parameter(self, record: type[Parameter], area: int, byte_offset: int = 0) -> Self:
        """Have the loader write a parameter, such as `igvm.MemoryMap`, into an area."""
        return self.add(record(parameter_area_index=area, byte_offset=byte_offset))

    def insert(self, area: int, gpa: int, platform: OnPlatforms) -> Self:
        """Put a parameter area into the memory of a platform."""
        mask = self.mask_of(platform)
        return self.add(
            ParameterInsert(gpa=gpa, compatibility_mask=mask, parameter_area_index=area)
        )

    def required_memory(
        self,
        gpa: int,
        number_of_bytes: int,
        platform: OnPlatforms,
        *,
        flags: RequiredMemoryFlags = RequiredMemoryFlags(0),  # noqa: B008 - immutable
    ) -> Self:
        """Ask for memory without which the guest does not work."""
        mask = self.mask_of(platform)
        return self.add(
            RequiredMemory(
                gpa=gpa, compatibility_mask=mask, number_of_bytes=number_of_bytes, flags=flags
            )
        )

    def error_range(self, gpa: int, size_bytes: int, platform: OnPlatforms) -> Self:
        """Name memory, shared with the host, for the guest to report errors in."""
        mask = self.mask_of(platform)
        return self.add(ErrorRange(gpa=gpa, compatibility_mask=mask, size_bytes=size_bytes))
