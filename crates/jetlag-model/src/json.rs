//! JSON as the server reads and writes it: strict or lenient about unknown fields, with Go's escaping.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A request body that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not of the right shape. The text is ours, not Go's.
    #[error("{0}")]
    Invalid(String),
    /// A field the server does not know. Servers before 2.12 pass over it.
    #[error("json: unknown field {0:?}")]
    UnknownField(String),
    /// A field the server knows and this simulator does not model.
    #[error("{0}")]
    NotModelled(&'static str),
}

/// A JSON object with a known set of fields.
pub trait Json: DeserializeOwned + Default {
    /// The fields that are modelled.
    const FIELDS: &'static [&'static str];
    /// The fields that the server knows and this simulator does not model; values that mean "off" are accepted.
    const NOT_MODELLED: &'static [&'static str] = &[];

    /// Reads an object; an empty body is the default. With `strict`, a field the server does not know is an error.
    fn decode(body: &[u8], strict: bool) -> Result<Self, DecodeError> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let value: Value = serde_json::from_slice(body).map_err(|error| DecodeError::Invalid(error.to_string()))?;
        Self::decode_value(value, strict)
    }

    /// Reads an object that is parsed already.
    fn decode_value(value: Value, strict: bool) -> Result<Self, DecodeError> {
        if let Some(object) = value.as_object() {
            for (field, value) in object {
                if let Some(name) = Self::NOT_MODELLED.iter().find(|name| *name == field) {
                    if !is_off(value) {
                        return Err(DecodeError::NotModelled(name));
                    }
                } else if strict && !Self::FIELDS.contains(&field.as_str()) {
                    return Err(DecodeError::UnknownField(field.clone()));
                }
            }
        }
        read(value).map_err(|error| DecodeError::Invalid(error.to_string()))
    }
}

/// Reads a value as Go's decoder does: a field that is null is left at its default.
pub(crate) fn read<T: DeserializeOwned>(mut value: Value) -> Result<T, serde_json::Error> {
    drop_nulls(&mut value);
    serde_json::from_value(value)
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a value says that a feature is not wanted.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "none",
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}

/// Writes JSON the way Go's encoder does: `<`, `>` and `&` escaped.
pub(crate) fn to_vec<T: Serialize>(value: &T) -> Vec<u8> {
    let text = serde_json::to_string(value).unwrap_or_else(|error| panic!("every type of this crate can be written as JSON: {error}"));
    if !text.contains(['<', '>', '&']) {
        return text.into_bytes();
    }
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").into_bytes()
}

/// For `skip_serializing_if`.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
