# Written by scripts/public_names.py from the table in __init__.py.

from igvm import checks as checks, errors as errors, file as file, launch as launch, measurement as measurement, recipes as recipes, report as report, sources as sources, spec as spec, storage as storage, wire as wire, write as write
from igvm._version import __version__ as __version__
from igvm.checks import check as check
from igvm.checks.finding import Finding as Finding, Severity as Severity
from igvm.checks.strict_reading import open as open, parse as parse
from igvm.errors import FormatError as FormatError, IgvmError as IgvmError, LoadError as LoadError, MeasurementError as MeasurementError, SaveError as SaveError, SigningError as SigningError, ToolError as ToolError, ValidationError as ValidationError
from igvm.file.context import VBSContext as VBSContext
from igvm.file.header import Header as Header
from igvm.file.inside import open_inside as open_inside
from igvm.file.platforms import Platform as Platform, Platforms as Platforms
from igvm.file.table import Table as Table
from igvm.file.view import HeaderView as HeaderView, IgvmFile as IgvmFile
from igvm.launch.axes import Axis as Axis, Choice as Choice
from igvm.launch.equivalence import equivalent as equivalent
from igvm.launch.kernel_hashes import KernelHashes as KernelHashes
from igvm.launch.loader import Loader as Loader
from igvm.launch.loader_table import loaders as loaders
from igvm.launch.machine import Machine as Machine
from igvm.launch.plan import LaunchPlan as LaunchPlan, Missing as Missing, Refusal as Refusal, Row as Row
from igvm.launch.planning import plan as plan
from igvm.measurement.endorsed_digests import EndorsedDigest as EndorsedDigest, endorsed_digests as endorsed_digests
from igvm.measurement.explain import Step as Step, explain as explain
from igvm.measurement.first_difference import Difference as Difference, FieldDifference as FieldDifference, Place as Place, first_difference as first_difference
from igvm.measurement.lint import lint as lint
from igvm.measurement.measure import Measurement as Measurement, measure as measure, measure_all as measure_all, measure_plan as measure_plan, measure_plans as measure_plans
from igvm.measurement.page_cache import ContentCache as ContentCache
from igvm.measurement.realm import RealmParameters as RealmParameters
from igvm.measurement.search.find import Match as Match, Search as Search, find as find
from igvm.measurement.sev_launch_measurement import launch_measurement as launch_measurement
from igvm.measurement.tdinfo import TDInfo as TDInfo, rtmr_extend as rtmr_extend
from igvm.recipes.bare_firmware import open_firmware as open_firmware, parse_firmware as parse_firmware
from igvm.spec.context import CCAContext as CCAContext, HvSegmentRegister as HvSegmentRegister, HvTableRegister as HvTableRegister, NativeContextX64 as NativeContextX64, VBSContextHeader as VBSContextHeader, VBSRegister as VBSRegister
from igvm.spec.directive import CommandLine as CommandLine, DeviceTree as DeviceTree, EnvironmentInfo as EnvironmentInfo, ErrorRange as ErrorRange, MADT as MADT, MMIORanges as MMIORanges, MemoryMap as MemoryMap, PPTT as PPTT, PageData as PageData, Parameter as Parameter, ParameterArea as ParameterArea, ParameterInsert as ParameterInsert, RequiredMemory as RequiredMemory, SLIT as SLIT, SNPIDBlock as SNPIDBlock, SRAT as SRAT, VBSMeasurement as VBSMeasurement, VPContext as VPContext, VPCount as VPCount
from igvm.spec.enums import Architecture as Architecture, CCAHashAlgorithm as CCAHashAlgorithm, CCALfaPolicy as CCALfaPolicy, EnvironmentInfoFlags as EnvironmentInfoFlags, HeaderType as HeaderType, MemoryMapEntryType as MemoryMapEntryType, PageDataFlags as PageDataFlags, PageDataType as PageDataType, PlatformType as PlatformType, RelocatableRegionFlags as RelocatableRegionFlags, RequiredMemoryFlags as RequiredMemoryFlags, Section as Section, VBSDigestAlgorithm as VBSDigestAlgorithm, VBSSigningAlgorithm as VBSSigningAlgorithm
from igvm.spec.fixed import FixedHeaderV1 as FixedHeaderV1, FixedHeaderV2 as FixedHeaderV2, VariableHeader as VariableHeader
from igvm.spec.hyperv import HvArm64Register as HvArm64Register, HvX64Register as HvX64Register
from igvm.spec.initialization import CCAPolicy as CCAPolicy, CorimDocument as CorimDocument, CorimSignature as CorimSignature, GuestPolicy as GuestPolicy, PageTableRelocation as PageTableRelocation, RelocatableRegion as RelocatableRegion, VersionString as VersionString
from igvm.spec.operations import Operation as Operation
from igvm.spec.payload import EnvironmentInfoPayload as EnvironmentInfoPayload, MMIORangesPayload as MMIORangesPayload, MemoryMapEntry as MemoryMapEntry, MemoryRange as MemoryRange, VPCountPayload as VPCountPayload
from igvm.spec.platform import SupportedPlatform as SupportedPlatform
from igvm.spec.policy import CCAAttributes as CCAAttributes, SNPPolicy as SNPPolicy, TDXPolicy as TDXPolicy
from igvm.spec.registry import UnknownHeader as UnknownHeader
from igvm.spec.snp_structures import CPUIDEntry as CPUIDEntry, CPUIDPage as CPUIDPage, SNPPublicKey as SNPPublicKey, SNPSignature as SNPSignature, SecretsPage as SecretsPage
from igvm.spec.vmsa import SEVEventInjectInfo as SEVEventInjectInfo, SEVFeatures as SEVFeatures, SEVSelector as SEVSelector, SEVVMSA as SEVVMSA, SEVVirtualInterruptControl as SEVVirtualInterruptControl
from igvm.write.builder import Builder as Builder
from igvm.write.canonical import canonical as canonical

