//! Requests as they arrive, and where they take their files from.

use crate::outcome::{bad, Failure};
use crate::realm::Realm;
use base64::{engine::general_purpose::STANDARD, Engine};
use serde::Deserialize;
use serde_json::Value;

/// Release of the igvm crate that answers.
#[derive(Clone, Copy, Default, Deserialize)]
pub enum Release {
    #[serde(rename = "0.4")]
    R04,
    #[default]
    #[serde(rename = "0.5")]
    R05,
}

/// One line of input; which fields matter depends on `op`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    #[serde(default)]
    pub id: Value,
    pub op: String,
    #[serde(default)]
    pub release: Release,
    pub path: Option<String>,
    pub data: Option<String>,
    pub path2: Option<String>,
    pub data2: Option<String>,
    /// Platform name of the isolation filter.
    pub filter: Option<String>,
    #[serde(default)]
    pub files: Vec<String>,
    /// Merge without looking for equal directives.
    #[serde(default)]
    pub simple: bool,
    /// File that takes the serialised bytes.
    pub out: Option<String>,
    /// Whether the answer carries the serialised bytes.
    #[serde(default)]
    pub bytes: bool,
    #[serde(default)]
    pub work: Vec<String>,
    pub repeat: Option<u32>,
    pub realm: Option<Realm>,
}

impl Request {
    /// Bytes of the file in question.
    pub fn file(&self) -> Result<Vec<u8>, Failure> {
        load(&self.path, &self.data)
    }

    /// Bytes of the file to merge into the first.
    pub fn second_file(&self) -> Result<Vec<u8>, Failure> {
        load(&self.path2, &self.data2)
    }
}

fn load(path: &Option<String>, data: &Option<String>) -> Result<Vec<u8>, Failure> {
    match (path, data) {
        (Some(path), None) => std::fs::read(path).or_else(|error| bad(format!("{path}: {error}"))),
        (None, Some(text)) => decode(text),
        _ => bad("give each file as either a path or data"),
    }
}

/// Bytes of a base64 text.
pub fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(text).or_else(bad)
}

/// Base64 text of bytes.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
