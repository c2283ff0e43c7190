"""igvm: read, check, measure, build and rewrite Independent Guest Virtual Machine files.

```python
import igvm

with igvm.open("guest.igvm") as file:
    for platform in file.platforms:
        print(platform, igvm.measure(file, platform).digest.hex())
    pages = file.table(igvm.PageData)
    print(len(pages), "pages up to", hex(pages["gpa"].max()))
    for finding in igvm.check(file):
        print(finding)
```

Everything here is loaded when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from igvm._version import __version__ as __version__
from igvm.lazy_names import lazy_names

# Where each public name lives; `__init__.pyi`, which type checkers read, is made from it by
# scripts/public_names.py.
_PUBLIC = {
    "checks": ("check",),
    "checks.finding": (
        "Finding",
        "Severity",
    ),
    "checks.strict_reading": (
        "open",
        "parse",
    ),
    "errors": (
        "FormatError",
        "IgvmError",
        "LoadError",
        "MeasurementError",
        "SaveError",
        "SigningError",
        "ToolError",
        "ValidationError",
    ),
    "file.context": ("VBSContext",),
    "file.header": ("Header",),
    "file.inside": ("open_inside",),
    "file.platforms": (
        "Platform",
        "Platforms",
    ),
    "file.table": ("Table",),
    "file.view": (
        "HeaderView",
        "IgvmFile",
    ),
    "launch.axes": (
        "Axis",
        "Choice",
    ),
    "launch.equivalence": ("equivalent",),
    "launch.kernel_hashes": ("KernelHashes",),
    "launch.loader": ("Loader",),
    "launch.loader_table": ("loaders",),
    "launch.machine": ("Machine",),
    "launch.plan": (
        "LaunchPlan",
        "Missing",
        "Refusal",
        "Row",
    ),
    "launch.planning": ("plan",),
    "measurement.endorsed_digests": (
        "EndorsedDigest",
        "endorsed_digests",
    ),
    "measurement.explain": (
        "Step",
        "explain",
    ),
    "measurement.first_difference": (
        "Difference",
        "FieldDifference",
        "Place",
        "first_difference",
    ),
    "measurement.lint": ("lint",),
    "measurement.measure": (
        "Measurement",
        "measure",
        "measure_all",
        "measure_plan",
        "measure_plans",
    ),
    "measurement.page_cache": ("ContentCache",),
    "measurement.realm": ("RealmParameters",),
    "measurement.search.find": (
        "Match",
        "Search",
        "find",
    ),
    "measurement.sev_launch_measurement": ("launch_measurement",),
    "measurement.tdinfo": (
        "TDInfo",
        "rtmr_extend",
    ),
    "recipes.bare_firmware": (
        "open_firmware",
        "parse_firmware",
    ),
    "spec.context": (
        "CCAContext",
        "HvSegmentRegister",
        "HvTableRegister",
        "NativeContextX64",
        "VBSContextHeader",
        "VBSRegister",
    ),
    "spec.directive": (
        "CommandLine",
        "DeviceTree",
        "EnvironmentInfo",
        "ErrorRange",
        "MADT",
        "MMIORanges",
        "MemoryMap",
        "PPTT",
        "PageData",
        "Parameter",
        "ParameterArea",
        "ParameterInsert",
        "RequiredMemory",
        "SLIT",
        "SNPIDBlock",
        "SRAT",
        "VBSMeasurement",
        "VPContext",
        "VPCount",
    ),
    "spec.enums": (
        "Architecture",
        "CCAHashAlgorithm",
        "CCALfaPolicy",
        "EnvironmentInfoFlags",
        "HeaderType",
        "MemoryMapEntryType",
        "PageDataFlags",
        "PageDataType",
        "PlatformType",
        "RelocatableRegionFlags",
        "RequiredMemoryFlags",
        "Section",
        "VBSDigestAlgorithm",
        "VBSSigningAlgorithm",
    ),
    "spec.fixed": (
        "FixedHeaderV1",
        "FixedHeaderV2",
        "VariableHeader",
    ),
    "spec.hyperv": (
        "HvArm64Register",
        "HvX64Register",
    ),
    "spec.initialization": (
        "CCAPolicy",
        "CorimDocument",
        "CorimSignature",
        "GuestPolicy",
        "PageTableRelocation",
        "RelocatableRegion",
        "VersionString",
    ),
    "spec.operations": ("Operation",),
    "spec.payload": (
        "EnvironmentInfoPayload",
        "MMIORangesPayload",
        "MemoryMapEntry",
        "MemoryRange",
        "VPCountPayload",
    ),
    "spec.platform": ("SupportedPlatform",),
    "spec.policy": (
        "CCAAttributes",
        "SNPPolicy",
        "TDXPolicy",
    ),
    "spec.registry": ("UnknownHeader",),
    "spec.snp_structures": (
        "CPUIDEntry",
        "CPUIDPage",
        "SNPPublicKey",
        "SNPSignature",
        "SecretsPage",
    ),
    "spec.vmsa": (
        "SEVEventInjectInfo",
        "SEVFeatures",
        "SEVSelector",
        "SEVVMSA",
        "SEVVirtualInterruptControl",
    ),
    "write.builder": ("Builder",),
    "write.canonical": ("canonical",),
}

_ROOMS = (
    "checks",
    "errors",
    "file",
    "launch",
    "measurement",
    "recipes",
    "report",
    "sources",
    "spec",
    "storage",
    "wire",
    "write",
)

__getattr__, __dir__, __all__ = lazy_names(__name__, _PUBLIC, _ROOMS, ("__version__",))
