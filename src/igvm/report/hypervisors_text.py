"""Which loaders a hypervisor's digest is asked of, below digests that only tools have computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.loader_table import loader_of, loaders_named
from igvm.report.terminal_text import paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from igvm.report.measurements import MeasureResult
    from igvm.report.terminal_text import Line
    from igvm.spec.enums import PlatformType


def hypervisors_text(results: Sequence[MeasureResult]) -> Iterator[Line]:
    """That a tool loads nothing, and which loaders take the platforms; nothing if one was asked."""
    measured = [result for result in results if result.measurement is not None]
    tools = list(dict.fromkeys(result.loader for result in measured))
    loaders_of_tools = [loader_of(name) for name in tools]
    # Firmware that a VMM is given beside no file is started by that VMM.
    if not tools or not all(each.is_tool and not each.takes_firmware for each in loaders_of_tools):
        return
    platforms: dict[tuple[str, ...], list[str]] = {}
    for platform in dict.fromkeys(result.platform for result in measured):
        platforms.setdefault(measuring_hypervisors(platform), []).append(platform.name)
    names = " and ".join(tools)
    kind, verb = ("a tool", "loads") if len(tools) == 1 else ("tools", "load")
    is_one = "is" if len(tools) == 1 else "are"
    warning = f"{names} {is_one} {kind} that {verb} nothing, and a hypervisor may report another"
    parts = [f"{warning} digest"]
    for loaders, kinds in platforms.items():
        if loaders:
            parts.append(f"for {', '.join(kinds)}: --loader {', '.join(loaders)}")
    unknown = platforms.get((), [])
    if unknown:
        parts.append(f"no loader that igvm knows has one for {', '.join(unknown)}")
    yield from paragraph("; ".join(parts), style="quiet")


def measuring_hypervisors(platform: PlatformType) -> tuple[str, ...]:
    """The loaders that start `platform` from a file and lead to a launch measurement of it."""
    return tuple(
        loader.name
        for loader in loaders_named("all", tools=False)
        if platform in loader.measures and not loader.takes_firmware
    )
