"""Files that break the rules about directives, by the rule they break."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import igvm
from tests.small_files import raw
from tests.small_files.contents import REC, RESET_VMSA, cpuid_leaves, padded
from tests.small_files.sound_files import (
    CS,
    KEY,
    NATIVE_CONTEXT,
    NATIVE_GUEST,
    REALM,
    REGISTERS,
    SIGNATURE,
    SNP_GUEST,
    VBS_GUEST,
    X64,
    at,
)

if TYPE_CHECKING:
    from tests.checks.examples_file import Example
    from tests.small_files.sound_files import NamedFile

Flags = igvm.PageDataFlags
Kind = igvm.PlatformType


def _sev_es() -> igvm.SupportedPlatform:
    return igvm.SupportedPlatform(compatibility_mask=2, platform_type=Kind.SEV_ES)


def _registers(*more: tuple[int, int | bytes], vtl: int = 2) -> bytes:
    return raw.register_list(*REGISTERS, *more, vtl=vtl)


PAGE: dict[str, Example] = {
    "page-alignment": (SNP_GUEST.but(zero={"gpa": 0x6800}), set()),
    "page-2mb-alignment": (SNP_GUEST.but(large={"gpa": 0x201000}), set()),
    "page-2mb-data": (SNP_GUEST.but(large={"file_offset": at("page")}), set()),
    "page-type": (SNP_GUEST.but(zero={"data_type": igvm.PageDataType(4)}), set()),
    "page-type-platform": (NATIVE_GUEST.but(page={"data_type": igvm.PageDataType.CPUID_XF}), set()),
    "page-secrets-data": (SNP_GUEST.but(secrets={"file_offset": at("page")}), set()),
    "page-unmeasured-shared": (SNP_GUEST.but(shared={"flags": Flags(6)}), set()),
    "page-special-flags": (SNP_GUEST.but(cpuid={"flags": Flags.UNMEASURED}), set()),
}

MEMORY: dict[str, Example] = {
    "memory-overlap": (SNP_GUEST.but(zero={"gpa": 0x3FF000}), set()),
    "memory-context-overlap": (SNP_GUEST.but(context={"gpa": 0x11000}), set()),
    "memory-wraps": (
        VBS_GUEST.but(errors={"gpa": (1 << 64) - 0x1000, "size_bytes": 0x2000}),
        set(),
    ),
    "memory-width": (SNP_GUEST.but(zero={"gpa": 1 << 52}), set()),
    "memory-empty": (VBS_GUEST.but(errors={"size_bytes": 0}), set()),
    "required-alignment": (SNP_GUEST.but(required={"number_of_bytes": 1}), set()),
    "required-overlap": (SNP_GUEST.but(more=SNP_GUEST.headers["required"]), set()),
    "error-range-alignment": (VBS_GUEST.but(errors={"size_bytes": 0x1001}), set()),
}

CONTEXT: dict[str, Example] = {
    "context-tdx": (NATIVE_GUEST.but(context={"compatibility_mask": 3}), {"context-mask"}),
    "context-format": (
        NATIVE_GUEST.but(
            tdx={"platform_type": Kind.SEV_SNP},
            policy={"policy": 0x20000},
            context={"compatibility_mask": 3},
        ),
        {"context-mask", "data-unreferenced"},
    ),
    "context-mask": (
        SNP_GUEST.after("platform", more=_sev_es()).but(context={"compatibility_mask": 3}),
        {"vmsa-snp"},
    ),
    "context-version": (NATIVE_GUEST.with_fixed(version=1), set()),
    "context-gpa-zero": (NATIVE_GUEST.but(context={"gpa": 0x1000}), set()),
    "context-gpa-alignment": (SNP_GUEST.but(context={"gpa": 0xFFFFFFFFF800}), set()),
    "context-twice": (SNP_GUEST.but(more=SNP_GUEST.headers["context"]), {"context-several"}),
    "context-several": (
        SNP_GUEST.but(
            more=igvm.VPContext(
                gpa=0xFFFFFFFFF000, compatibility_mask=1, file_offset=at("vmsa"), vp_index=1
            )
        ),
        set(),
    ),
    "context-missing": (SNP_GUEST.but(context=None), {"data-unreferenced"}),
    "context-reset": (NATIVE_GUEST.but(context=None), {"data-unreferenced"}),
}

PAYLOAD: dict[str, Example] = {
    "context-reserved": (SNP_GUEST.data(vmsa=RESET_VMSA.replace(reserved8=1).pack()), set()),
    "context-tail": (REALM.data(cca=padded(REC.pack() + b"!")), set()),
    "context-segment-bits": (
        NATIVE_GUEST.data(native=padded(NATIVE_CONTEXT.replace(data_attributes=0xCF93).pack())),
        set(),
    ),
    "context-cca-flags": (REALM.data(cca=padded(REC.replace(flags=3).pack())), set()),
    "vmsa-snp": (
        SNP_GUEST.data(vmsa=RESET_VMSA.replace(sev_features=igvm.SEVFeatures(0)).pack()),
        set(),
    ),
    "vmsa-features": (
        SNP_GUEST.data(vmsa=RESET_VMSA.replace(sev_features=igvm.SEVFeatures(1 << 62 | 1)).pack()),
        set(),
    ),
    "vmsa-vmpl": (SNP_GUEST.data(vmsa=RESET_VMSA.replace(vmpl=4).pack()), set()),
    "vmsa-vtom": (
        SNP_GUEST.data(vmsa=RESET_VMSA.replace(sev_features=3, virtual_tom=1 << 46).pack()),
        set(),
    ),
}

REGISTER_LISTS: dict[str, Example] = {
    "vbs-empty": (
        VBS_GUEST.data(vbs=bytes(4)).but(region=None, tables=None),
        set(),
    ),
    "vbs-lists-overlap": (
        VBS_GUEST.data(vbs=b"".join((20).to_bytes(32, "little") for _ in range(64))).but(
            region=None,
            tables=None,
            **{
                f"context{i}": igvm.VPContext(
                    compatibility_mask=1, file_offset=at("vbs", 32 * i), vp_index=i
                )
                for i in range(1, 40)
            },
        ),
        {
            "context-several",
            "data-overlap",
            "data-unreferenced",
            "vbs-vp-index",
            "vbs-register-unknown",
            "vbs-register-twice",
        },
    ),
    "vbs-vtl": (
        VBS_GUEST.data(vbs=_registers(vtl=3)).but(
            region={"flags": igvm.RelocatableRegionFlags(0)}, tables=None
        ),
        set(),
    ),
    "vbs-vtl-mixed": (
        VBS_GUEST.data(
            vbs=(4).to_bytes(4, "little")
            + _registers()[4:]
            + raw.register_list((X64.PAT, 0), vtl=1)[4:]
        ),
        set(),
    ),
    "vbs-vtl-platform": (VBS_GUEST.but(platform={"highest_vtl": 0}), set()),
    "vbs-vp-index": (
        VBS_GUEST.but(context={"vp_index": 1}, region={"vp_index": 1}, tables={"vp_index": 1}),
        set(),
    ),
    "vbs-register-unknown": (VBS_GUEST.data(vbs=_registers((0x99999999, 0))), set()),
    "vbs-register-unsupported": (VBS_GUEST.data(vbs=_registers((X64.RAX, 0))), set()),
    "vbs-register-twice": (VBS_GUEST.data(vbs=_registers(REGISTERS[0])), set()),
    "vbs-mbz": (
        VBS_GUEST.data(vbs=_registers()[:9] + b"\1" + _registers()[10:]),
        set(),
    ),
    "vbs-value-high": (VBS_GUEST.data(vbs=_registers((X64.PAT, 1 << 64))), set()),
    "vbs-segment-bits": (
        VBS_GUEST.data(vbs=_registers((X64.DS, CS[:14] + b"\x93\xcf"))),
        set(),
    ),
}

ID_BLOCK: dict[str, Example] = {
    "id-block-platform": (
        SNP_GUEST.after("platform", more=_sev_es()).but(id_block={"compatibility_mask": 3}),
        {"context-missing"},
    ),
    "id-block-twice": (SNP_GUEST.but(more=SNP_GUEST.headers["id_block"]), set()),
    "id-block-version": (SNP_GUEST.but(id_block={"version": 2}), set()),
    "id-block-digest": (SNP_GUEST.but(id_block={"ld": bytes(48)}), set()),
    "id-block-algorithm": (SNP_GUEST.but(id_block={"id_key_algorithm": 2}), set()),
    "id-block-curve": (SNP_GUEST.but(id_block={"id_public_key": KEY.replace(curve=1)}), set()),
    "id-block-unsigned": (SNP_GUEST.but(id_block={"id_key_signature": igvm.SNPSignature()}), set()),
    "id-block-numbers": (
        SNP_GUEST.but(id_block={"id_key_signature": SIGNATURE.replace(s_comp=bytes(71) + b"\1")}),
        set(),
    ),
    "id-block-author-enabled": (SNP_GUEST.but(id_block={"author_key_enabled": 2}), set()),
    "id-block-author-unused": (SNP_GUEST.but(id_block={"author_public_key": KEY}), set()),
    "id-block-author-algorithm": (SNP_GUEST.but(id_block={"author_key_algorithm": 1}), set()),
    "id-block-author-missing": (
        SNP_GUEST.but(
            id_block={
                "author_key_enabled": 1,
                "author_key_algorithm": 1,
                "author_public_key": KEY,
            }
        ),
        set(),
    ),
}

MEASUREMENT: dict[str, Example] = {
    "vbs-measurement-platform": (
        NATIVE_GUEST.but(more=VBS_GUEST.headers["measurement"]),
        set(),
    ),
    "vbs-measurement-twice": (VBS_GUEST.but(more=VBS_GUEST.headers["measurement"]), set()),
    "vbs-measurement-algorithm": (VBS_GUEST.but(measurement={"signing_algo": 0}), set()),
    "vbs-measurement-version": (VBS_GUEST.but(measurement={"version": 0}), set()),
    "vbs-measurement-policy": (VBS_GUEST.but(measurement={"policy_flags": 2}), set()),
    "vbs-measurement-digest": (
        VBS_GUEST.but(measurement={"boot_measurement_digest": bytes(64)}),
        set(),
    ),
}


def with_cpuid(leaves: bytes) -> NamedFile:
    """A sound file with one more page, of leaves."""
    page = igvm.PageData(
        gpa=0x9000,
        compatibility_mask=1,
        file_offset=at("leaves"),
        data_type=igvm.PageDataType.CPUID_DATA,
    )
    return SNP_GUEST.but(leaves=page).data(leaves=leaves)


CPUID: dict[str, Example] = {
    "cpuid-count": (with_cpuid(struct.pack("<I", 65).ljust(4096, b"\0")), set()),
    "cpuid-leaf-twice": (with_cpuid(cpuid_leaves((7,), (1,), (7,))), set()),
    "cpuid-state": (with_cpuid(cpuid_leaves((1, 0, 1))), set()),
    "cpuid-xsave-state": (with_cpuid(cpuid_leaves((0xD, 0, 0))), set()),
    "cpuid-xsave-avx512": (with_cpuid(cpuid_leaves((0xD, 6, 1))), set()),
    "cpuid-xsave-cet": (with_cpuid(cpuid_leaves((0xD, 1, 1))), set()),
    "cpuid-reserved": (with_cpuid(cpuid_leaves((1,))[:-1] + b"\x01"), set()),
}

EXAMPLES = PAGE | CPUID | MEMORY | CONTEXT | PAYLOAD | REGISTER_LISTS | ID_BLOCK | MEASUREMENT
