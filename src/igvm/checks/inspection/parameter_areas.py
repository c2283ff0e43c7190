"""Parameter areas and what happens to each: declared, written to, inserted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.spec.directive import Parameter, ParameterArea, ParameterInsert
from igvm.spec.registry import TYPE_OF

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts

    Positions = NDArray[np.intp]

_DECLARED, _USED, _INSERTED = 0, 1, 2


class Areas(msgspec.Struct, frozen=True, gc=False):
    """The parameter areas of a file; every array of headers is ascending."""

    number: NDArray[np.uint32]
    """The index of each area, ascending."""
    size: NDArray[np.uint64]
    """Bytes of each area, by its first declaration."""
    again: Positions
    """Headers that declare an area a second time."""
    undeclared: Positions
    """Headers that use or insert an area that is not declared before."""
    too_late: Positions
    """Headers that use or insert an area that is inserted already."""
    never: Positions
    """Headers that declare an area that is not inserted."""
    user: Positions
    """Every header of a parameter type."""
    user_area: NDArray[np.uint32]
    user_offset: NDArray[np.uint32]
    user_type: NDArray[np.uint32]

    def size_of(self, number: NDArray[np.uint32]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Bytes of the areas called `number`, and which of them there are."""
        import numpy as np

        if not len(self.number):
            return np.zeros(len(number), np.uint64), np.zeros(len(number), bool)
        at = np.minimum(np.searchsorted(self.number, number), len(self.number) - 1)
        return self.size[at], self.number[at] == number


def read_areas(facts: Facts) -> Areas:
    """Follow every parameter area of a file from its first header to its last."""
    import numpy as np

    areas = facts.table(ParameterArea)
    inserts = facts.table(ParameterInsert)
    # An insert for no platform at all is never carried out.
    real = inserts[ParameterInsert.compatibility_mask] != 0
    users = [facts.table(record) for record in TYPE_OF if issubclass(record, Parameter)]
    users = [table for table in users if len(table)]
    nothing: list[Any] = [np.empty(0, np.intp)]
    user = np.concatenate([table.index for table in users] or nothing)
    turn = np.argsort(user, kind="stable")
    user = user[turn]

    def of_users(name: str) -> Any:
        return np.concatenate([t.column(name) for t in users] or nothing)[turn].astype(np.uint32)

    user_area = of_users("parameter_area_index")
    declared = areas[ParameterArea.parameter_area_index]
    number = np.concatenate(
        [declared, user_area, inserts[ParameterInsert.parameter_area_index][real]]
    )
    index = np.concatenate([areas.index, user, inserts.index[real]])
    act = np.repeat(
        np.array([_DECLARED, _USED, _INSERTED], np.uint8),
        [len(areas), len(user), int(real.sum())],
    )
    order = np.lexsort((index, number))
    number, index, act = number[order], index[order], act[order]
    declares, uses = act == _DECLARED, act != _DECLARED
    opening = np.ones(len(number), bool)
    opening[1:] = number[1:] != number[:-1]
    before = _before(declares, opening)
    inserted = _before(act == _INSERTED, opening)
    first = declares & (before == 0)
    # Whether an area is inserted is known at the last header of its story.
    closing = np.append(opening[1:], True)[: len(opening)]
    carried = (inserted + (act == _INSERTED))[closing]
    never = first & (carried[np.cumsum(opening) - 1] == 0)
    names, where = np.unique(declared, return_index=True)
    return Areas(
        names,
        areas[ParameterArea.number_of_bytes][where],
        np.sort(index[declares & (before > 0)]),
        np.sort(index[uses & (before == 0)]),
        np.sort(index[uses & (before > 0) & (inserted > 0)]),
        np.sort(index[never]),
        user,
        user_area,
        of_users("byte_offset"),
        facts.file.types[user],
    )


def _before(happens: NDArray[np.bool_], opening: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How often `happens` holds before each row, counted from the last row where `opening`."""
    import numpy as np

    counted: NDArray[np.int64] = np.cumsum(happens) - happens
    starts = np.maximum.accumulate(np.where(opening, np.arange(len(opening)), 0))
    before: NDArray[np.int64] = counted - counted[starts]
    return before
