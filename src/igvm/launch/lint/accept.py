"""Whether a loader takes a file at all: its reader, and the platform it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Place
from igvm.errors import IgvmError
from igvm.launch.lint.loader import (
    ALL,
    CH,
    CH_IGVM,
    IGVM_C,
    IGVM_RUN,
    LIBIGVM,
    OPENVMM,
    OPENVMM_IGVM,
    QEMU,
    QEMU_SNP,
    TCG,
)
from igvm.launch.lint.rule import ERROR, NOTE, WARNING, loader_rule
from igvm.spec.enums import PlatformType, Section
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts


@loader_rule(
    "refused", QEMU, ERROR, "{who} reads files with libigvm 0.4.0, which must accept them", LIBIGVM
)
@loader_rule(
    "refused",
    CH,
    ERROR,
    "{who} reads files with the igvm crate 0.4, which must accept them",
    "cloud-hypervisor ae44c29, Cargo.toml",
)
@loader_rule(
    "refused",
    OPENVMM,
    ERROR,
    "{who} reads files with the igvm crate, here taken to be 0.5, which must accept them",
    "openvmm, Cargo.toml, where the version moves",
)
def refused(facts: LoaderFacts) -> Found:
    """The reader stops at the first thing it does not take; see `igvm check --rules igvm-0.4`."""
    stop = facts.stop
    if stop is not None:
        yield Place(
            f"{stop.message} [{stop.rule}]",
            stop.header_index,
            stop.header_type,
            stop.field,
            stop.offset,
            stop.value,
        )


@loader_rule(
    "no-plan",
    ALL,
    ERROR,
    "what a platform asks for must be in the file and fit into a guest",
    "every loader copies file data and parameter areas into guest memory",
)
def no_plan(facts: LoaderFacts) -> Found:
    """An area is larger than any guest, or data is not in the file.

    What this platform asks for in directives was not looked at further.
    """
    error = facts.draft_or_error
    if isinstance(error, IgvmError) and facts.stop is None:
        yield Place(error.message, None, error.header, error.field, error.offset)


@loader_rule(
    "no-platform",
    TCG,
    ERROR,
    "without confidential guest support {who} starts NATIVE only",
    IGVM_RUN,
)
@loader_rule(
    "no-platform",
    QEMU_SNP,
    ERROR,
    "with a sev-snp-guest object {who} starts SEV_SNP, or NATIVE where there is no SEV_SNP",
    IGVM_C,
)
@loader_rule("no-platform", CH, ERROR, "{who} starts SEV_SNP from IGVM files", CH_IGVM)
@loader_rule(
    "no-platform",
    OPENVMM,
    ERROR,
    "{who} starts VSM_ISOLATION, for guests without isolation too, or SEV_SNP",
    OPENVMM_IGVM,
)
def no_platform(facts: LoaderFacts) -> Found:
    """Platforms that the loader does not know are passed over. Add one that it starts."""
    if facts.platform is None:
        names = ", ".join(kind.name for kind in facts.platforms) or "no platform"
        yield Place(f"the file is for {names}", offset=facts.file.section_offset)


@loader_rule(
    "platform-fallback",
    QEMU_SNP,
    WARNING,
    "{who} silently loads the headers of NATIVE into the SEV_SNP guest",
    IGVM_C,
)
def platform_fallback(facts: LoaderFacts) -> Found:
    """NATIVE is taken whenever the file has nothing better, whatever the machine is.

    The guest then has no VMSA, no secrets and no CPUID page of the file.
    """
    if facts.platform == PlatformType.NATIVE:
        index = _platform_header(facts, PlatformType.NATIVE)
        yield Place("the file is not for SEV_SNP", index, field="platform_type")


@loader_rule(
    "platform-first",
    CH,
    NOTE,
    "{who} goes by the mask of the first platform, which a debug build wants to be SEV_SNP",
    CH_IGVM,
)
def platform_first(facts: LoaderFacts) -> Found:
    """A release build drops the headers of other platforms when it reads the file.

    Put SEV_SNP first, and debug builds take the file too.
    """
    first = next(iter(facts.file.platform_masks), None)
    if facts.platform is not None and first != facts.platform and first is not None:
        yield Place(f"the first platform is {first.name}", _platform_header(facts, first))


@loader_rule(
    "no-directives",
    QEMU,
    ERROR,
    "{who} ends where a file has no directive header",
    IGVM_C,
)
def no_directives(facts: LoaderFacts) -> Found:
    """Headers with a mask of zero do not count: the reader drops them."""
    directives = facts.file.sections == Section.DIRECTIVE
    if not (directives & (facts.file.masks != 0)).any():
        yield Place("the file has no directives", offset=facts.file.section_offset)


def _platform_header(facts: LoaderFacts, kind: PlatformType) -> int:
    """Position of the first platform header of `kind`."""
    table = facts.table(SupportedPlatform)
    return int(table.index[table[SupportedPlatform.platform_type].tolist().index(kind)])
