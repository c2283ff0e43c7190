//! The measurement of an Arm CCA Realm: the crate cca-rmm encodes its structures, sha2 hashes them.
//! The crate speaks for RMM 1.0, which has SHA-256 and SHA-512.

use crate::outcome::{bad, Failure};
use crate::request::decode;
use cca_rmm::{
    RmiHashAlgorithm, RmiRealmFlags, RmiRealmParams, RmiRecCreateFlags, RmiRecParams, RmmDataFlags,
    RmmMeasurementDescriptorData, RmmMeasurementDescriptorRec, RmmMeasurementDescriptorRipas,
    RmmRealmMeasurement,
};
use serde::Deserialize;
use serde_json::{json, Value};
use sha2::{Digest, Sha256, Sha512};

/// The parameters of a Realm, as RmiRealmParams has them, and what is done after its creation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Realm {
    algorithm: String,
    #[serde(default)]
    flags: u64,
    s2sz: u8,
    sve_vl: Option<u8>,
    num_bps: u8,
    num_wps: u8,
    pmu_num_ctrs: Option<u8>,
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase", tag = "op")]
enum Operation {
    /// One entry of the tables becomes RAM.
    Ripas { base: u64, top: u64 },
    /// A DATA granule, whose content is in base64 and measured, or absent and not.
    Data { ipa: u64, content: Option<String> },
    /// A runnable REC.
    Rec { pc: u64, gprs: [u64; 8] },
}

/// The measurement after the creation, and after each operation.
pub fn answer(realm: &Option<Realm>) -> Result<Value, Failure> {
    let Some(realm) = realm else {
        return bad("give a realm");
    };
    let algorithm = realm.algorithm.parse().or_else(bad)?;
    let bytes = parameters(realm, algorithm).to_bytes().or_else(bad)?;
    let mut rim = hash(algorithm, &bytes);
    let mut rims = vec![text(algorithm, &rim)];
    for operation in &realm.operations {
        rim = hash(algorithm, &descriptor(algorithm, &rim, operation)?);
        rims.push(text(algorithm, &rim));
    }
    Ok(json!({"rims": rims}))
}

fn parameters(realm: &Realm, algorithm: RmiHashAlgorithm) -> RmiRealmParams {
    let mut flags = RmiRealmFlags::from_bits_retain(realm.flags);
    flags.set(RmiRealmFlags::SVE, realm.sve_vl.is_some());
    flags.set(RmiRealmFlags::PMU, realm.pmu_num_ctrs.is_some());
    RmiRealmParams::new(
        flags,
        realm.s2sz,
        realm.num_wps,
        realm.num_bps,
        realm.pmu_num_ctrs.unwrap_or(0),
        realm.sve_vl.unwrap_or(0),
        algorithm,
    )
}

/// The bytes whose hash is the next measurement.
fn descriptor(
    algorithm: RmiHashAlgorithm,
    rim: &RmmRealmMeasurement,
    operation: &Operation,
) -> Result<Vec<u8>, Failure> {
    let bytes = match operation {
        Operation::Ripas { base, top } => {
            RmmMeasurementDescriptorRipas::new(rim, *base, *top).to_bytes()
        }
        Operation::Data { ipa, content } => {
            let (flags, content) = match content {
                Some(page) => (RmmDataFlags::MEASURE, hash(algorithm, &decode(page)?)),
                None => (RmmDataFlags::empty(), [0; 64]),
            };
            RmmMeasurementDescriptorData::new(rim, *ipa, flags, &content).to_bytes()
        }
        Operation::Rec { pc, gprs } => {
            let rec = RmiRecParams::new(RmiRecCreateFlags::RUNNABLE, *pc, *gprs);
            let content = hash(algorithm, &rec.to_bytes().or_else(bad)?);
            RmmMeasurementDescriptorRec::new(rim, &content).to_bytes()
        }
    };
    bytes.or_else(bad)
}

/// A hash, in the room for the longest one.
fn hash(algorithm: RmiHashAlgorithm, bytes: &[u8]) -> RmmRealmMeasurement {
    let mut digest = [0; 64];
    match algorithm {
        RmiHashAlgorithm::RmiHashSha256 => digest[..32].copy_from_slice(&Sha256::digest(bytes)),
        RmiHashAlgorithm::RmiHashSha512 => digest.copy_from_slice(&Sha512::digest(bytes)),
    }
    digest
}

fn text(algorithm: RmiHashAlgorithm, rim: &RmmRealmMeasurement) -> String {
    match algorithm {
        RmiHashAlgorithm::RmiHashSha256 => hex::encode(&rim[..32]),
        RmiHashAlgorithm::RmiHashSha512 => hex::encode(rim),
    }
}
