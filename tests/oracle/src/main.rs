//! Answers questions about IGVM files with the igvm crate: JSON lines from stdin to stdout.

mod json;
mod outcome;
mod realm;
mod release04;
mod release05;
mod request;

use outcome::{bad, settle, Failure};
use request::{Release, Request};
use serde_json::{json, Value};
use std::io::{self, BufRead, Write};

/// Raised whenever requests or answers change, so that a client notices an old binary.
const PROTOCOL: u32 = 2;

fn answer(request: &Request) -> Result<Value, Failure> {
    match (request.op.as_str(), request.release) {
        ("version", _) => Ok(json!({"igvm": ["0.5.0", "0.4.0"], "protocol": PROTOCOL})),
        ("realm", _) => realm::answer(&request.realm),
        (_, Release::R04) => release04::engine::answer(request),
        (_, Release::R05) => release05::engine::answer(request),
    }
}

fn answer_line(line: &[u8]) -> Value {
    let (id, result) = match serde_json::from_slice::<Request>(line) {
        Ok(request) => (request.id.clone(), settle(answer(&request))),
        Err(error) => (Value::Null, bad(error)),
    };
    let ok = result.is_ok();
    let mut answer = match result {
        Ok(answer) | Err(Failure::Verdict(answer)) => answer,
        Err(Failure::Request(reason)) => json!({"reason": reason}),
    };
    answer["id"] = id;
    answer["ok"] = ok.into();
    answer
}

fn main() -> io::Result<()> {
    outcome::capture_panics();
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let mut text = serde_json::to_vec(&answer_line(&line))?;
        text.push(b'\n');
        output.write_all(&text)?;
        output.flush()?;
        line.clear();
    }
    Ok(())
}
