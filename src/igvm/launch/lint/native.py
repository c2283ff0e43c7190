"""The registers of a native context, as QEMU takes them over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.checks.rule import Lazy, Place
from igvm.launch.lint.loader import TCG, X86_RUN
from igvm.launch.lint.rule import NOTE, WARNING, loader_rule
from igvm.spec.context import NativeContextX64
from igvm.spec.enums import HeaderType, PlatformType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

_LONG = 1 << 13
"""The L bit of code_attributes."""
_LME, _LMA = 1 << 8, 1 << 10
_PAGING = 1 << 31


class Registers(msgspec.Struct, frozen=True):
    """The records of contexts by field; very many contexts may share one."""

    places: Any
    """A record at every byte of the file."""
    offsets: Any
    """Where the context of each header is."""

    def __getitem__(self, field: Any) -> Any:
        """The column `field`, a row for each header."""
        return self.places[field][self.offsets]


def payloads(facts: LoaderFacts, platform: PlatformType, record: Any) -> tuple[Any, Any, Registers]:
    """Headers, offsets and records of the contexts, where `platform` is what is started."""
    rows = facts.of(HeaderType.VP_CONTEXT)
    if facts.platform != platform:
        rows = rows[:0]
    return rows["header"], rows["source"], Registers(facts.payloads(record), rows["source"])


def of_field(
    contexts: tuple[Any, Any, Any], where: NDArray[np.bool_], record: Any, field: str, text: str
) -> Found:
    """One register of the contexts at which `where` holds."""
    import numpy as np

    header, offsets, values = contexts
    chosen = np.flatnonzero(where)
    if not len(chosen):
        return
    column = values[field]
    at = record.dtype().fields[field][1]

    def place(number: int) -> Place:
        which = int(chosen[number])
        found = column[which]
        value = int(found) if found.dtype.names is None else None
        shown = None if value is None else f"{value:#x}"
        message = text.format(value=shown)
        return Place(message, int(header[which]), None, field, int(offsets[which]) + at, value)

    yield Lazy(len(chosen), place)


def _native(facts: LoaderFacts) -> tuple[Any, Any, Any]:
    return payloads(facts, PlatformType.NATIVE, NativeContextX64)


@loader_rule(
    "gs-base",
    TCG,
    WARNING,
    "{who} ignores gs_base and gives GS the base of the data segment",
    X86_RUN,
)
def gs_base(facts: LoaderFacts) -> Found:
    """Have the guest write MSR 0xC0000101 before it uses GS."""
    contexts = _native(facts)
    base = contexts[2]["gs_base"]
    different = base != contexts[2]["data_base"]
    yield from of_field(contexts, different, NativeContextX64, "gs_base", "gs_base is {value}")


@loader_rule(
    "rflags",
    TCG,
    WARNING,
    "{who} loads RFLAGS as it is, also without bit 1, which no processor can have clear",
    X86_RUN,
)
def rflags(facts: LoaderFacts) -> Found:
    """Set rflags to 2."""
    contexts = _native(facts)
    clear = contexts[2]["rflags"] & 2 == 0
    yield from of_field(contexts, clear, NativeContextX64, "rflags", "rflags is {value}")


@loader_rule("cr0", TCG, NOTE, "{who} always sets bit 4 (ET) of CR0", X86_RUN)
def cr0(facts: LoaderFacts) -> Found:
    """The guest reads another value than the file has, as on hardware."""
    contexts = _native(facts)
    clear = contexts[2]["cr0"] & 0x10 == 0
    yield from of_field(contexts, clear, NativeContextX64, "cr0", "cr0 is {value}")


@loader_rule(
    "efer",
    TCG,
    NOTE,
    "{who} sets EFER.LMA by itself where EFER.LME and CR0.PG are set",
    X86_RUN,
)
def efer(facts: LoaderFacts) -> Found:
    """Write it as hardware has it, 0x500, for loaders that don't."""
    contexts = _native(facts)
    values = contexts[2]
    needs = (values["efer"] & _LME != 0) & (values["cr0"] & _PAGING != 0)
    clear = needs & (values["efer"] & _LMA == 0)
    yield from of_field(contexts, clear, NativeContextX64, "efer", "efer is {value}")


@loader_rule(
    "long-mode",
    TCG,
    WARNING,
    "{who} starts a processor without EFER.LME and LMA in 32 bit mode, whatever CS says",
    X86_RUN,
)
def long_mode(facts: LoaderFacts) -> Found:
    """A 64 bit code segment needs EFER 0x500, CR0.PG, CR4.PAE and page tables in CR3."""
    contexts = _native(facts)
    values = contexts[2]
    long = values["code_attributes"] & _LONG != 0
    wrong = long & (values["efer"] & (_LME | _LMA) == 0)
    yield from of_field(
        contexts, wrong, NativeContextX64, "code_attributes", "code_attributes are {value}"
    )
