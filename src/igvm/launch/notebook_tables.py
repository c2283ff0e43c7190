"""A plan as notebooks show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm import markup
from igvm.launch.plan import NO_HEADER
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from igvm.launch.plan import LaunchPlan, Row

_HEADS = ("operation", "address", "pages", "measured", "header", "")


def plan_html(plan: LaunchPlan) -> str:
    """The first rows of a plan, and what it assumes, lacks or refuses."""
    title = markup.title(f"{plan.platform.name}, loader {plan.loader}")
    facts = {
        "measured": f"{plan.measured_pages:,} of {plan.page_count:,} pages",
        "assumed": plan.assumptions,
        "missing": [f"{each.parameter}: {each.message}" for each in plan.missing],
        "refused": [each.message for each in plan.refusals],
    }
    rows = (_cells(row) for row in plan)
    return title + markup.facts(facts) + markup.table(_HEADS, rows, len(plan))


def _cells(row: Row) -> tuple[object, ...]:
    """The cells of one row."""
    is_context = row.operation == Operation.VP_CONTEXT
    notes = [f"vCPU {row.vp_index}"] if is_context else []
    return (
        row.operation.name,
        f"{row.gpa:#x}",
        f"{row.loaded:,}" if row.loaded == row.pages else f"{row.loaded:,} of {row.pages:,}",
        "yes" if row.measured else "no",
        "made by the loader" if row.header == NO_HEADER else row.header,
        "; ".join([*notes, *([row.reason] if row.reason else [])]),
    )