__all__ = ["Architecture", "Axis", "Builder", "CCAAttributes", "CCAContext", "CCAHashAlgorithm", "CCALfaPolicy", "CCAPolicy", "CPUIDEntry", "CPUIDPage", "Choice", "CommandLine", "ContentCache", "CorimDocument", "CorimSignature", "DeviceTree", "Difference", "EndorsedDigest", "EnvironmentInfo", "EnvironmentInfoFlags", "EnvironmentInfoPayload", "ErrorRange", "FieldDifference", "Finding", "FixedHeaderV1", "FixedHeaderV2", "FormatError", "GuestPolicy", "Header", "HeaderType", "HeaderView", "HvArm64Register", "HvSegmentRegister", "HvTableRegister", "HvX64Register", "IgvmError", "IgvmFile", "KernelHashes", "LaunchPlan", "LoadError", "Loader", "MADT", "MMIORanges", "MMIORangesPayload", "Machine", "Match", "Measurement", "MeasurementError", "MemoryMap", "MemoryMapEntry", "MemoryMapEntryType", "MemoryRange", "Missing", "NativeContextX64", "Operation", "PPTT", "PageData", "PageDataFlags", "PageDataType", "PageTableRelocation", "Parameter", "ParameterArea", "ParameterInsert", "Place", "Platform", "PlatformType", "Platforms", "RealmParameters", "Refusal", "RelocatableRegion", "RelocatableRegionFlags", "RequiredMemory", "RequiredMemoryFlags", "Row", "SEVEventInjectInfo", "SEVFeatures", "SEVSelector", "SEVVMSA", "SEVVirtualInterruptControl", "SLIT", "SNPIDBlock", "SNPPolicy", "SNPPublicKey", "SNPSignature", "SRAT", "SaveError", "Search", "SecretsPage", "Section", "Severity", "SigningError", "Step", "SupportedPlatform", "TDInfo", "TDXPolicy", "Table", "ToolError", "UnknownHeader", "VBSContext", "VBSContextHeader", "VBSDigestAlgorithm", "VBSMeasurement", "VBSRegister", "VBSSigningAlgorithm", "VPContext", "VPCount", "VPCountPayload", "ValidationError", "VariableHeader", "VersionString", "__version__", "canonical", "check", "endorsed_digests", "equivalent", "explain", "find", "first_difference", "launch_measurement", "lint", "loaders", "measure", "measure_all", "measure_plan", "measure_plans", "open", "open_firmware", "open_inside", "parse", "parse_firmware", "plan", "rtmr_extend"]
