"""Which file a report is about, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.report.names_and_numbers import file_name
from igvm.spec.directive import PageData

if TYPE_CHECKING:
    from igvm.file.view import IgvmFile


class FileModel(msgspec.Struct, frozen=True, kw_only=True):
    """The file itself."""

    name: str | None
    """As it was given; null for bytes that have no name."""
    size: int
    """Bytes."""

    @classmethod
    def of(cls, file: IgvmFile) -> FileModel:
        """The name and the size of `file`."""
        return cls(name=file_name(file.path), size=len(file.buffer))

    @classmethod
    def of_firmware(cls, file: IgvmFile) -> FileModel:
        """The name and the size of the firmware that `file` stands for."""
        return cls(name=file_name(file.path), size=len(file.table(PageData)) * 4096)
