"""Cloud Hypervisor, on KVM and on MSHV: what it makes of pages, and its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.shaping import ignoring_shared, one_page_each
from igvm.spec.enums import HeaderType, PageDataType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.plan import LaunchPlan

SOURCE = "cloud-hypervisor ae44c29, vmm/src/igvm/igvm_loader.rs and hypervisor/src/kvm/mod.rs"
CH_IGVM = "cloud-hypervisor ae44c29, vmm/src/igvm/igvm_loader.rs"
CH_MEMORY = "cloud-hypervisor ae44c29, vmm/src/igvm/loader.rs"
CH_ON_KVM = "cloud-hypervisor ae44c29, hypervisor/src/kvm/mod.rs"
CH_ON_MSHV = "cloud-hypervisor ae44c29, hypervisor/src/mshv/mod.rs"


UNKNOWN = (
    HeaderType.SRAT,
    HeaderType.MMIO_RANGES,
    HeaderType.SLIT,
    HeaderType.PPTT,
    HeaderType.MADT,
    HeaderType.DEVICE_TREE,
    HeaderType.ENVIRONMENT_INFO_PARAMETER,
    HeaderType.ERROR_RANGE,
    HeaderType.VBS_MEASUREMENT,
)
"""The header types at which Cloud Hypervisor panics (igvm_loader.rs)."""

IGNORED = (
    HeaderType.RELOCATABLE_REGION,
    HeaderType.PAGE_TABLE_RELOCATION_REGION,
    HeaderType.CORIM_DOCUMENT,
    HeaderType.CORIM_SIGNATURE,
)
"""Initialization headers that it does not look at."""


def with_its_pages(plan: LaunchPlan) -> LaunchPlan:
    """What both hypervisors share: the shared flag is not looked at, a 2 MB page is one page.

    It panics on a CPUID_XF page and on an ERROR_RANGE.
    """
    is_xf = plan.rows["data_type"] == PageDataType.CPUID_XF
    plan = plan.refused(is_xf, "Cloud Hypervisor panics on a CPUID_XF page", "data_type")
    errors = plan.of(Operation.ERROR_RANGE)
    plan = ignoring_shared(plan.refused(errors, "Cloud Hypervisor panics on an ERROR_RANGE"))
    pages = plan.from_headers(HeaderType.PAGE_DATA)
    return one_page_each(plan, pages, "Cloud Hypervisor loads one page of a page of 2 MiB")


def shared_rules() -> Iterator[LoaderRule]:
    """What Cloud Hypervisor does with a file on either hypervisor."""
    from igvm.launch.lint.loader_rule import ERROR, NOTE, WARNING, LoaderRule
    from igvm.launch.rules import (
        acceptance_rules,
        header_type_rules,
        identity_rules,
        order_rules,
        page_rules,
        parameter_rules,
        start_rules,
    )

    yield LoaderRule(
        "refused",
        ERROR,
        "{who} reads files with the igvm crate 0.4, which must accept them",
        "cloud-hypervisor ae44c29, Cargo.toml",
        acceptance_rules.refused,
        messages=("invalid igvm file",),
    )
    yield LoaderRule(
        "no-platform",
        ERROR,
        "{who} starts SEV_SNP from IGVM files",
        CH_IGVM,
        acceptance_rules.no_platform,
    )
    yield LoaderRule(
        "platform-first",
        NOTE,
        "{who} goes by the mask of the first platform, which a debug build wants to be SEV_SNP",
        CH_IGVM,
        acceptance_rules.platform_first,
    )
    yield LoaderRule(
        "unsupported-type",
        ERROR,
        "{who} panics at a header of this type",
        CH_IGVM,
        header_type_rules.ch_unsupported,
        messages=(
            "not yet implemented: VbsVpContext not supported",
            "not yet implemented: VbsMeasurement not supported",
            "not yet implemented: Error Range not supported",
            "not yet implemented: Header not supported!!",
            "not yet implemented: unsupported IgvmPageDataType",
        ),
    )
    yield LoaderRule(
        "ignored-type",
        NOTE,
        "{who} does nothing with the header",
        CH_IGVM,
        header_type_rules.ch_ignored,
    )
    yield LoaderRule(
        "parameter-bounds",
        ERROR,
        "{who} ends where a parameter does not fit its area",
        CH_IGVM,
        parameter_rules.bounds,
        messages=("parameter too large for parameter area",),
    )
    yield LoaderRule(
        "memory-map",
        NOTE,
        "{who} writes no last entry of zero pages; the zeroes of the area after the map must do",
        CH_IGVM,
        parameter_rules.memory_map,
    )
    yield LoaderRule(
        "page-2mb",
        WARNING,
        "{who} loads one page of 4 KiB for a page of 2 MiB",
        CH_IGVM,
        page_rules.small_2mb,
    )
    yield LoaderRule(
        "page-shared",
        WARNING,
        "{who} does not look at the SHARED flag: the page is private and measured",
        CH_IGVM,
        page_rules.page_shared,
    )
    yield LoaderRule(
        "page-cpuid-xf",
        ERROR,
        "{who} panics at a page of type CPUID_XF",
        CH_IGVM,
        page_rules.cpuid_xf,
        messages=("not yet implemented: unsupported IgvmPageDataType",),
    )
    yield LoaderRule(
        "context-overlap",
        ERROR,
        "{who} imports the context of vCPU 0 like a page with data, and none of them twice",
        f"{CH_IGVM}; vmm/src/igvm/loader.rs",
        order_rules.context_overlap,
        messages=("overlaps with existing import region {region}",),
    )
    yield LoaderRule(
        "no-context",
        ERROR,
        "{who} sets up vCPU 0 from the VMSA of the file only",
        CH_IGVM,
        start_rules.no_context,
    )
    yield LoaderRule(
        "id-block-twice",
        ERROR,
        "{who} ends at a second ID block",
        CH_IGVM,
        identity_rules.id_block_twice,
        messages=("multiple SNP ID blocks in IGVM file",),
    )
