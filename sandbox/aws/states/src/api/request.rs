//! What an action reads from its request, and how it refuses.

use serde_json::Value;

use crate::run::failure::Failure;

pub struct ApiError {
    pub code: &'static str,
    pub message: String,
}

pub type Answer = Result<Value, ApiError>;

pub fn error<T>(code: &'static str, message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError { code, message: message.into() })
}

/// In the words of the service's own validation.
pub fn invalid<T>(field: &str, value: Option<&str>, constraint: &str) -> Result<T, ApiError> {
    let value = value.map(|value| format!("'{value}' ")).unwrap_or_default();
    let message = format!(
        "1 validation error detected: Value {value}at '{field}' failed to satisfy constraint: Member must \
        {constraint}"
    );
    error("ValidationException", message)
}

pub fn too_long<T>(field: &str, most: usize) -> Result<T, ApiError> {
    invalid(field, None, &format!("have length less than or equal to {most}"))
}

pub fn text<'a>(body: &'a Value, field: &str) -> Result<&'a str, ApiError> {
    body[field].as_str().map_or_else(|| invalid(field, None, "not be null"), Ok)
}

/// The text: localstack/localstack, v2/test_sfn_api.snapshot.json, test_describe_invalid_arn_sm.
pub fn arn<'a>(body: &'a Value, field: &str) -> Result<&'a str, ApiError> {
    let arn = text(body, field)?;
    if arn.starts_with("arn:aws:states:") {
        Ok(arn)
    } else {
        error("InvalidArn", format!("Invalid Arn: 'Invalid ARN prefix: {arn}'"))
    }
}

/// The lengths are those of SensitiveError and SensitiveCause.
pub fn failure(body: &Value) -> Result<Failure, ApiError> {
    let read = |field: &str, most: usize| match body[field].as_str() {
        Some(text) if text.chars().count() > most => too_long(field, most),
        text => Ok(text.map(str::to_owned)),
    };
    Ok(Failure::of(read("error", 256)?, read("cause", 32_768)?))
}

/// The characters that API_StartExecution and API_CreateStateMachine forbid in a name.
pub fn check_name(name: &str) -> Result<(), ApiError> {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    if (1..=80).contains(&name.chars().count()) && !name.contains(forbidden) {
        return Ok(());
    }
    error("InvalidName", format!("Invalid Name: '{name}'"))
}

/// A page of a list, and the token of the next. Tokens are opaque to clients; ours hold the index
/// of the next item. `maxResults` is from 0, which is 100, to 1000 (localstack/localstack,
/// v2/test_sfn_api_aliasing.snapshot.json).
pub fn paged(entries: Vec<Value>, body: &Value, field: &str) -> Answer {
    // ListExecutionsPageToken, PageToken (botocore stepfunctions/2016-11-23).
    let longest = if field == "executions" { 3096 } else { 1024 };
    let from = match body["nextToken"].as_str() {
        None => 0,
        Some(token) if token.chars().count() > longest => {
            let constraint = format!("have length less than or equal to {longest}");
            return invalid("nextToken", Some(token), &constraint);
        }
        Some(token) => {
            let from = token.strip_prefix("from-").and_then(|index| index.parse::<usize>().ok());
            match from.filter(|from| *from <= entries.len()) {
                Some(from) => from,
                None => return error("InvalidToken", "Invalid Token: 'Invalid token'"),
            }
        }
    };
    let size = match &body["maxResults"] {
        Value::Null => 100,
        most => match most.as_i64() {
            Some(0) => 100,
            Some(size @ 1..=1000) => size as usize,
            Some(1001..) => {
                return invalid(
                    "maxResults",
                    Some(&most.to_string()),
                    "have value less than or equal to 1000",
                );
            }
            _ => {
                return invalid(
                    "maxResults",
                    Some(&most.to_string()),
                    "have value greater than or equal to 0",
                );
            }
        },
    };
    let next = (from + size < entries.len()).then(|| format!("from-{}", from + size));
    let page: Vec<_> = entries.into_iter().skip(from).take(size).collect();
    let mut answer = serde_json::json!({ field: page });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}
