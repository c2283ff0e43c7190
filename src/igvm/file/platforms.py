"""The platforms that a file is for, as objects: found by type, by name or by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, overload

import msgspec

from igvm.errors import MissingItemError, ValidationError
from igvm.spec.enums import PlatformType
from igvm.spec.isolation import platform_type_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.file.header import Header
    from igvm.spec.platform import SupportedPlatform

    PlatformHeader = Header[SupportedPlatform]
else:
    PlatformHeader = object  # loaded by those who have one


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """One isolation technology that a file is for (IGVM_VHS_SUPPORTED_PLATFORM).

    A second header for the same type, which the specification forbids, adds its bits to the mask.
    """

    type: PlatformType
    mask: int
    """The bits that stand for it in the compatibility_mask of other headers."""
    version: int = 1
    highest_vtl: int = 0
    shared_gpa_boundary: int = 0
    """Memory from this gpa up is host visible; 0 where that is not used."""
    header: PlatformHeader | None = None
    """The header that says so; None in a Builder."""

    @property
    def name(self) -> str:
        """The specification's name: `SEV_SNP`."""
        return self.type.name

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        words = [self.name, f"mask {self.mask:#x}"]
        if self.version != 1:
            words.append(f"version {self.version}")
        if self.highest_vtl:
            words.append(f"highest_vtl {self.highest_vtl}")
        if self.shared_gpa_boundary:
            words.append(f"shared_gpa_boundary {self.shared_gpa_boundary:#x}")
        return f"<Platform {', '.join(words)}>"


PlatformLike = Platform | PlatformType | str
"""How a platform may be named: an object of the file, its type, or its name in any case."""


class Platforms(Sequence[Platform]):
    """The platforms of a file, in file order; also by type or name: `file.platforms["snp"]`."""

    def __init__(self, platforms: Iterable[Platform], path: str | None = None) -> None:
        self._platforms = tuple(platforms)
        self._path = path

    def __len__(self) -> int:
        return len(self._platforms)

    @overload
    def __getitem__(self, key: PlatformLike | int) -> Platform: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Platform, ...]: ...
    def __getitem__(self, key: PlatformLike | int | slice) -> Platform | tuple[Platform, ...]:
        """The platform of a type or name, or at a position.

        Raises:
            ValidationError: there is no such name, or the file is not for that platform.
            MissingItemError: there are not so many.
        """
        if isinstance(key, slice) or (isinstance(key, int) and not isinstance(key, PlatformType)):
            try:
                return self._platforms[key]
            except IndexError:
                message = f"there is no platform {key}: the file has {len(self._platforms)}"
                raise MissingItemError(message, path=self._path) from None
        return self.find(key)

    def find(self, platform: PlatformLike) -> Platform:
        """The platform that is meant by `platform`.

        Raises:
            ValidationError: it is an integer that may be a type or a mask, there is no such name,
                or the file is not for that platform.
        """
        wanted = platform_type(platform)
        of_type = [known for known in self._platforms if known.type == wanted]
        if not of_type:
            names = ", ".join(map(str, self._platforms)) or "no platform"
            message = f"the file is for {names}, not for {wanted.name}"
            raise ValidationError(message, path=self._path)
        if not isinstance(platform, Platform):
            return of_type[0]
        for known in of_type:
            if known.mask == platform.mask:
                return known
        message = f"{platform!r} is not of this file, which has {of_type[0]!r}"
        raise ValidationError(message, path=self._path)

    def __contains__(self, platform: object) -> bool:
        """Whether the file is for a platform, its type or its name."""
        if not isinstance(platform, (Platform, PlatformType, str)):
            return False
        wanted = platform_type(platform)
        return any(known.type == wanted for known in self._platforms)

    def __repr__(self) -> str:
        return f"<Platforms: {', '.join(map(repr, self._platforms)) or 'none'}>"


def platform_type(platform: PlatformLike) -> PlatformType:
    """The type that is meant by a platform, a type or a name.

    Raises:
        ValidationError: it is none of these, such as an integer, or there is no such name.
    """
    given: object = platform  # whatever the annotation says
    if isinstance(given, PlatformType):
        return given
    if isinstance(given, Platform):
        return given.type
    if isinstance(given, str):
        return platform_type_of(given)
    return _refuse(given)


def _refuse(platform: object) -> NoReturn:
    """Say what a platform may be."""
    kind = type(platform).__name__
    message = f"a platform is a Platform, a PlatformType or a name, not {platform!r} ({kind})"
    hint = None
    if isinstance(platform, int):
        hint = "a number may be a type or a mask: write igvm.PlatformType.SEV_SNP or 'snp'"
    raise ValidationError(message, hint=hint)
