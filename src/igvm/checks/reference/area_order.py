"""Parameter areas as the crate follows them: declared, used, inserted, and nothing after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.reference.release_types import TYPE_OF_RECORD
from igvm.spec.directive import ParameterArea, ParameterInsert

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.reference.parsed_headers import ParsedHeaders
    from igvm.file.table import Table
    from igvm.wire.record import Record

_DECLARED, _USED, _INSERTED = 0, 1, 2

_ACTS: dict[type[Record], int] = {
    ParameterArea: _DECLARED,
    ParameterInsert: _INSERTED,
    **{record: _USED for record, crate_type in TYPE_OF_RECORD.items() if crate_type.is_parameter},
}
"""What the headers of a record class do to an area."""


def first_out_of_turn(parsed: ParsedHeaders) -> tuple[Table[Any], int, str] | None:
    """The first header that declares, uses or inserts an area out of turn.

    Returns:
        Its table, its row and what was found, with {value} for the area; or None.
    """
    import numpy as np

    tables = _area_tables(parsed)
    if not tables:
        return None

    # Number of the area and position of the header: sorting puts the headers of an area in turn.
    def keys(table: Table[Any]) -> NDArray[np.uint64]:
        number = table[table.record.parameter_area_index].astype(np.uint64)
        key: NDArray[np.uint64] = number << np.uint64(32) | table.index.astype(np.uint64)
        return key

    acts = np.concatenate([np.full(len(table), _ACTS[table.record], np.uint8) for table in tables])
    key = np.concatenate([keys(table) for table in tables])
    if not len(key):
        return None
    order = np.argsort(key)
    key, acts = key[order], acts[order]
    number, position = key >> np.uint64(32), key & np.uint64(0xFFFFFFFF)
    opens = np.append(True, number[1:] != number[:-1])
    # The first header of an area declares it, no other does, and its insertion is the last.
    is_bad = opens != (acts == _DECLARED)
    is_bad[1:] |= ~opens[1:] & (acts[:-1] == _INSERTED)
    if not is_bad.any():
        return None
    index = int(position[is_bad].min())
    for table in tables:
        row = int(np.searchsorted(table.index, index))
        if row < len(table) and table.index[row] == index:
            description = "area {value} is not declared yet"
            if _ACTS[table.record] == _DECLARED:
                description = "area {value} is declared already"
            elif not opens[position == index].all():
                description = "area {value} is inserted already"
            return table, row, description
    return None


def _area_tables(parsed: ParsedHeaders) -> list[Table[Any]]:
    """The headers that declare, use or insert areas; the crate drops inserts without a mask."""
    tables = []
    for record in _ACTS:
        if parsed.has(record):
            table: Table[Any] = parsed.table(record)
            if record is ParameterInsert:
                is_kept = table[ParameterInsert.compatibility_mask] != 0
                table = parsed.table(ParameterInsert, table.index[is_kept])
            tables.append(table)
    return tables
