//! Why a request got no value: it makes no sense, the crate refused, or the crate panicked.

use serde_json::{json, Value};
use std::cell::RefCell;
use std::error::Error;
use std::panic::{catch_unwind, set_hook, AssertUnwindSafe, Location, PanicHookInfo};

thread_local! {
    /// Message and place of the last panic.
    static LAST_PANIC: RefCell<(String, String)> = RefCell::default();
}

pub enum Failure {
    /// The request itself is wrong, or its files cannot be read or written.
    Request(String),
    /// A verdict of the crate, as the answer's fields.
    Verdict(Value),
}

/// A request's wrongness as an error.
pub fn bad<T>(reason: impl ToString) -> Result<T, Failure> {
    Err(Failure::Request(reason.to_string()))
}

/// Takes the crate's verdict for a value; what is wrong with the request stays an error.
pub fn settle(result: Result<Value, Failure>) -> Result<Value, Failure> {
    match result {
        Err(Failure::Verdict(verdict)) => Ok(verdict),
        other => other,
    }
}

/// Runs one call of the crate and catches its panic; `stage` names the call.
pub fn guard<T, E: Error + 'static>(
    stage: &str,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, Failure> {
    let verdict = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => {
            let (chain, text) = describe(&error);
            json!({"verdict": "error", "stage": stage, "error": chain, "text": text})
        }
        Err(_) => {
            let (message, location) = LAST_PANIC.take();
            json!({"verdict": "panic", "stage": stage, "panic": message, "location": location})
        }
    };
    Err(Failure::Verdict(verdict))
}

/// Names and texts of an error and its sources.
fn describe(error: &(dyn Error + 'static)) -> (String, String) {
    let chain: Vec<_> = std::iter::successors(Some(error), |&error| error.source()).collect();
    let name = |error: &&dyn Error| {
        // A derived Debug text starts with the variant's name.
        let debug = format!("{error:?}");
        let end = debug.find(|c: char| !c.is_alphanumeric() && c != '_');
        debug[..end.unwrap_or(debug.len())].to_string()
    };
    let names: Vec<_> = chain.iter().map(name).collect();
    let texts: Vec<_> = chain.iter().map(ToString::to_string).collect();
    (names.join("/"), texts.join(": "))
}

/// Keeps the message and place of each panic for `guard` instead of printing them.
pub fn capture_panics() {
    set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let payload = info.payload();
        let message = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned());
        let location = info.location().map(short);
        LAST_PANIC.set((message.unwrap_or_default(), location.unwrap_or_default()));
    }));
}

/// File, line and column, without the part of the path that differs between machines.
fn short(location: &Location<'_>) -> String {
    let text = location.to_string();
    match text.split_once("/registry/src/") {
        Some((_, rest)) => rest.split_once('/').map_or(rest, |(_, path)| path).into(),
        None => text,
    }
}
