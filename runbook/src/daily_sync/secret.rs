//! Secrets that clients read: JSON objects in Secrets Manager, changed key by key so that what
//! others keep in them stays.

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::{Map, Value};

use crate::{
    Context, Error, Result,
    error::{Then, aws},
};

/// Its present value; empty when it has none yet.
pub async fn get(cx: &Context, name: &str) -> Result<Map<String, Value>> {
    let answer = match cx.secrets.get_secret_value().secret_id(name).send().await {
        Ok(answer) => answer,
        // Also when the secret exists without a value: "can't find the specified secret value for
        // staging label: AWSCURRENT".
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(Map::new()),
        Err(error) => return Err(aws("secretsmanager:GetSecretValue")(error)),
    };
    let text = answer.secret_string().unwrap_or_default();
    serde_json::from_str(text).map_err(|_| {
        Error::refused(format!("secret {name} is not a JSON object"))
            .changed("nothing in this secret")
            .fix("put {} into it")
    })
}

/// Sets these keys and leaves the others; no new version when all are so already.
pub async fn set(cx: &Context, name: &str, changes: &[(&str, Value)]) -> Result<bool> {
    let mut secret = get(cx, name).await?;
    if changes.iter().all(|(key, value)| secret.get(*key) == Some(value)) {
        return Ok(false);
    }
    secret.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    match cx
        .secrets
        .put_secret_value()
        .secret_id(name)
        .secret_string(Value::Object(secret).to_string())
        .send()
        .await
    {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ResourceNotFoundException") => {
            Err(Error::refused(format!("there is no secret {name}, which the policy names"))
                .changed("nothing by this call")
                .fix("create it (an empty one is enough)")
                .then(Then::StartAgain))
        }
        Err(error) => Err(aws("secretsmanager:PutSecretValue")(error)),
    }
}
