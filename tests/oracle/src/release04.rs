//! Release 0.4.0 of the igvm crate: what it lacks, and the shared code compiled for it.

#[allow(clippy::duplicate_mod)] // Each release has types of its own.
#[path = "dump.rs"]
mod dump;
#[allow(clippy::duplicate_mod)]
#[path = "engine.rs"]
pub mod engine;

use igvm04 as igvm;
use igvm04::{Error, IgvmDirectiveHeader, IgvmFile, IgvmInitializationHeader, IsolationType};
use igvm_defs04 as igvm_defs;
use igvm_defs04::IgvmPlatformType;
use serde_json::Value;

/// Platforms that this release measures: it has no measurement module.
const MEASURED: [&str; 0] = [];

fn measure(_: &IgvmFile, _: IgvmPlatformType, _: u32) -> Result<Vec<u8>, Error> {
    unreachable!("release 0.4 has no measurement module")
}

fn isolation(_: &str) -> Option<IsolationType> {
    None
}

fn initialization(header: &IgvmInitializationHeader) -> Value {
    unreachable!("dump.rs handles {header:?}")
}

fn directive(header: &IgvmDirectiveHeader) -> Value {
    unreachable!("dump.rs handles {header:?}")
}
