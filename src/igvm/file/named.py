"""The headers that most files have, by name: what a Builder offers beside `add` and pages."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Self

from igvm.errors import ValidationError
from igvm.spec.directive import (
    ErrorRange,
    Parameter,
    ParameterArea,
    ParameterInsert,
    RequiredMemory,
    VPContext,
)
from igvm.spec.enums import PlatformType, RequiredMemoryFlags
from igvm.spec.initialization import CorimDocument, CorimSignature, GuestPolicy
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    from igvm.file.context import Context
    from igvm.file.pieces import Data
    from igvm.spec.registry import HeaderRecord


class NamedHeaders(abc.ABC):
    """Methods that make a record and add it."""

    platforms: dict[int, PlatformType]
    """The platforms so far, by the mask that stands for each."""
    areas: set[int]
    """Indices of the parameter areas so far."""

    @abc.abstractmethod
    def add(
        self, record: HeaderRecord, *, data: Data | Context | None = None, optional: bool = False
    ) -> Self:
        """Add one header of any type."""

    def platform(
        self,
        platform_type: PlatformType,
        *,
        compatibility_mask: int | None = None,
        highest_vtl: int = 0,
        shared_gpa_boundary: int = 0,
        platform_version: int = 1,
    ) -> int:
        """Add a platform, and return its mask: by default the lowest free bit.

        Raises:
            ValidationError: all 32 bits are taken.
        """
        mask = compatibility_mask
        if mask is None:
            taken = 0
            for other in self.platforms:
                taken |= other
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
                platform_type=platform_type,
                platform_version=platform_version,
                shared_gpa_boundary=shared_gpa_boundary,
            )
        )
        return mask

    def policy(self, policy: int, mask: int) -> Self:
        """Add the policy word of the platforms in `mask`, such as an SNPPolicy or a TDXPolicy."""
        return self.add(GuestPolicy(policy=int(policy), compatibility_mask=mask))

    def corim(self, document: Data, mask: int, *, signature: Data | None = None) -> Self:
        """Add a CoRIM document for the platforms in `mask`, and the COSE_Sign1 over it."""
        self.add(CorimDocument(compatibility_mask=mask, file_offset=0, size_bytes=0), data=document)
        if signature is not None:
            signed = CorimSignature(compatibility_mask=mask, file_offset=0, size_bytes=0)
            self.add(signed, data=signature)
        return self

    def context(self, context: Context, mask: int, *, vp_index: int = 0, gpa: int = 0) -> Self:
        """Add the registers of a virtual processor.

        Args:
            context: a SEVVMSA, NativeContextX64, CCAContext or VBSContext, as the platforms in
                `mask` have it.
            mask: the platforms.
            vp_index: the virtual processor.
            gpa: where the VMSA lies on SEV_ES and SEV_SNP; 0 on other platforms.

        Raises:
            ValidationError: a VBSContext is for another architecture.
        """
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

    def insert(self, area: int, gpa: int, mask: int) -> Self:
        """Put a parameter area into the memory of the platforms in `mask`."""
        return self.add(
            ParameterInsert(gpa=gpa, compatibility_mask=mask, parameter_area_index=area)
        )

    def required_memory(
        self,
        gpa: int,
        number_of_bytes: int,
        mask: int,
        *,
        flags: RequiredMemoryFlags = RequiredMemoryFlags(0),  # noqa: B008 - immutable
    ) -> Self:
        """Ask for memory without which the guest does not work."""
        return self.add(
            RequiredMemory(
                gpa=gpa, compatibility_mask=mask, number_of_bytes=number_of_bytes, flags=flags
            )
        )

    def error_range(self, gpa: int, size_bytes: int, mask: int) -> Self:
        """Name memory, shared with the host, for the guest to report errors in."""
        return self.add(ErrorRange(gpa=gpa, compatibility_mask=mask, size_bytes=size_bytes))
