"""Parameter areas: declared, used, inserted, and nothing after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.spec.directive import Parameter, ParameterArea, ParameterInsert
from igvm.spec.registry import TYPE_OF

if TYPE_CHECKING:
    from igvm.checks.reference.parsed_headers import Stream
    from igvm.file.table import Table
    from igvm.wire.record import Record

_DECLARED, _USED, _INSERTED = 0, 1, 2

_ACTS: dict[type[Record], int] = {
    ParameterArea: _DECLARED,
    ParameterInsert: _INSERTED,
    **{record: _USED for record in TYPE_OF if issubclass(record, Parameter)},
}
"""What the headers of a record class do to an area."""


def out_of_turn(stream: Stream) -> tuple[Table[Any], int, str] | None:
    """The first header that declares, uses or inserts an area out of turn.

    Returns:
        Its table, its row and what was found, with {value} for the area; or None.
    """
    import numpy as np

    tables = []
    for record in _ACTS:
        if TYPE_OF[record] in stream.kinds:
            table: Table[Any] = stream.table(record)
            if record is ParameterInsert:
                # The crate drops inserts whose mask is zero.
                used = table[ParameterInsert.compatibility_mask] != 0
                table = stream.table(ParameterInsert, table.index[used])
            tables.append(table)
    if not tables:
        return None

    # Number of the area and position of the header: sorting gives each area's story in turn.
    def keys(table: Table[Any]) -> Any:
        number = table[table.record.parameter_area_index].astype(np.uint64)
        return number << np.uint64(32) | table.index.astype(np.uint64)

    acts = np.concatenate([np.full(len(table), _ACTS[table.record], np.uint8) for table in tables])
    story = np.concatenate([keys(table) for table in tables])
    if not len(story):
        return None
    order = np.argsort(story)
    story, acts = story[order], acts[order]
    number = story >> np.uint64(32)
    opening = np.append(True, number[1:] != number[:-1])
    # An area's story opens with its declaration, has no other, and ends with its insertion.
    bad = opening != (acts == _DECLARED)
    bad[1:] |= ~opening[1:] & (acts[:-1] == _INSERTED)
    if not bad.any():
        return None
    index = int((story[bad] & np.uint64(0xFFFFFFFF)).min())
    for table in tables:
        row = int(np.searchsorted(table.index, index))
        if row < len(table) and table.index[row] == index:
            found = "area {value} is not declared yet"
            if _ACTS[table.record] == _DECLARED:
                found = "area {value} is declared already"
            elif not opening[story & np.uint64(0xFFFFFFFF) == index].all():
                found = "area {value} is inserted already"
            return table, row, found
    return None
