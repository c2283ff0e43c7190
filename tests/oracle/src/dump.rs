//! A parsed file as JSON, compiled once for each release (`super` is release04 or release05).

use super::igvm::hv_defs::Vtl;
use super::igvm::registers::{AArch64Register, X86Register};
use super::igvm::snp_defs::SevVmsa;
use super::igvm::{IgvmDirectiveHeader, IgvmFile, IgvmInitializationHeader, IgvmPlatformHeader};
use super::igvm_defs::*;
use crate::json::{fields, headers};
use serde_json::{json, Value};
use zerocopy::IntoBytes;

/// Everything the crate says about a file that it has parsed from `data`.
pub fn dump(file: &IgvmFile, data: &[u8]) -> Value {
    json!({
        "verdict": "ok",
        "revision": revision(data),
        "platforms": file.platforms().iter().map(platform).collect::<Vec<_>>(),
        "initializations": file.initializations().iter().map(initialization).collect::<Vec<_>>(),
        "directives": file.directives().iter().map(directive).collect::<Vec<_>>(),
    })
}

/// The crate keeps the revision to itself, so this reads the fixed header it has accepted.
fn revision(data: &[u8]) -> Value {
    let word = |at: usize| u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
    match word(4) {
        1 => json!({"variant": "V1"}),
        _ => json!({"variant": "V2", "arch": word(24), "page_size": word(28)}),
    }
}

fields! { vtl: Vtl => *vtl as u8 }
fields! { flags: IgvmPageDataFlags => u32::from(*flags) }
fields! { data_type: IgvmPageDataType => data_type.0 }
fields! { structure:
    SevVmsa IgvmNativeVpContextX64 IGVM_VHS_SNP_ID_BLOCK_SIGNATURE IGVM_VHS_SNP_ID_BLOCK_PUBLIC_KEY
    => hex::encode(structure.as_bytes())
}
fields! { registers: Vec<X86Register> Vec<AArch64Register> => registers
    .iter()
    .map(|register| register.into_vbs_vp_context_reg(Vtl::Vtl0))
    .map(|raw| json!({"name": raw.register_name.get(), "value": hex::encode(raw.register_value)}))
    .collect::<Vec<_>>()
}

fn platform(header: &IgvmPlatformHeader) -> Value {
    let IgvmPlatformHeader::SupportedPlatform(info) = header;
    json!({
        "variant": "SupportedPlatform",
        "compatibility_mask": info.compatibility_mask,
        "highest_vtl": info.highest_vtl,
        "platform_type": info.platform_type.0,
        "platform_version": info.platform_version,
        "shared_gpa_boundary": info.shared_gpa_boundary,
    })
}

fn initialization(header: &IgvmInitializationHeader) -> Value {
    headers! { match header: IgvmInitializationHeader
        GuestPolicy { policy, compatibility_mask }
        RelocatableRegion {
            compatibility_mask, relocation_alignment, relocation_region_gpa,
            relocation_region_size, minimum_relocation_gpa, maximum_relocation_gpa,
            is_vtl2, apply_rip_offset, apply_gdtr_offset, vp_index, vtl,
        }
        PageTableRelocationRegion { compatibility_mask, gpa, size, used_size, vp_index, vtl }
        _ => super::initialization(header)
    }
}

fn directive(header: &IgvmDirectiveHeader) -> Value {
    use IgvmDirectiveHeader::*;
    let (variant, parameter) = match header {
        VpCount(info) => ("VpCount", info),
        EnvironmentInfo(info) => ("EnvironmentInfo", info),
        Srat(info) => ("Srat", info),
        Madt(info) => ("Madt", info),
        Slit(info) => ("Slit", info),
        Pptt(info) => ("Pptt", info),
        MmioRanges(info) => ("MmioRanges", info),
        MemoryMap(info) => ("MemoryMap", info),
        CommandLine(info) => ("CommandLine", info),
        DeviceTree(info) => ("DeviceTree", info),
        other => return directive_fields(other),
    };
    json!({
        "variant": variant,
        "parameter_area_index": parameter.parameter_area_index,
        "byte_offset": parameter.byte_offset,
    })
}

fn directive_fields(header: &IgvmDirectiveHeader) -> Value {
    headers! { match header: IgvmDirectiveHeader
        PageData { gpa, compatibility_mask, flags, data_type, data }
        ParameterArea { number_of_bytes, parameter_area_index, initial_data }
        RequiredMemory { gpa, compatibility_mask, number_of_bytes, vtl2_protectable }
        SnpVpContext { gpa, compatibility_mask, vp_index, vmsa }
        X64NativeVpContext { compatibility_mask, vp_index, context }
        X64VbsVpContext { compatibility_mask, vtl, registers }
        AArch64VbsVpContext { compatibility_mask, vtl, registers }
        ErrorRange { gpa, compatibility_mask, size_bytes }
        SnpIdBlock {
            compatibility_mask, author_key_enabled, reserved, ld, family_id, image_id, version,
            guest_svn, id_key_algorithm, author_key_algorithm, id_key_signature, id_public_key,
            author_key_signature, author_public_key,
        }
        VbsMeasurement {
            compatibility_mask, version, product_id, module_id, security_version, policy_flags,
            boot_digest_algo, signing_algo, boot_measurement_digest, signature, public_key,
        }
        _ => match header {
            IgvmDirectiveHeader::ParameterInsert(info) => json!({
                "variant": "ParameterInsert",
                "gpa": info.gpa,
                "compatibility_mask": info.compatibility_mask,
                "parameter_area_index": info.parameter_area_index,
            }),
            other => super::directive(other),
        }
    }
}
