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

from typing import TYPE_CHECKING

from igvm._version import __version__

if TYPE_CHECKING:
    from igvm.checks import check
    from igvm.checks.finding import Finding, Severity
    from igvm.checks.strict_reading import open, parse  # noqa: A004 - the names that users know
    from igvm.errors import (
        FormatError,
        IgvmError,
        LoadError,
        MeasurementError,
        SaveError,
        SigningError,
        ToolError,
        ValidationError,
    )
    from igvm.file.context import VBSContext
    from igvm.file.header import Header
    from igvm.file.table import Table
    from igvm.file.view import HeaderView, IgvmFile
    from igvm.launch.hashes import KernelHashes
    from igvm.launch.lint import lint
    from igvm.launch.loaders import loaders
    from igvm.launch.plan import LaunchPlan, Operation
    from igvm.launch.planning import plan
    from igvm.measurement.cache import ContentCache
    from igvm.measurement.cca import RealmParameters
    from igvm.measurement.measure import Measurement, measure, measure_plan, measure_plans
    from igvm.measurement.tdinfo import TDInfo, rtmr_extend
    from igvm.spec.context import (
        CCAContext,
        HvSegmentRegister,
        HvTableRegister,
        NativeContextX64,
        VBSContextHeader,
        VBSRegister,
    )
    from igvm.spec.directive import (
        MADT,
        PPTT,
        SLIT,
        SRAT,
        CommandLine,
        DeviceTree,
        EnvironmentInfo,
        ErrorRange,
        MemoryMap,
        MMIORanges,
        PageData,
        Parameter,
        ParameterArea,
        ParameterInsert,
        RequiredMemory,
        SNPIDBlock,
        VBSMeasurement,
        VPContext,
        VPCount,
    )
    from igvm.spec.enums import (
        Architecture,
        CCAHashAlgorithm,
        CCALfaPolicy,
        EnvironmentInfoFlags,
        HeaderType,
        MemoryMapEntryType,
        PageDataFlags,
        PageDataType,
        PlatformType,
        RelocatableRegionFlags,
        RequiredMemoryFlags,
        Section,
        VBSDigestAlgorithm,
        VBSSigningAlgorithm,
    )
    from igvm.spec.fixed import FixedHeaderV1, FixedHeaderV2, VariableHeader
    from igvm.spec.hyperv import HvArm64Register, HvX64Register
    from igvm.spec.initialization import (
        CCAPolicy,
        CorimDocument,
        CorimSignature,
        GuestPolicy,
        PageTableRelocation,
        RelocatableRegion,
        VersionString,
    )
    from igvm.spec.payload import (
        EnvironmentInfoPayload,
        MemoryMapEntry,
        MemoryRange,
        MMIORangesPayload,
        VPCountPayload,
    )
    from igvm.spec.platform import SupportedPlatform
    from igvm.spec.policy import CCAAttributes, SNPPolicy, TDXPolicy
    from igvm.spec.registry import UnknownHeader
    from igvm.spec.snp import CPUIDEntry, CPUIDPage, SecretsPage, SNPPublicKey, SNPSignature
    from igvm.spec.vmsa import SEVVMSA, SEVFeatures, SEVSelector
    from igvm.write.builder import Builder
    from igvm.write.canonical import canonical

