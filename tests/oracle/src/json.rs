//! Small pieces of JSON that the answers are made of.

use serde_json::{json, Value};
use sha2::{Digest, Sha256};

/// A header's field in a dump: numbers stay numbers, file data is hashed, the rest is hex.
pub trait Field {
    fn json(&self) -> Value;
}

/// Implements `Field` for some types by one expression.
macro_rules! fields {
    ($value:ident: $($type:ty)* => $json:expr) => {$(
        impl crate::json::Field for $type {
            fn json(&self) -> serde_json::Value {
                let $value = self;
                ($json).into()
            }
        }
    )*};
}
pub(crate) use fields;

fields! { number: bool u8 u16 u32 u64 => *number }
fields! { data: Vec<u8> => json!({
    "length": data.len(),
    "sha256": hex::encode(Sha256::digest(data)),
}) }

impl<const N: usize> Field for [u8; N] {
    fn json(&self) -> Value {
        hex::encode(self).into()
    }
}

impl<T: Field> Field for Box<T> {
    fn json(&self) -> Value {
        self.as_ref().json()
    }
}

/// Matches a header; each variant becomes its name and the fields listed.
macro_rules! headers {
    (match $header:ident: $enum:ident
        $($variant:ident { $($field:ident),* $(,)? })*
        _ => $other:expr
    ) => {
        match $header {
            $($enum::$variant { $($field),* } => serde_json::json!({
                "variant": stringify!($variant),
                $(stringify!($field): crate::json::Field::json($field)),*
            }),)*
            #[allow(unreachable_patterns)] // Whether variants are left depends on the release.
            _ => $other,
        }
    };
}
pub(crate) use headers;
