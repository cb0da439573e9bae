//! YAML scalars, as Kubernetes reads them: by the rules of YAML 1.1 that its library has. So `on` and `y` are booleans, `007`
//! is an octal number, `1_000` a thousand, and `12:30` text.
//!
//! Source: `resolve.go` of <https://github.com/kubernetes-sigs/yaml/tree/master/goyaml.v2>.

use granit_parser::{ScalarStyle, Tag};
use serde_json::{Number, Value};

const TRUE: [&str; 11] = ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];
const FALSE: [&str; 11] = ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];
const NULL: [&str; 5] = ["", "~", "null", "Null", "NULL"];
/// JSON has no such numbers, so that kubectl refuses the document.
const NO_JSON: [&str; 15] = [
    ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF",
    "+.nan", "+.NaN", "+.NAN",
];

/// Floats without a fraction below this are integers in JSON, as the API expects of ports.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns the value of a scalar.
///
/// # Errors
/// Fails with a sentence when the value is not what the tag demands, or can't be written as JSON.
pub(super) fn value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => untagged(text),
            _ => Ok(text.into()),
        };
    };
    let fits: fn(&Value) -> bool = match tag.core_suffix() {
        Some("bool") => Value::is_boolean,
        Some("int") => |value| value.is_i64() || value.is_u64(),
        Some("float") => Value::is_number,
        Some("null") => Value::is_null,
        _ => return Ok(text.into()),
    };
    let value = untagged(text)?;
    match fits(&value) {
        true => Ok(value),
        false => Err(format!("{} is not what its tag {} says", crate::text::shown(text), tag.original())),
    }
}

/// Is true for the key that merges another object into its own.
pub(super) fn is_merge_key(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    text == "<<"
        && match tag {
            None => style == ScalarStyle::Plain,
            Some(tag) => tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() == Some("merge"),
        }
}

fn untagged(text: &str) -> Result<Value, String> {
    if NULL.contains(&text) {
        return Ok(Value::Null);
    }
    if TRUE.contains(&text) || FALSE.contains(&text) {
        return Ok(TRUE.contains(&text).into());
    }
    if NO_JSON.contains(&text) {
        return Err(format!("{text} is no number that JSON has"));
    }
    let number = match text.as_bytes().first() {
        Some(b'.') => float(text),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let plain = text.replace('_', "");
            integer(&plain).or_else(|| float(&plain))
        }
        _ => None,
    };
    Ok(number.map_or_else(|| text.into(), Value::Number))
}

/// Reads an integer, whose first digits may name its base.
fn integer(text: &str) -> Option<Number> {
    let (sign, digits) = match text.as_bytes() {
        [sign @ (b'+' | b'-'), ..] => (Some(*sign), &text[1..]),
        _ => (None, text),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixes = [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)];
    let based = prefixes.iter().find_map(|(prefix, base)| Some((lower.strip_prefix(prefix)?, *base)));
    let (digits, base) = based.filter(|_| lower != "0").unwrap_or((&lower, 10));
    // `from_str_radix` would take a second sign.
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let size = i128::from_str_radix(digits, base).ok()?;
    match sign {
        None => u64::try_from(size).ok().map(Number::from),
        Some(b'-') => i64::try_from(-size).ok().map(Number::from),
        Some(_) => i64::try_from(size).ok().map(Number::from),
    }
}

/// Reads a decimal number, perhaps with an exponent.
fn float(text: &str) -> Option<Number> {
    if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    match value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it has no fraction, and an i64 holds it")]
        true => Some((value as i64).into()),
        false => Number::from_f64(value),
    }
}
