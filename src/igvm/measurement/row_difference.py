"""Where two plans part ways in what loads nothing: parameters, policies, memory, relocations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from igvm.launch.plan import LaunchPlan

_LAYOUT = ("compatibility_mask", "file_offset")
"""Fields that say how a file is laid out, and not what it asks for."""


def unloaded_rows(plan: LaunchPlan) -> LaunchPlan:
    """The rows of `plan` that load nothing; endorsements are not among them.

    Who vouches for a launch is no part of it.
    """
    where = ~plan.loads() & ~plan.of(Operation.ENDORSEMENT)
    where &= plan.rows["header"] >= 0
    return plan.with_rows(plan.rows[where])


def first_unlike(first: LaunchPlan, second: LaunchPlan) -> int | None:
    """The first position at which rows of two plans come from unlike headers, or None.

    One of the plans may be at its end there.

    Args:
        first: rows that load nothing.
        second: the same of another plan.
    """
    both = min(len(first.rows), len(second.rows))
    ours, theirs = (plan.rows["header"][:both].tolist() for plan in (first, second))
    for position, (our_index, their_index) in enumerate(zip(ours, theirs, strict=True)):
        mine, other = first.file.header(our_index), second.file.header(their_index)
        if (mine.raw_type, mine.body) != (other.raw_type, other.body) and fields_of(
            first, position
        ) != fields_of(second, position):
            return position
    return both if len(first.rows) != len(second.rows) else None


def fields_of(plan: LaunchPlan, position: int) -> Mapping[str, str]:
    """What the header of a row asks for, as text."""
    if position >= len(plan.rows):
        return {}
    header = plan.file.header(int(plan.rows["header"][position]))
    record: Any = header.record
    fields = {"type": header.name}
    if not hasattr(type(record), "FIELDS"):
        return fields | {"body": bytes(header.body).hex()}
    for item in type(record).FIELDS:
        if item.name not in _LAYOUT:
            value = getattr(record, item.name)
            is_number = isinstance(value, int)
            fields[item.name] = f"{int(value):#x}" if is_number else repr(value)
    return fields
