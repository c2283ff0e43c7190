"""Whether a loader takes a file at all: its reader, and the platform it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Place
from igvm.spec.enums import PlatformType, Section
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch


def refused(inspected: InspectedLaunch) -> Found:
    """The reader stops at the first thing it does not take; see `igvm check --rules igvm-0.4`."""
    stop = inspected.stop
    if stop is not None:
        yield Place(
            f"{stop.message} [{stop.rule}]",
            stop.header_index,
            stop.header_type,
            stop.field,
            stop.offset,
            stop.value,
        )


def no_plan(inspected: InspectedLaunch) -> Found:
    """An area is larger than any guest, or data is not in the file.

    What this platform asks for in directives was not looked at further.
    """
    asked_for = inspected.asked_for
    if asked_for is not None and asked_for.refusals and inspected.stop is None:
        refusal = asked_for.refusals[0]
        yield Place(refusal.message, refusal.header, field=refusal.field)


def no_platform(inspected: InspectedLaunch) -> Found:
    """Platforms that the loader does not know are passed over. Add one that it starts."""
    if inspected.platform is None:
        names = ", ".join(kind.name for kind in inspected.platforms) or "no platform"
        yield Place(f"the file is for {names}", offset=inspected.file.section_offset)


def refused_launch(inspected: InspectedLaunch) -> Found:
    """The same makes `igvm measure` fail. What is refused stands in front of this sentence."""
    plan = inspected.plan
    if plan is not None and inspected.is_readable and inspected.stop is None:
        for refusal in plan.refusals:
            yield Place(refusal.message, refusal.header, field=refusal.field)


def platform_fallback(inspected: InspectedLaunch) -> Found:
    """NATIVE is taken whenever the file has nothing better, whatever the machine is.

    A confidential guest has no VMSA, no secrets and no CPUID page of such a file then, and its
    contexts are handed to KVM as VMSAs, which they are not.
    """
    index = _platform_header(inspected, PlatformType.NATIVE)
    yield Place("the file is for NATIVE", index, field="platform_type")


def platform_first(inspected: InspectedLaunch) -> Found:
    """A release build drops the headers of other platforms when it reads the file.

    Put SEV_SNP first, and debug builds take the file too.
    """
    first = next(iter(inspected.file.platform_masks), None)
    if inspected.platform is not None and first != inspected.platform and first is not None:
        yield Place(f"the first platform is {first.name}", _platform_header(inspected, first))


def no_directives(inspected: InspectedLaunch) -> Found:
    """Headers with a mask of zero do not count: the reader drops them."""
    directives = inspected.file.sections == Section.DIRECTIVE
    if not (directives & (inspected.file.masks != 0)).any():
        yield Place("the file has no directives", offset=inspected.file.section_offset)


def _platform_header(inspected: InspectedLaunch, kind: PlatformType) -> int:
    """Position of the first platform header of `kind`."""
    table = inspected.table(SupportedPlatform)
    return int(table.index[table[SupportedPlatform.platform_type].tolist().index(kind)])