_HOME = {
    "FormatError": "igvm.errors",
    "IgvmError": "igvm.errors",
    "LoadError": "igvm.errors",
    "MeasurementError": "igvm.errors",
    "SaveError": "igvm.errors",
    "SigningError": "igvm.errors",
    "ToolError": "igvm.errors",
    "ValidationError": "igvm.errors",
    "Builder": "igvm.write.builder",
    "canonical": "igvm.write.canonical",
    "check": "igvm.checks",
    "Finding": "igvm.checks.finding",
    "Severity": "igvm.checks.finding",
    "VBSContext": "igvm.file.context",
    "Header": "igvm.file.header",
    "Table": "igvm.file.table",
    "HeaderView": "igvm.file.view",
    "IgvmFile": "igvm.file.view",
    "open": "igvm.checks.strict_reading",
    "parse": "igvm.checks.strict_reading",
    "plan": "igvm.launch.planning",
    "LaunchPlan": "igvm.launch.plan",
    "Operation": "igvm.launch.plan",
    "loaders": "igvm.launch.loaders",
    "KernelHashes": "igvm.launch.hashes",
    "lint": "igvm.launch.lint",
    "Measurement": "igvm.measurement.measure",
    "measure": "igvm.measurement.measure",
    "measure_plan": "igvm.measurement.measure",
    "measure_plans": "igvm.measurement.measure",
    "ContentCache": "igvm.measurement.cache",
    "RealmParameters": "igvm.measurement.cca",
    "TDInfo": "igvm.measurement.tdinfo",
    "rtmr_extend": "igvm.measurement.tdinfo",
    "CCAContext": "igvm.spec.context",
    "HvSegmentRegister": "igvm.spec.context",
    "HvTableRegister": "igvm.spec.context",
    "NativeContextX64": "igvm.spec.context",
    "VBSContextHeader": "igvm.spec.context",
    "VBSRegister": "igvm.spec.context",
    "CommandLine": "igvm.spec.directive",
    "DeviceTree": "igvm.spec.directive",
    "EnvironmentInfo": "igvm.spec.directive",
    "ErrorRange": "igvm.spec.directive",
    "MADT": "igvm.spec.directive",
    "MMIORanges": "igvm.spec.directive",
    "MemoryMap": "igvm.spec.directive",
    "PPTT": "igvm.spec.directive",
    "PageData": "igvm.spec.directive",
    "Parameter": "igvm.spec.directive",
    "ParameterArea": "igvm.spec.directive",
    "ParameterInsert": "igvm.spec.directive",
    "RequiredMemory": "igvm.spec.directive",
    "SLIT": "igvm.spec.directive",
    "SNPIDBlock": "igvm.spec.directive",
    "SRAT": "igvm.spec.directive",
    "VBSMeasurement": "igvm.spec.directive",
    "VPContext": "igvm.spec.directive",
    "VPCount": "igvm.spec.directive",
    "Architecture": "igvm.spec.enums",
    "CCAHashAlgorithm": "igvm.spec.enums",
    "CCALfaPolicy": "igvm.spec.enums",
    "EnvironmentInfoFlags": "igvm.spec.enums",
    "HeaderType": "igvm.spec.enums",
    "MemoryMapEntryType": "igvm.spec.enums",
    "PageDataFlags": "igvm.spec.enums",
    "PageDataType": "igvm.spec.enums",
    "PlatformType": "igvm.spec.enums",
    "RelocatableRegionFlags": "igvm.spec.enums",
    "RequiredMemoryFlags": "igvm.spec.enums",
    "Section": "igvm.spec.enums",
    "VBSDigestAlgorithm": "igvm.spec.enums",
    "VBSSigningAlgorithm": "igvm.spec.enums",
    "FixedHeaderV1": "igvm.spec.fixed",
    "FixedHeaderV2": "igvm.spec.fixed",
    "VariableHeader": "igvm.spec.fixed",
    "HvArm64Register": "igvm.spec.hyperv",
    "HvX64Register": "igvm.spec.hyperv",
    "CCAPolicy": "igvm.spec.initialization",
    "CorimDocument": "igvm.spec.initialization",
    "CorimSignature": "igvm.spec.initialization",
    "GuestPolicy": "igvm.spec.initialization",
    "PageTableRelocation": "igvm.spec.initialization",
    "RelocatableRegion": "igvm.spec.initialization",
    "VersionString": "igvm.spec.initialization",
    "EnvironmentInfoPayload": "igvm.spec.payload",
    "MMIORangesPayload": "igvm.spec.payload",
    "MemoryMapEntry": "igvm.spec.payload",
    "MemoryRange": "igvm.spec.payload",
    "VPCountPayload": "igvm.spec.payload",
    "SupportedPlatform": "igvm.spec.platform",
    "CCAAttributes": "igvm.spec.policy",
    "SNPPolicy": "igvm.spec.policy",
    "TDXPolicy": "igvm.spec.policy",
    "UnknownHeader": "igvm.spec.registry",
    "CPUIDEntry": "igvm.spec.snp",
    "CPUIDPage": "igvm.spec.snp",
    "SNPPublicKey": "igvm.spec.snp",
    "SNPSignature": "igvm.spec.snp",
    "SecretsPage": "igvm.spec.snp",
    "SEVFeatures": "igvm.spec.vmsa",
    "SEVSelector": "igvm.spec.vmsa",
    "SEVVMSA": "igvm.spec.vmsa",
}

__all__ = [  # noqa: RUF022 - as sorted() has it
    "Architecture",
    "Builder",
    "CCAAttributes",
    "CCAContext",
    "CCAHashAlgorithm",
    "CCALfaPolicy",
    "CCAPolicy",
    "CPUIDEntry",
    "CPUIDPage",
    "CommandLine",
    "ContentCache",
    "CorimDocument",
    "CorimSignature",
    "DeviceTree",
    "EnvironmentInfo",
    "EnvironmentInfoFlags",
    "EnvironmentInfoPayload",
    "ErrorRange",
    "Finding",
    "FixedHeaderV1",
    "FixedHeaderV2",
    "FormatError",
    "GuestPolicy",
    "Header",
    "HeaderType",
    "HeaderView",
    "HvArm64Register",
    "HvSegmentRegister",
    "HvTableRegister",
    "HvX64Register",
    "IgvmError",
    "IgvmFile",
    "KernelHashes",
    "LaunchPlan",
    "LoadError",
    "MADT",
    "MMIORanges",
    "MMIORangesPayload",
    "Measurement",
    "MeasurementError",
    "MemoryMap",
    "MemoryMapEntry",
    "MemoryMapEntryType",
    "MemoryRange",
    "NativeContextX64",
    "Operation",
    "PPTT",
    "PageData",
    "PageDataFlags",
    "PageDataType",
    "PageTableRelocation",
    "Parameter",
    "ParameterArea",
    "ParameterInsert",
    "PlatformType",
    "RealmParameters",
    "RelocatableRegion",
    "RelocatableRegionFlags",
    "RequiredMemory",
    "RequiredMemoryFlags",
    "SEVFeatures",
    "SEVSelector",
    "SEVVMSA",
    "SLIT",
    "SNPIDBlock",
    "SNPPolicy",
    "SNPPublicKey",
    "SNPSignature",
    "SRAT",
    "SaveError",
    "SecretsPage",
    "Section",
    "Severity",
    "SigningError",
    "SupportedPlatform",
    "TDInfo",
    "TDXPolicy",
    "Table",
    "ToolError",
    "UnknownHeader",
    "VBSContext",
    "VBSContextHeader",
    "VBSDigestAlgorithm",
    "VBSMeasurement",
    "VBSRegister",
    "VBSSigningAlgorithm",
    "VPContext",
    "VPCount",
    "VPCountPayload",
    "ValidationError",
    "VariableHeader",
    "VersionString",
    "__version__",
    "canonical",
    "check",
    "lint",
    "measure",
    "measure_plan",
    "measure_plans",
    "open",
    "parse",
    "plan",
    "loaders",
    "rtmr_extend",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
