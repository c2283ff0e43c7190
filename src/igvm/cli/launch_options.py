"""The options that say which launch is meant: platform, loader, vCPUs, processor and the like."""

from __future__ import annotations

from igvm.cli.launch_values import (
    Digest,
    HostChoice,
    MachineName,
    MemorySize,
    Processor,
    Realm,
    VcpuNumbers,
)
from igvm.cli.option_records import LAUNCH, Argument, Option
from igvm.cli.values import EnumName, FilePath, Group, Hexadecimal, Name, Value


def _loader_names() -> tuple[str, ...]:
    from igvm.launch.loader_table import loader_names

    return loader_names()


def loader_families() -> tuple[str, ...]:
    """Words that stand for several loaders."""
    from igvm.launch.loader_table import FAMILIES

    return FAMILIES


DIGEST = Argument("digest", "DIGEST", Digest())

PLATFORM = Option(
    "platform",
    ("--platform",),
    "Only this platform: native, vbs, snp, tdx, sev, sev-es or cca, or as the specification "
    "writes it, such as SEV_SNP.",
    EnumName("PlatformType", "platform", aliases={"SNP": "SEV_SNP", "VBS": "VSM_ISOLATION"}),
    metavar="NAME",
    multiple=True,
    group=LAUNCH,
)
LOADER = Option(
    "loader",
    ("--loader",),
    "What loads the file: {names}; or qemu, cloud-hypervisor or all for every one of that kind.",
    Group("loader", _loader_names, families=loader_families),
    metavar="NAME",
    multiple=True,
    group=LAUNCH,
)
VCPUS = Option(
    "vcpus",
    ("--vcpus",),
    "How many vCPUs there are, for loaders that measure each; several numbers as 1,2,4 or 1-8.",
    VcpuNumbers(),
    metavar="N[,N...]",
    group=LAUNCH,
)
CPU = Option(
    "cpu",
    ("--cpu",),
    "The processor of vCPUs that the file does not describe: a model of QEMU, such as EPYC-Milan; "
    "a real one, such as host:genoa, as a guest sees it with -cpu host; or a CPU signature. Real "
    "ones: {names}; of several signatures that of production.",
    Processor(),
    metavar="MODEL|host:NAME|0xSIG",
    group=LAUNCH,
)
SEV_FEATURES = Option(
    "sev_features",
    ("--sev-features",),
    "SEV_FEATURES that KVM sets, where they are not those of the file.",
    Hexadecimal(),
    metavar="HEX",
    group=LAUNCH,
)
KERNEL = Option(
    "kernel",
    ("--kernel",),
    "A kernel whose hash the loader measures.",
    FilePath(),
    metavar="PATH",
    group=LAUNCH,
)
INITRD = Option("initrd", ("--initrd",), "Its initrd.", FilePath(), metavar="PATH", group=LAUNCH)
APPEND = Option(
    "append",
    ("--append",),
    "Its command line; @PATH reads it from a file.",
    Value(),
    metavar="TEXT",
    group=LAUNCH,
)
REALM = Option(
    "realm",
    ("--realm",),
    "What the VMM chooses for a Realm: s2sz, sve_vl, num_bps, num_wps, pmu_num_ctrs, flags, "
    "ripas=BASE-TOP for each range of RAM, rmm=2.0. A range is split into the largest aligned "
    "blocks of 4 KiB, 2 MiB, 1 GiB and 512 GiB, as KVM does; blocks of a host that splits "
    "otherwise are given one by one.",
    Realm(),
    metavar="s2sz=N,...",
    group=LAUNCH,
)
HOST = Option(
    "host",
    ("--host",),
    "What the host does otherwise than the loader, as `igvm find` says it, such as fpu=none or "
    "empty-pages=zero.",
    HostChoice(),
    metavar="AXIS=VALUE",
    multiple=True,
    group=LAUNCH,
)
FIRMWARE = Option(
    "firmware",
    ("--firmware",),
    "Firmware such as OVMF.fd that QEMU is given by -bios, in place of FILE; its loader is "
    "qemu-bios.",
    FilePath(),
    metavar="PATH",
    group=LAUNCH,
)
SNP_OVMF_HASH = Option(
    "snp_ovmf_hash",
    ("--snp-ovmf-hash",),
    "The SEV-SNP digest after the firmware's pages, in place of them.",
    Digest(),
    metavar="HEX",
    group=LAUNCH,
)
PRINT_SNP_OVMF_HASH = Option(
    "print_snp_ovmf_hash",
    ("--print-snp-ovmf-hash",),
    "Print the digest for --snp-ovmf-hash and nothing else.",
)
ENCODING = Option(
    "encoding",
    ("--encoding",),
    "How --bare prints a digest: {names}.",
    Name("encoding", ("hex", "base64")),
    metavar="NAME",
    default="hex",
)
DUMP_VMSA = Option(
    "dump_vmsa",
    ("--dump-vmsa",),
    "Write the measured VMSAs to the folder DIR, as vmsa0.bin, vmsa1.bin and so on.",
    FilePath(),
    metavar="DIR",
)
MACHINE = Option(
    "machine",
    ("--machine",),
    "The machine that QEMU makes: q35, pc, microvm or isapc, with ,vga=none for -vga none or "
    "-nodefaults. q35 with its VGA adapter is assumed.",
    MachineName(),
    metavar="NAME[,vga=none]",
    group=LAUNCH,
)
MEMORY = Option(
    "memory",
    ("--memory",),
    "How much memory it has, such as 512M or 2G; 128M is assumed, as by QEMU.",
    MemorySize(),
    metavar="SIZE",
    group=LAUNCH,
)
BARE = Option(
    "bare",
    ("--bare",),
    "Print the digest and nothing else; of several, PLATFORM LOADER DIGEST in a line each.",
)
EXPECT = Option(
    "expect", ("--expect",), "Exit with 1 unless a digest is this one.", Digest(), metavar="HEX"
)
IGNORE_ID_BLOCK = Option(
    "ignore_id_block",
    ("--ignore-id-block",),
    "Say whose digest an ID block or a VBS measurement of the file has, and exit as if it were "
    "this one.",
)
EVERY_PAGE = Option("every_page", ("--every-page",), "Show runs of pages one by one.")

LAUNCH_OPTIONS = (
    PLATFORM,
    LOADER,
    VCPUS,
    CPU,
    SEV_FEATURES,
    KERNEL,
    INITRD,
    APPEND,
    REALM,
)
"""What every verb takes that is about launches."""

HOSTED_LAUNCH_OPTIONS = (*LAUNCH_OPTIONS, HOST)
"""The same, for verbs that look at one launch, or at each."""

REFERENCE_LAUNCH_OPTIONS = tuple(
    option._replace(default="reference") if option is LOADER else option
    for option in HOSTED_LAUNCH_OPTIONS
)
"""The same, for verbs that take the reference where no loader is given."""
