"""Header types that a loader does not know, or knows and does nothing with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Many
from igvm.launch.lint.loader import (
    CH,
    CH_IGVM,
    IGVM_RUN,
    OPENVMM,
    OPENVMM_IGVM,
    QEMU,
    QEMU_SNP,
    TCG,
)
from igvm.launch.lint.rule import ERROR, NOTE, WARNING, loader_rule
from igvm.spec.enums import HeaderType

if TYPE_CHECKING:
    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

H = HeaderType

_TABLES = (H.SRAT, H.MMIO_RANGES, H.SLIT, H.PPTT)
_QEMU_UNKNOWN = (
    *_TABLES,
    H.ERROR_RANGE,
    H.COMMAND_LINE,
    H.VBS_MEASUREMENT,
    H.RELOCATABLE_REGION,
    H.PAGE_TABLE_RELOCATION_REGION,
)
_CH_UNKNOWN = (
    *_TABLES,
    H.MADT,
    H.DEVICE_TREE,
    H.ENVIRONMENT_INFO_PARAMETER,
    H.ERROR_RANGE,
    H.VBS_MEASUREMENT,
)
_INITIALIZATIONS = (
    H.RELOCATABLE_REGION,
    H.PAGE_TABLE_RELOCATION_REGION,
    H.CORIM_DOCUMENT,
    H.CORIM_SIGNATURE,
)


def _met(facts: LoaderFacts, kinds: tuple[HeaderType, ...]) -> Found:
    """The headers of `kinds` that the loader comes across."""
    index = facts.met(*kinds)
    if not len(index):
        return
    masks, mask = facts.file.masks, facts.mask

    def describe(position: int) -> str:
        at = int(index[position])
        name = HeaderType(int(facts.file.types[at])).name
        others = int(masks[at]) & mask == 0
        return f"{name} is for {facts.names(int(masks[at]))}" if others else f"there is {name}"

    yield Many(index, "", describe)


@loader_rule(
    "unknown-type",
    QEMU,
    ERROR,
    "{who} ends at a header type that it does not know, whatever platforms the header is for",
    IGVM_RUN,
)
def unknown_type(facts: LoaderFacts) -> Found:
    """The type is judged before the mask, so a file that QEMU loads can have it for nobody.

    Write a file of its own for the platforms that need the header.
    """
    yield from _met(facts, _QEMU_UNKNOWN)


@loader_rule(
    "device-tree",
    TCG,
    WARNING,
    "{who} has a device tree on microvm; on q35 and pc it ends at this header",
    IGVM_RUN,
)
@loader_rule(
    "device-tree",
    QEMU_SNP,
    ERROR,
    "{who} has a device tree on microvm only; on q35 and pc it ends at this header",
    IGVM_RUN,
)
def device_tree(facts: LoaderFacts) -> Found:
    """Parameter headers have no mask, so it is met whatever platform is started."""
    yield from _met(facts, (H.DEVICE_TREE,))


@loader_rule("unsupported-type", CH, ERROR, "{who} panics at a header of this type", CH_IGVM)
def ch_unsupported(facts: LoaderFacts) -> Found:
    """Parameter headers have no mask and are met even where their area is another platform's.

    Headers with a mask are met only where it names SEV_SNP.
    """
    yield from _met(facts, _CH_UNKNOWN)


@loader_rule(
    "unsupported-type", OPENVMM, ERROR, "{who} panics at a header of this type", OPENVMM_IGVM
)
def openvmm_unsupported(facts: LoaderFacts) -> Found:
    """Measurements of a VBS guest are signed for hosts that check them."""
    yield from _met(facts, (H.VBS_MEASUREMENT,))


@loader_rule(
    "no-effect",
    TCG,
    NOTE,
    "{who} reads the header and a NATIVE guest is the same without it",
    IGVM_RUN,
)
def native_no_effect(facts: LoaderFacts) -> Found:
    """ID blocks and policies are for SEV-SNP."""
    index = facts.met(H.SNP_ID_BLOCK, H.GUEST_POLICY)
    index = index[facts.file.masks[index] & facts.mask != 0]
    if len(index):
        yield Many(index, "", "the header is for NATIVE")


@loader_rule("ignored-type", CH, NOTE, "{who} does nothing with the header", CH_IGVM)
def ch_ignored(facts: LoaderFacts) -> Found:
    """Nothing is relocated, and CoRIM documents reach nobody.

    Of the initialization headers only GUEST_POLICY is looked at.
    """
    yield from _met(facts, _INITIALIZATIONS)


@loader_rule(
    "optional-table",
    OPENVMM,
    NOTE,
    "{who} has such a table for some guests only, and else leaves the area as it is, with a "
    "warning",
    OPENVMM_IGVM,
)
def openvmm_tables(facts: LoaderFacts) -> Found:
    """The guest must cope with zeroes where the SLIT or PPTT would be."""
    yield from _met(facts, (H.SLIT, H.PPTT))
