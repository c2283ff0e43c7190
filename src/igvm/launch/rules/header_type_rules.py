"""Header types that a loader does not know, or knows and does nothing with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Many
from igvm.launch.programs.qemu_machines import qemu_machine
from igvm.spec.enums import HeaderType

if TYPE_CHECKING:
    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch

H = HeaderType


def _met(inspected: InspectedLaunch, kinds: tuple[HeaderType, ...]) -> Found:
    """The headers of `kinds` that the loader comes across."""
    index = inspected.met(*kinds)
    if not len(index):
        return
    masks, mask = inspected.file.masks, inspected.mask

    def describe(position: int) -> str:
        at = int(index[position])
        name = HeaderType(int(inspected.file.types[at])).name
        others = int(masks[at]) & mask == 0
        return f"{name} is for {inspected.names(int(masks[at]))}" if others else f"there is {name}"

    yield Many(index, "", describe)


def unknown_type(inspected: InspectedLaunch) -> Found:
    """The type is judged before the mask, so a file that QEMU loads can have it for nobody.

    Write a file of its own for the platforms that need the header.
    """
    yield from _met(inspected, inspected.loader.unknown)


def device_tree(inspected: InspectedLaunch) -> Found:
    """Parameter headers have no mask, so it is met whatever platform is started.

    COCONUT-SVSM's builder asks for a device tree since its commit cb8c5dba, whatever the machine:
    such files are for the QEMU of that project. Start them with it, or leave the header out.
    """
    if not qemu_machine(inspected.machine).has_device_tree:
        yield from _met(inspected, (H.DEVICE_TREE,))


def ch_unsupported(inspected: InspectedLaunch) -> Found:
    """Parameter headers have no mask and are met even where their area is another platform's.

    Headers with a mask are met only where it names SEV_SNP.
    """
    yield from _met(inspected, inspected.loader.unknown)


def openvmm_unsupported(inspected: InspectedLaunch) -> Found:
    """Measurements of a VBS guest are signed for hosts that check them."""
    yield from _met(inspected, inspected.loader.unknown)


def native_no_effect(inspected: InspectedLaunch) -> Found:
    """ID blocks and policies are for SEV-SNP."""
    index = inspected.met(H.SNP_ID_BLOCK, H.GUEST_POLICY)
    index = index[inspected.file.masks[index] & inspected.mask != 0]
    if len(index):
        yield Many(index, "", "the header is for NATIVE")


def ch_ignored(inspected: InspectedLaunch) -> Found:
    """Nothing is relocated, and CoRIM documents reach nobody.

    Of the initialization headers only GUEST_POLICY is looked at.
    """
    yield from _met(inspected, inspected.loader.ignored)


def openvmm_tables(inspected: InspectedLaunch) -> Found:
    """The guest must cope with zeroes where the SLIT or PPTT would be."""
    yield from _met(inspected, (H.SLIT, H.PPTT))
