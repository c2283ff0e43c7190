"""A trace as text: a line for each operation, with the running digest after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.measurement.measure import measure_plan
from igvm.measurement.technology_table import technology_of
from igvm.report.measurement_text import digest_text, platform_title
from igvm.report.terminal_text import line, printable, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.explain import Step
    from igvm.measurement.realm import RealmParameters
    from igvm.report.terminal_text import Line

_RUNNING = 16
"""Hexadecimal digits of a running digest."""


def trace_text(
    plan: LaunchPlan, steps: Iterable[Step], *, realm: RealmParameters | None = None
) -> Iterator[Line]:
    """The lines of a trace of `plan`, whose steps may come one by one."""
    name = technology_of(plan.platform).measurement
    yield line(*platform_title(plan.platform), f"{name}, loader {plan.loader}")
    heads = f"  {'operation':<11}  {'address':>14}  {'pages':>7}  {'header':>6}  {'note':<12}"
    yield line((f"{heads}  digest after it", "quiet"))
    digest: bytes | None = None
    for step in steps:
        yield _step_line(step)
        digest = step.digest
    if digest is None:
        # A plan without operations has no step, and yet a digest.
        digest = measure_plan(plan, realm=realm).digest
        yield line(("  nothing is loaded", "quiet"))
    yield from digest_text(digest)


def _step_line(step: Step) -> Line:
    """One step in one line."""
    if step.gpa is None:
        middle = f"{shorten(printable(step.note), 47):<47}"
    else:
        header = "-" if step.header < 0 else f"#{step.header}"
        note = shorten(printable(step.note), 12)
        middle = f"{f'{step.gpa:#x}':>14}  {step.pages:>7}  {header:>6}  {note:<12}"
    digest = step.digest.hex()[:_RUNNING] if step.measured else "unchanged"
    return line(f"  {step.operation:<11}  {middle}  ", (digest, "" if step.measured else "quiet"))
