//! Release 0.5.0 of the igvm crate: what only it knows, and the shared code compiled for it.

#[path = "dump.rs"]
mod dump;
#[path = "engine.rs"]
pub mod engine;

use crate::json::{fields, headers};
use igvm05 as igvm;
use igvm05::measurement::{
    generate_snp_measurement, generate_tdx_measurement, generate_vbs_measurement, MeasurementError,
};
use igvm05::{IgvmDirectiveHeader, IgvmFile, IgvmInitializationHeader, IsolationType};
use igvm_defs05 as igvm_defs;
use igvm_defs05::{CcaHashAlgorithm, CcaLfaPolicy, IgvmPlatformType, IgvmVpContextAArch64Cca};
use serde_json::Value;
use zerocopy::IntoBytes;

/// Platforms that this release measures.
const MEASURED: [&str; 3] = ["SEV_SNP", "TDX", "VSM_ISOLATION"];

/// The launch digest of a platform that the crate measures.
fn measure(
    file: &IgvmFile,
    platform: IgvmPlatformType,
    mask: u32,
) -> Result<Vec<u8>, MeasurementError> {
    let directives = file.directives();
    Ok(match platform {
        IgvmPlatformType::SEV_SNP => {
            generate_snp_measurement(file.initializations(), directives, mask)?.to_vec()
        }
        IgvmPlatformType::TDX => generate_tdx_measurement(directives, mask)?.to_vec(),
        IgvmPlatformType::VSM_ISOLATION => generate_vbs_measurement(directives, mask)?.to_vec(),
        other => unreachable!("{other:?} is not measured"),
    })
}

/// The isolation filter for a platform that only this release knows.
fn isolation(name: &str) -> Option<IsolationType> {
    (name == "CCA").then_some(IsolationType::Cca)
}

fields! { algorithm: CcaHashAlgorithm => algorithm.0 }
fields! { policy: CcaLfaPolicy => policy.0 }
fields! { context: IgvmVpContextAArch64Cca => hex::encode(context.as_bytes()) }

/// The initialization headers that only this release knows.
fn initialization(header: &IgvmInitializationHeader) -> Value {
    headers! { match header: IgvmInitializationHeader
        CcaPolicy {
            compatibility_mask, attributes_required_zeroes, attributes_required_ones,
            hash_algorithm, lfa_policy,
        }
        CorimDocument { compatibility_mask, document }
        CorimSignature { compatibility_mask, signature }
        _ => unreachable!("dump.rs handles {header:?}")
    }
}

/// The directive headers that only this release knows.
fn directive(header: &IgvmDirectiveHeader) -> Value {
    headers! { match header: IgvmDirectiveHeader
        AArch64CcaVpContext { compatibility_mask, vp_index, context }
        _ => unreachable!("dump.rs handles {header:?}")
    }
}
