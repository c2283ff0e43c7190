"""Builder: headers and their data go in, in any order of the sections, and a file comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from igvm.checks.strict_reading import parse
from igvm.errors import ValidationError
from igvm.file.argument_kinds import require_file
from igvm.file.header_extents import page_bytes
from igvm.file.platforms import Platform, Platforms
from igvm.file.view import HeaderView
from igvm.spec.context import NativeContextX64
from igvm.spec.directive import PageData, ParameterArea
from igvm.spec.enums import (
    OPTIONAL_BIT,
    PAGE_SIZE_4K,
    Architecture,
    PageDataFlags,
    PageDataType,
    Section,
)
from igvm.spec.isolation import ISOLATIONS
from igvm.spec.platform import SupportedPlatform
from igvm.spec.registry import type_of
from igvm.storage.join import join
from igvm.write.header_methods import HeaderMethods
from igvm.write.page_headers import page_columns, page_run, within_memory
from igvm.write.pending_headers import (
    PendingColumns,
    PendingHeader,
    assemble,
    flat,
    offset_field,
    raw_header,
    stored,
    with_size,
)
from igvm.write.writer import check_fixed, write

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from igvm.file.context import Context
    from igvm.file.view import IgvmFile
    from igvm.spec.registry import HeaderRecord
    from igvm.write.header_methods import OnPlatforms
    from igvm.write.pending_headers import Data


class Builder(HeaderMethods):
    """Makes a file.

    ```python
    builder = igvm.Builder()
    snp = builder.platform("snp", shared_gpa_boundary=1 << 46)
    builder.policy(igvm.SNPPolicy.of(abi_minor=0x1F, smt=1), snp)
    builder.pages(0xFFE00000, firmware, snp)
    builder.context(igvm.SEVVMSA(rip=0xFFF0), snp, gpa=0xFFFFFFFFF000)
    builder.save("guest.igvm")
    ```

    Headers go to their section by their type and keep the order of the calls within it. Values
    must fit their fields; whether they make sense is asked with `strict` at the end. Data is
    referred to and not copied: leave it as it is until the file is written. Equal blobs are
    stored once.
    """

    def __init__(
        self,
        *,
        revision: int | None = None,
        architecture: Architecture = Architecture.X64,
        page_size: int = PAGE_SIZE_4K,
    ) -> None:
        """Start an empty file.

        Args:
            revision: the format version. None chooses 2 where something needs it (AArch64,
                another page size, a NATIVE, SEV, SEV_ES or CCA platform, a native context) and
                1, which every loader takes, where nothing does.
            architecture: the processor the file is for.
            page_size: bytes of a page; loaders take 4096 only.

        Raises:
            ValidationError: the version cannot have that architecture or page size.
        """
        self._needs_2 = architecture != Architecture.X64 or page_size != PAGE_SIZE_4K
        self._revision = revision
        self.architecture = architecture
        self.page_size = page_size
        self._pending: dict[int, list[PendingHeader | PendingColumns]] = {
            section: [] for section in range(3)
        }
        self._platforms: list[Platform] = []
        self.areas = set()
        check_fixed(self.revision, architecture, page_size)

    @classmethod
    def of(cls, file: IgvmFile, headers: HeaderView | NDArray[np.intp] | None = None) -> Self:
        """A builder that holds what `file` holds, to be added to.

        Args:
            file: an open file, which must stay open until the new one is written.
            headers: those to take: a view of some (`file.filter(platform)`), or their positions
                in the file; all by default. Unknown and optional ones are taken as they are.

        Raises:
            ValidationError: the data of a header is not in the file.
        """
        from igvm.write.editable_headers import EditableHeaders

        require_file(file)
        index = headers.index if isinstance(headers, HeaderView) else headers
        taken = EditableHeaders(file, index)
        self = cls(revision=file.revision, architecture=file.architecture, page_size=file.page_size)
        for section, columns in enumerate(taken.by_section()):
            self._pending[section].append(columns)
        for row in taken.rows(SupportedPlatform).tolist():
            self._note(file.header(int(taken.index[row])).record)
        areas = taken.column(ParameterArea, "parameter_area_index", taken.rows(ParameterArea))
        self.areas.update(areas.tolist())
        return self

    @property
    def platforms(self) -> Platforms:
        """The platforms so far, in order; also by type or name."""
        return Platforms(self._platforms)

    @property
    def revision(self) -> int:
        """The format version that the file gets."""
        return self._revision if self._revision is not None else 1 + self._needs_2

    # Headers, one at a time.

    def add(
        self, record: HeaderRecord, *, data: Data | Context | None = None, optional: bool = False
    ) -> Self:
        """Add one header of any type.

        Args:
            record: the header. Its file_offset must be 0: the writer fills it in.
            data: what the header refers to. A page is padded with zeroes to its size, the first
                contents of a parameter area to number_of_bytes, a VMSA, a native and a CCA
                context to 4096 bytes. Empty data is none, and the file_offset stays 0, except
                that CoRIM headers always have an offset.
            optional: set the bit by which a loader may skip a header that it does not know.

        Raises:
            FormatError: a value does not fit its field.
            ValidationError: there is data where none can be, too much or none where some must be.
        """
        kind = type_of(record)
        kinds = {platform.mask: platform.type for platform in self._platforms}
        blob = stored(record, data, self.page_size, self.architecture, kinds)
        self._needs_2 |= isinstance(data, NativeContextX64)
        record = with_size(record, blob)
        raw = raw_header(kind | OPTIONAL_BIT if optional else kind, record.pack())
        at = offset_field(type(record)) if blob is not None else 0
        section = Section.DIRECTIVE if kind.section == Section.UNKNOWN else kind.section
        self._pending[section].append(PendingHeader(raw, at, blob))
        self._note(record)
        return self

    # Pages.

    def pages(
        self,
        gpa: int,
        data: Data,
        platform: OnPlatforms,
        *,
        flags: PageDataFlags = PageDataFlags(0),  # noqa: B008 - immutable
        data_type: PageDataType = PageDataType.NORMAL,
        elide_zero: bool = False,
    ) -> Self:
        """Load `data` to `gpa`, a header a page.

        Args:
            gpa: address of the first byte.
            data: any number of bytes; the last page is padded with zeroes.
            platform: a platform of this builder, its type or its name; or several.
            flags: of every page. With IS_2MB_PAGE a page has 2 MiB, else `page_size` bytes.
            data_type: of every page.
            elide_zero: store no data for pages of zeroes: they mean the same and measure the
                same. By default they are stored, as the reference does.

        Raises:
            FormatError: a value does not fit its field.
            ValidationError: the pages end past the 64 bit address space.
        """
        step = page_bytes(int(flags), self.page_size)
        mask = self.mask_of(platform)
        first = PageData(gpa=gpa, compatibility_mask=mask, flags=flags, data_type=data_type)
        run = page_run(first, flat(data, "PAGE_DATA"), step, elide_zero=elide_zero)
        self._pending[Section.DIRECTIVE] += run
        return self

    def empty_pages(
        self,
        gpa: int,
        count: int,
        platform: OnPlatforms,
        *,
        flags: PageDataFlags = PageDataFlags(0),  # noqa: B008 - immutable
        data_type: PageDataType = PageDataType.NORMAL,
    ) -> Self:
        """Load `count` pages without data, which is zeroes, from `gpa` up; otherwise as `pages`."""
        import numpy as np

        step = page_bytes(int(flags), self.page_size)
        mask = self.mask_of(platform)
        first = PageData(gpa=gpa, compatibility_mask=mask, flags=flags, data_type=data_type)
        first.pack()  # names a value that does not fit
        within_memory(gpa, count, step)
        gpas = np.arange(count, dtype=np.uint64) * np.uint64(step) + np.uint64(gpa)
        return self.page_columns(
            gpas, None, compatibility_mask=mask, flags=flags, data_type=data_type
        )

    def page_columns(
        self,
        gpa: ArrayLike,
        data: NDArray[np.uint8] | None,
        platform: OnPlatforms | None = None,
        *,
        compatibility_mask: ArrayLike | None = None,
        flags: ArrayLike = 0,
        data_type: ArrayLike = PageDataType.NORMAL,
        source: ArrayLike | None = None,
    ) -> Self:
        """Add pages from columns: a header for each element of `gpa`.

        Args:
            gpa: addresses, shape (n,).
            data: contents, shape (rows, page_size), or (rows, 2 MiB) where `flags` has
                IS_2MB_PAGE throughout; None for pages without data.
            platform: one or several for all pages, as for `pages`.
            compatibility_mask: in place of `platform` the mask bits, one for all or shape (n,).
            flags: PageDataFlags, one for all or shape (n,).
            data_type: PageDataType, one for all or shape (n,).
            source: the row of `data` that each header refers to, shape (n,), -1 for none. By
                default header i refers to row i, and there are n rows.

        Raises:
            ValidationError: a value does not fit its field, a shape is not as said, or there is
                not exactly one of `platform` and `compatibility_mask`.
        """
        if (platform is None) == (compatibility_mask is None):
            message = "pages need either platform or compatibility_mask"
            raise ValidationError(message, header="PAGE_DATA", field="compatibility_mask")
        if platform is not None:
            compatibility_mask = self.mask_of(platform)
        columns = page_columns(
            gpa,
            data,
            source,
            page_size=self.page_size,
            compatibility_mask=compatibility_mask,
            flags=flags,
            data_type=data_type,
        )
        self._pending[Section.DIRECTIVE].append(columns)
        return self

    # The result.

    def parts(self) -> list[bytes | memoryview]:
        """The file in pieces to be written one after the other; large data is not copied.

        Raises:
            ValidationError: a size does not fit 32 bits, or the version cannot have what is there.
        """
        section, references = assemble(
            headers for section in self._pending.values() for headers in section
        )
        return write(
            section,
            references,
            revision=self.revision,
            architecture=self.architecture,
            page_size=self.page_size,
        )

    def to_bytes(self, *, strict: bool = False) -> bytes:
        """The file.

        Raises:
            ValidationError: as for `parts`; with `strict`, the first error of `igvm.check`.
        """
        result = join(self.parts())
        if strict:
            parse(result, strict=True)
        return result

    def build(self, *, strict: bool = False) -> IgvmFile:
        """A view of the file, as `igvm.parse(builder.to_bytes(), strict=strict)`."""
        return parse(join(self.parts()), strict=strict)

    def save(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, strict: bool = False
    ) -> None:
        """Write the file to `path`, whole or not at all.

        Raises:
            SaveError: `path` exists and `overwrite` is not set, or the disk refused.
            ValidationError: as for `to_bytes`; nothing is written then.
        """
        from igvm.storage.save import save

        save(path, [self.to_bytes(strict=True)] if strict else self.parts(), overwrite=overwrite)

    # How data is stored.

    def _note(self, record: HeaderRecord) -> None:
        """Remember what later headers and the version depend on."""
        if isinstance(record, SupportedPlatform):
            self._platforms.append(
                Platform(
                    type=record.platform_type,
                    mask=record.compatibility_mask,
                    version=record.platform_version,
                    highest_vtl=record.highest_vtl,
                    shared_gpa_boundary=record.shared_gpa_boundary,
                )
            )
            isolation = ISOLATIONS.get(record.platform_type)
            self._needs_2 |= isolation is not None and isolation.revision > 1
        elif isinstance(record, ParameterArea):
            self.areas.add(record.parameter_area_index)
