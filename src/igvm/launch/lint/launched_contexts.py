"""The registers of the contexts that a platform starts with, as columns, and those to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from igvm.checks.inspection.record_fields import field_offset
from igvm.checks.rule import Lazy, Place
from igvm.spec.enums import HeaderType, PlatformType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.file.record_places import RecordPlaces
    from igvm.launch.lint.inspected_launch import InspectedLaunch
    from igvm.wire.record import Record


class LaunchedContexts(NamedTuple):
    """Contexts of one format, in file order; n of them."""

    header: NDArray[np.int32]
    """Position of each VP_CONTEXT in the file, shape (n,), int32."""
    vp_index: NDArray[np.uint16]
    """Shape (n,), uint16."""
    registers: RecordPlaces

    def column(self, field: str) -> NDArray[Any]:
        """One register of each, shape (n,)."""
        return self.registers[field]

    def broken(self, where: NDArray[np.bool_], field: str, text: str) -> Found:
        """The contexts at which `where` holds, with `field` to blame; {value} is its value."""
        import numpy as np

        chosen = np.flatnonzero(where)
        if not len(chosen):
            return
        column = self.registers[field]
        within = field_offset(self.registers.record, field)

        def place(number: int) -> Place:
            row = int(chosen[number])
            value = int(column[row]) if column.dtype.names is None else None
            return Place(
                text.format(value=None if value is None else f"{value:#x}"),
                int(self.header[row]),
                field=field,
                offset=int(self.registers.offsets[row]) + within,
                value=value,
            )

        yield Lazy(len(chosen), place)

    def stray(self, forbidden: bytes) -> Found:
        """The contexts with a bit where `forbidden` has one, and the first such field of each."""
        import numpy as np

        if not len(self.registers):
            return
        first = self.registers.first_stray(forbidden)
        chosen = np.flatnonzero(first >= 0)
        fields = self.registers.record.FIELDS

        def place(number: int) -> Place:
            row = int(chosen[number])
            within = int(first[row])
            field = next(item for item in fields if within < item.offset + item.size)
            offset = int(self.registers.offsets[row]) + field.offset
            header = int(self.header[row])
            return Place(f"{field.name} is not zero", header, field=field.name, offset=offset)

        if len(chosen):
            yield Lazy(len(chosen), place)


def contexts_of(
    inspected: InspectedLaunch, platform: PlatformType, record: type[Record]
) -> LaunchedContexts:
    """The contexts of the file, where `platform` is what is started; none where it is not."""
    rows = inspected.of(HeaderType.VP_CONTEXT)
    if inspected.platform != platform:
        rows = rows[:0]
    return LaunchedContexts(rows["header"], rows["vp_index"], inspected.records(rows, record))
