//! The operations, compiled once for each release (`super` is release04 or release05).

use super::igvm::{Error, IgvmFile, IgvmPlatformHeader, IsolationType};
use super::igvm_defs::IgvmPlatformType;
use crate::outcome::{bad, guard, settle, Failure};
use crate::request::{decode, encode, Request};
use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::time::Instant;

/// The answer to one request.
pub fn answer(request: &Request) -> Result<Value, Failure> {
    match request.op.as_str() {
        "parse" => parse_counts(&request.file()?, request),
        "parse_many" => parse_many(request),
        "dump" => {
            let data = request.file()?;
            Ok(super::dump::dump(&parse(&data, request)?, &data))
        }
        "serialise" => serialise(&parse(&request.file()?, request)?, request),
        "merge" => merge(request),
        "measure" => measure(&parse(&request.file()?, request)?),
        "time" => time(request),
        other => bad(format!("unknown op {other}")),
    }
}

fn isolation(name: &str) -> Result<IsolationType, Failure> {
    match name {
        "NATIVE" => Ok(IsolationType::NotIsolated),
        "VSM_ISOLATION" => Ok(IsolationType::Vbs),
        "SEV_SNP" => Ok(IsolationType::Snp),
        "TDX" => Ok(IsolationType::Tdx),
        "SEV" => Ok(IsolationType::Sev),
        "SEV_ES" => Ok(IsolationType::SevEs),
        other => super::isolation(other)
            .map_or_else(|| bad(format!("this release has no filter {other}")), Ok),
    }
}

fn parse(data: &[u8], request: &Request) -> Result<IgvmFile, Failure> {
    let filter = request.filter.as_deref().map(isolation).transpose()?;
    guard("parse", || IgvmFile::new_from_binary(data, filter))
}

fn parse_counts(data: &[u8], request: &Request) -> Result<Value, Failure> {
    let file = parse(data, request)?;
    Ok(json!({
        "verdict": "ok",
        "platforms": file.platforms().len(),
        "initializations": file.initializations().len(),
        "directives": file.directives().len(),
    }))
}

fn parse_many(request: &Request) -> Result<Value, Failure> {
    let verdict = |text: &String| settle(parse_counts(&decode(text)?, request));
    let results = request.files.iter().map(verdict);
    Ok(json!({"results": results.collect::<Result<Vec<_>, _>>()?}))
}

fn to_bytes(file: &IgvmFile) -> Result<Vec<u8>, Error> {
    let mut output = Vec::new();
    file.serialize(&mut output).map(|()| output)
}

fn serialise(file: &IgvmFile, request: &Request) -> Result<Value, Failure> {
    let bytes = guard("serialise", || to_bytes(file))?;
    if let Some(path) = &request.out {
        std::fs::write(path, &bytes).or_else(|error| bad(format!("{path}: {error}")))?;
    }
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let mut answer = json!({"verdict": "ok", "length": bytes.len(), "sha256": sha256});
    if request.bytes {
        answer["bytes"] = encode(&bytes).into();
    }
    Ok(answer)
}

fn merge(request: &Request) -> Result<Value, Failure> {
    let mut file = parse(&request.file()?, request)?;
    let other = parse(&request.second_file()?, request)?;
    guard("merge", || match request.simple {
        true => file.merge_simple(other),
        false => file.merge(other),
    })?;
    serialise(&file, request)
}

/// Type, name and compatibility mask of each platform that can be measured.
fn measured(file: &IgvmFile) -> Result<Vec<(IgvmPlatformType, String, u32)>, Failure> {
    if super::MEASURED.is_empty() {
        return bad("this release measures nothing");
    }
    let platforms = file.platforms().iter().map(|header| {
        let IgvmPlatformHeader::SupportedPlatform(info) = header;
        let name = format!("{:?}", info.platform_type);
        (info.platform_type, name, info.compatibility_mask)
    });
    Ok(platforms
        .filter(|(_, name, _)| super::MEASURED.contains(&name.as_str()))
        .collect())
}

fn measure(file: &IgvmFile) -> Result<Value, Failure> {
    let mut measurements = Vec::new();
    for (platform, name, mask) in measured(file)? {
        let digest = guard("measure", || super::measure(file, platform, mask));
        let mut entry =
            settle(digest.map(|digest| json!({"verdict": "ok", "digest": hex::encode(digest)})))?;
        entry["platform"] = name.into();
        entry["compatibility_mask"] = mask.into();
        measurements.push(entry);
    }
    Ok(json!({"verdict": "ok", "measurements": measurements}))
}

fn time(request: &Request) -> Result<Value, Failure> {
    let data = request.file()?;
    let mut times = json!({});
    for work in &request.work {
        let seconds = time_work(work, &data, request);
        times[work] = settle(seconds.map(|seconds| json!({"verdict": "ok", "seconds": seconds})))?;
    }
    Ok(json!({"verdict": "ok", "times": times}))
}

fn time_work(work: &str, data: &[u8], request: &Request) -> Result<Vec<f64>, Failure> {
    let repeat = request.repeat.unwrap_or(1);
    let name = match work {
        "parse" => return seconds(work, repeat, || IgvmFile::new_from_binary(data, None)),
        "serialise" => {
            let file = parse(data, request)?;
            return seconds(work, repeat, || to_bytes(&file));
        }
        "measure_snp" => "SEV_SNP",
        "measure_tdx" => "TDX",
        "measure_vbs" => "VSM_ISOLATION",
        other => return bad(format!("unknown work {other}")),
    };
    let file = parse(data, request)?;
    match measured(&file)?.iter().find(|(_, found, _)| found == name) {
        Some((platform, _, mask)) => {
            seconds(work, repeat, || super::measure(&file, *platform, *mask))
        }
        None => bad(format!("the file has no platform {name}")),
    }
}

/// Wall seconds of each call; what the call returns is dropped after its clock has stopped.
fn seconds<T, E: std::error::Error + 'static>(
    work: &str,
    repeat: u32,
    call: impl Fn() -> Result<T, E>,
) -> Result<Vec<f64>, Failure> {
    let timed = || {
        let start = Instant::now();
        let value = black_box(call());
        let elapsed = start.elapsed().as_secs_f64();
        value.map(|_| elapsed)
    };
    (0..repeat).map(|_| guard(work, timed)).collect()
}
