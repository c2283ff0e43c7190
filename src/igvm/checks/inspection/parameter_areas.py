"""Parameter areas and what happens to each: declared, written to, inserted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.spec.directive import Parameter, ParameterArea, ParameterInsert
from igvm.spec.registry import TYPE_OF

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile

    Positions = NDArray[np.intp]

_DECLARED, _USED, _INSERTED = 0, 1, 2


class ParameterAreas(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The parameter areas of a file; every array of headers is ascending."""

    number: NDArray[np.uint32]
    """The index of each area, ascending, shape (a,), uint32."""
    size: NDArray[np.uint64]
    """Bytes of each area, by its first declaration; shape (a,), uint64."""
    redeclared: Positions
    """Headers that declare an area a second time, shape (m,), intp."""
    undeclared: Positions
    """Headers that use or insert an area that is not declared before, shape (m,), intp."""
    after_insertion: Positions
    """Headers that use or insert an area that is inserted already, shape (m,), intp."""
    never_inserted: Positions
    """Headers that declare an area that is not inserted, shape (m,), intp."""
    user: Positions
    """Every header of a parameter type, shape (n,), intp."""
    user_area: NDArray[np.uint32]
    """The area that each of those writes to, shape (n,), uint32."""
    user_offset: NDArray[np.uint32]
    """Byte offset in the area, shape (n,), uint32."""
    user_type: NDArray[np.uint32]
    """Header type, shape (n,), uint32."""

    def size_of(self, number: NDArray[np.uint32]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Bytes of the areas called `number`, and which of them there are.

        Args:
            number: indices of areas, shape (n,), uint32.

        Returns:
            Shape (n,), uint64; shape (n,), bool.
        """
        import numpy as np

        if not len(self.number):
            return np.zeros(len(number), np.uint64), np.zeros(len(number), bool)
        at = np.minimum(np.searchsorted(self.number, number), len(self.number) - 1)
        return self.size[at], self.number[at] == number


def read_areas(inspected: InspectedFile) -> ParameterAreas:
    """Follow every parameter area of a file from its first header to its last."""
    import numpy as np

    areas = inspected.table(ParameterArea)
    inserts = inspected.table(ParameterInsert)
    # An insert for no platform at all is never carried out.
    is_carried_out = inserts[ParameterInsert.compatibility_mask] != 0
    tables = [inspected.table(record) for record in TYPE_OF if issubclass(record, Parameter)]
    tables = [table for table in tables if len(table)]
    nothing: list[Any] = [np.empty(0, np.intp)]
    user = np.concatenate([table.index for table in tables] or nothing)
    file_order = np.argsort(user, kind="stable")
    user = user[file_order]

    def of_users(name: str) -> Any:
        columns = [table.column(name) for table in tables]
        return np.concatenate(columns or nothing)[file_order].astype(np.uint32)

    user_area = of_users("parameter_area_index")
    declared = areas[ParameterArea.parameter_area_index]
    number = np.concatenate(
        [declared, user_area, inserts[ParameterInsert.parameter_area_index][is_carried_out]]
    )
    index = np.concatenate([areas.index, user, inserts.index[is_carried_out]])
    act = np.repeat(
        np.array([_DECLARED, _USED, _INSERTED], np.uint8),
        [len(areas), len(user), int(is_carried_out.sum())],
    )
    order = np.lexsort((index, number))
    number, index, act = number[order], index[order], act[order]
    declares, uses = act == _DECLARED, act != _DECLARED
    opens = np.ones(len(number), bool)
    opens[1:] = number[1:] != number[:-1]
    declared_before = _count_before(declares, opens)
    inserted_before = _count_before(act == _INSERTED, opens)
    is_first = declares & (declared_before == 0)
    # Whether an area is inserted is known at its last header.
    closes = np.append(opens[1:], True)[: len(opens)]
    insertions = (inserted_before + (act == _INSERTED))[closes]
    is_never_inserted = is_first & (insertions[np.cumsum(opens) - 1] == 0)
    names, first_rows = np.unique(declared, return_index=True)
    return ParameterAreas(
        number=names,
        size=areas[ParameterArea.number_of_bytes][first_rows],
        redeclared=np.sort(index[declares & (declared_before > 0)]),
        undeclared=np.sort(index[uses & (declared_before == 0)]),
        after_insertion=np.sort(index[uses & (declared_before > 0) & (inserted_before > 0)]),
        never_inserted=np.sort(index[is_never_inserted]),
        user=user,
        user_area=user_area,
        user_offset=of_users("byte_offset"),
        user_type=inspected.file.types[user],
    )


def _count_before(happens: NDArray[np.bool_], opens: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How often `happens` holds before each row, counted from the last row where `opens`.

    Args:
        happens: shape (n,), bool.
        opens: shape (n,), bool.

    Returns:
        Shape (n,), int64.
    """
    import numpy as np

    counted: NDArray[np.int64] = np.cumsum(happens) - happens
    starts = np.maximum.accumulate(np.where(opens, np.arange(len(opens)), 0))
    before: NDArray[np.int64] = counted - counted[starts]
    return before
