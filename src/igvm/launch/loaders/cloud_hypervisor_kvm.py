"""Cloud Hypervisor on KVM (vmm/src/igvm/igvm_loader.rs)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.kernel_hashes import with_hashes
from igvm.launch.kvm.rules import KVM_SEV, kvm_rules
from igvm.launch.kvm.vcpu_rows import with_kvm_contexts
from igvm.launch.kvm.vmm import BASIC, VMM
from igvm.launch.loader import Loader
from igvm.launch.programs.cloud_hypervisor import (
    CH_IGVM,
    CH_MEMORY,
    CH_ON_KVM,
    IGNORED,
    SOURCE,
    UNKNOWN,
    shared_rules,
    with_its_pages,
)
from igvm.launch.programs.ovmf import ovmf_rules
from igvm.launch.shaping import empty_pages_as
from igvm.spec.enums import PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest

NAME = "cloud-hypervisor-kvm"

CLOUD_HYPERVISOR = VMM(
    name="Cloud Hypervisor",
    taken=BASIC,
    own_reset=False,
    widest_table=0xFFFF,
    first_features=True,
)


def shape(plan: LaunchPlan, request: PlanRequest) -> LaunchPlan:
    """File order, empty pages as SNP's own zero pages, VMSAs by KVM at the end.

    It sets a vCPU's general, segment and control registers from the file's context. All else,
    and all of a vCPU without a context, is as KVM resets it, whatever the processor model.

    Refused are what it panics on, and contexts that it or KVM does not take.
    """
    plan = empty_pages_as(with_its_pages(plan), Operation.ZERO)
    if request.hashes is not None:
        plan = with_hashes(plan, request.hashes)
    return with_kvm_contexts(plan, request, CLOUD_HYPERVISOR)


def rules() -> Iterator[LoaderRule]:
    """Why Cloud Hypervisor on KVM would not start a file, and what it ignores or changes."""
    from igvm.launch.lint.loader_rule import ERROR, NOTE, WARNING, LoaderRule
    from igvm.launch.rules import (
        address_rules,
        identity_rules,
        order_rules,
        page_rules,
        start_rules,
        vmsa_rules,
    )

    yield LoaderRule(
        "page-cpuid",
        NOTE,
        "{who} puts its own table into CPUID pages, whatever the file has there",
        CH_IGVM,
        page_rules.cpuid_replaced,
    )
    yield LoaderRule(
        "overlap",
        ERROR,
        "{who} and KVM do not import a page twice",
        f"{CH_MEMORY}; {KVM_SEV}",
        order_rules.overlap,
        messages=("overlaps with existing import region {region}",),
    )
    yield LoaderRule(
        "outside-ram",
        ERROR,
        "{who} on KVM loads into RAM only, which is below 3 GiB, above 4 GiB, and 4 MiB "
        "for firmware just below 4 GiB",
        f"{CH_IGVM}; vmm/src/vm.rs",
        address_rules.outside_ram,
        messages=("memory unavailable",),
    )
    yield LoaderRule(
        "vp-index",
        NOTE,
        "{who} ignores the context of a vCPU that the guest does not have",
        CH_IGVM,
        start_rules.highest_vp_index,
    )
    yield LoaderRule(
        "context-twice",
        WARNING,
        "of several contexts for one vCPU {who} takes the last",
        CH_IGVM,
        start_rules.ch_context_twice,
    )
    yield LoaderRule(
        "vmsa-gpa",
        ERROR,
        "{who} on KVM writes the VMSA of vCPU 0 into the guest's memory at its gpa",
        f"{CH_IGVM}; vmm/src/vm.rs",
        vmsa_rules.ram_vmsa_gpa,
    )
    yield LoaderRule(
        "vmsa-limit",
        ERROR,
        "{who} on KVM ends where the limit of GDTR or IDTR is larger than 0xffff",
        CH_ON_KVM,
        vmsa_rules.vmsa_limit,
        messages=("Error applying VMSA to vCPU registers: {reason}",),
    )
    yield LoaderRule(
        "vmsa-field",
        WARNING,
        "{who} sets segments, general registers, RIP, RFLAGS, CR0, CR3, CR4, EFER and SEV_FEATURES "
        "from the VMSA and ignores the rest",
        CH_ON_KVM,
        vmsa_rules.ch_vmsa_field,
    )
    yield LoaderRule(
        "sev-features-host",
        NOTE,
        "{who} ends where the host's KVM does not support a bit of SEV_FEATURES",
        f"{CH_IGVM}; {KVM_SEV}",
        vmsa_rules.host_features,
    )
    yield LoaderRule(
        "sev-features-others",
        WARNING,
        "{who} takes SEV_FEATURES of the first context for vCPU 0, and KVM gives them to all vCPUs",
        CH_IGVM,
        vmsa_rules.other_features,
    )
    yield LoaderRule(
        "id-block-version",
        WARNING,
        "{who} on KVM gives every ID block version 1",
        "cloud-hypervisor ae44c29, hypervisor/src/kvm/x86_64/sev.rs",
        identity_rules.id_block_version,
    )
    yield LoaderRule(
        "policy-default",
        NOTE,
        "without a policy {who} on KVM launches with 0x30000",
        f"{CH_IGVM}; vmm/src/vm.rs",
        identity_rules.no_policy,
    )
    yield LoaderRule(
        "policy-twice",
        WARNING,
        "of several policies {who} on KVM takes the first that is not 0",
        CH_IGVM,
        identity_rules.policy_twice,
    )
    yield from shared_rules()
    yield from kvm_rules(CLOUD_HYPERVISOR)
    yield from ovmf_rules()


LOADER = Loader(
    name=NAME,
    program="Cloud Hypervisor",
    title="Cloud Hypervisor (ae44c29) with KVM and SEV-SNP",
    source=SOURCE,
    platforms=(PlatformType.SEV_SNP,),
    crate="0.4",
    takes_id_block=True,
    unknown=UNKNOWN,
    ignored=IGNORED,
    shape=shape,
    rules=rules,
    parameters=("vcpus", "sev_features", "hashes"),
    takes_hashes=True,
    vmm=CLOUD_HYPERVISOR,
)
