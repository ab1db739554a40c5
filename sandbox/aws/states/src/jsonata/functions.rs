//! Functions of Step Functions that JSONata lacks
//! (https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html), and those where
//! jsonata.js 2.0.6 and our engine differ.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::value::JValue;
use sha2::{Digest, Sha256, Sha384, Sha512};

pub type HostFn = Box<dyn Fn(&[JValue]) -> Result<JValue, EvaluatorError>>;
type Function = fn(&[JValue]) -> Result<JValue, EvaluatorError>;

/// Names that no expression can spell: [`super::adapt`] puts them in.
pub const NUMERAL: &str = "a numeral";
pub const SOME: &str = "some items";

pub const OURS: [(&str, Function); 11] = [
    ("parse", parse),
    ("hash", hash),
    ("partition", partition),
    ("range", range),
    ("eval", |_| Err(failed("$eval is not supported"))),
    ("encodeUrl", |args| encoded(args, "encodeUrl", ";/?:@&=+$,#")),
    ("encodeUrlComponent", |args| encoded(args, "encodeUrlComponent", "")),
    ("base64encode", base64encode),
    ("formatBase", format_base),
    (NUMERAL, numeral),
    (SOME, some),
];

pub fn failed(message: impl Into<String>) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.into())
}

pub fn argument<'a, T>(
    value: &'a JValue,
    function: &str,
    expected: &str,
    read: impl Fn(&'a JValue) -> Option<T>,
) -> Result<T, EvaluatorError> {
    read(value).ok_or_else(|| failed(format!("T0410: ${function} expects {expected}")))
}

fn parse(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [text] = args else { return Err(failed("$parse takes one string")) };
    let text = argument(text, "parse", "a string", JValue::as_str)?;
    JValue::from_json_str(text).map_err(|e| failed(format!("$parse was given text that is not JSON: {e}")))
}

fn hash(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [text, algorithm] = args else { return Err(failed("$hash takes a string and an algorithm")) };
    let text = argument(text, "hash", "a string", JValue::as_str)?;
    let digest = match argument(algorithm, "hash", "the name of an algorithm", JValue::as_str)? {
        "SHA-256" => hex::encode(Sha256::digest(text)),
        "SHA-384" => hex::encode(Sha384::digest(text)),
        "SHA-512" => hex::encode(Sha512::digest(text)),
        other => {
            return Err(failed(format!(
                "$hash with {other} is not part of the sandbox: use SHA-256, SHA-384 or SHA-512"
            )));
        }
    };
    Ok(JValue::string(digest))
}

fn partition(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [items, size] = args else { return Err(failed("$partition takes an array and a size")) };
    let items = argument(items, "partition", "an array", JValue::as_array)?;
    let size = argument(size, "partition", "a positive whole number", |v| v.as_i64().filter(|n| *n > 0))?;
    Ok(JValue::array(items.chunks(size as usize).map(|chunk| JValue::array(chunk.to_vec())).collect()))
}

/// The last value is included, as in `States.ArrayRange`; at most 1,000 items. One item is no array
/// (recorded: localstack/localstack, v2/intrinsic_functions/test_array_jsonata.snapshot.json).
fn range(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [first, last, step] = args else {
        return Err(failed("$range takes a first value, a last value and a step"));
    };
    let read = |value| argument(value, "range", "whole numbers", JValue::as_i64);
    let (first, last, step) = (read(first)?, read(last)?, read(step)?);
    if step == 0 {
        return Err(failed("$range takes a step that is not zero"));
    }
    let within = |n: &i64| if step > 0 { *n <= last } else { *n >= last };
    let numbers: Vec<_> =
        std::iter::successors(Some(first), |n| n.checked_add(step)).take_while(within).take(1001).collect();
    match numbers.as_slice() {
        [only] => Ok(JValue::from_i64(*only)),
        numbers if numbers.len() > 1000 => Err(failed("$range makes at most 1000 items")),
        numbers => Ok(JValue::array(numbers.iter().copied().map(JValue::from_i64).collect())),
    }
}

/// `encodeURI` and `encodeURIComponent` of ECMAScript: letters, digits, `-_.!~*'()` and `kept` stay
/// (https://tc39.es/ecma262/#sec-uri-handling-functions).
fn encoded(args: &[JValue], function: &str, kept: &str) -> Result<JValue, EvaluatorError> {
    let [text] = args else { return Err(failed(format!("${function} takes one string"))) };
    if text.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let text = argument(text, function, "a string", JValue::as_str)?;
    let stays = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c) || kept.contains(c);
    let mut encoded = String::new();
    for c in text.chars() {
        if stays(c) {
            encoded.push(c);
        } else {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| encoded.push_str(&format!("%{byte:02X}")));
        }
    }
    Ok(JValue::string(encoded))
}

/// Each UTF-16 unit is one byte, its lower one: `Buffer.from(text, 'binary')`.
fn base64encode(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [text] = args else { return Err(failed("$base64encode takes one string")) };
    if text.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let text = argument(text, "base64encode", "a string", JValue::as_str)?;
    let bytes: Vec<u8> = text.encode_utf16().map(|unit| unit as u8).collect();
    Ok(JValue::string(BASE64_STANDARD.encode(bytes)))
}

/// Rounds half to even first.
fn format_base(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let (value, radix) = match args {
        [value] => (value, 10.0),
        [value, radix] => (value, argument(radix, "formatBase", "a number", JValue::as_f64)?),
        _ => return Err(failed("$formatBase takes a number and a radix")),
    };
    if value.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let value = argument(value, "formatBase", "a number", JValue::as_f64)?.round_ties_even() as i64;
    let radix = radix.round_ties_even();
    if !(2.0..=36.0).contains(&radix) {
        return Err(failed(format!(
            "D3100: The radix of the formatBase function must be between 2 and 36.  It was given {radix}"
        )));
    }
    let radix = radix as u64;
    let (mut rest, mut digits) = (value.unsigned_abs(), Vec::new());
    loop {
        digits.extend(char::from_digit((rest % radix) as u32, radix as u32));
        rest /= radix;
        if rest == 0 {
            break;
        }
    }
    digits.extend((value < 0).then_some('-'));
    Ok(JValue::string(digits.into_iter().rev().collect::<String>()))
}

/// Its argument; a string must be a number as jsonata.js spells one:
/// `-?[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?`, or hexadecimal, octal or binary digits after `0x`,
/// `0o`, `0b`.
fn numeral(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [value] = args else { return Err(failed("$number takes one value")) };
    match value.as_str() {
        Some(text) if !is_numeral(text) => {
            Err(failed(format!("D3030: Unable to cast value to a number: {text:?}")))
        }
        _ => Ok(value.clone()),
    }
}

fn is_numeral(text: &str) -> bool {
    let all = |digits: &str, radix: u32| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    let prefixed = |prefixes: [&str; 2], radix: u32| {
        prefixes.iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|digits| all(digits, radix)))
    };
    if prefixed(["0x", "0X"], 16) || prefixed(["0o", "0O"], 8) || prefixed(["0b", "0B"], 2) {
        return true;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    all(whole, 10)
        && fraction.is_none_or(|fraction| all(fraction, 10))
        && exponent.is_none_or(|exponent| all(exponent.strip_prefix(['-', '+']).unwrap_or(exponent), 10))
}

/// Its argument, or nothing for an empty array.
fn some(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [items] = args else { return Err(failed("$reduce takes a sequence first")) };
    Ok(if items.as_array().is_some_and(Vec::is_empty) { JValue::Undefined } else { items.clone() })
}
