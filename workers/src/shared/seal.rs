//! What a run wrote, told from what somebody else may have written: a MAC under a key that only
//! workers read, such as the masking key, over the run and the copy. Production, whose snapshot is
//! older than the run, and whoever may write the run bucket, cannot make one.

use hmac::{Hmac, KeyInit, Mac};
use policy::Masking;
use runbook::{Context, Error, Result, Run, aurora::ResourceId, daily_sync::secret, error::Then};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;

#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

/// An object of the run bucket with the MAC of its content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed<T> {
    content: T,
    mac: String,
}

impl Seal {
    pub fn new(key: &str, run: &Run, resource_id: &ResourceId) -> Self {
        let mut mac = keyed(key.as_bytes());
        for part in ["seal", &run.execution.to_string(), resource_id.as_str()] {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        Self(mac)
    }

    /// A name that nobody without the key can have given to anything.
    pub fn name(&self, of: &str, what: &str) -> String {
        format!("aurora_runbooks_{}", &self.of(&[of, what])[..32])
    }

    fn of(&self, parts: &[&str]) -> String {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        hex::encode(mac.finalize().into_bytes())
    }

    pub fn seal<T: Serialize>(&self, key: &str, content: T) -> Result<Sealed<T>> {
        let mac = self.of(&[key, &text(&content)?]);
        Ok(Sealed { content, mac })
    }

    /// The content, when this run wrote it under this key of the run bucket.
    pub fn open<T: Serialize + DeserializeOwned>(&self, key: &str, sealed: Sealed<T>) -> Result<T> {
        if self.of(&[key, &text(&sealed.content)?]) == sealed.mac {
            return Ok(sealed.content);
        }
        Err(Error::refused(format!(
            "{key} in the run bucket was not written by the run that it is of: its MAC is wrong"
        ))
        .changed("nothing by this attempt; nothing of the object was used")
        .fix(
            "if the masking key has been changed since, run the sync again, and then what reads its \
             snapshot; else look who may write the run bucket",
        )
        .then(Then::StartAgain))
    }
}

/// The key that a sync's values are masked with, and its records sealed.
pub async fn masking_key(cx: &Context, masking: &Masking) -> Result<String> {
    let secret = secret::get(cx, &masking.key_secret).await?;
    match secret.get("key").and_then(|key| key.as_str()) {
        Some(key) if key.len() >= 16 => Ok(key.to_owned()),
        _ => Err(Error::refused(format!(
            "the secret {} has no \"key\" of at least 16 characters",
            masking.key_secret
        ))
        .changed("nothing by this attempt")
        .fix("put one into it, such as 32 random bytes in base64")
        .then(Then::StartAgain)),
    }
}

fn text(content: &impl Serialize) -> Result<String> {
    serde_json::to_string(content).map_err(|error| Error::Unexpected(error.into()))
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("a key of HMAC has any length (RFC 2104)"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Content {
        zulu: u64,
        alpha: Option<String>,
        text: String,
    }

    fn seal(key: &str, execution: &str) -> Seal {
        let run = Run::of(&format!("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:{execution}"));
        Seal::new(key, &run, &ResourceId::try_from("cluster-A".to_owned()).unwrap())
    }

    fn stored() -> Value {
        let content = Content { zulu: u64::MAX, alpha: None, text: "a\u{1}\u{7f}\u{2028}é\"/\\".into() };
        serde_json::to_value(seal("a key", "monday").seal("k", content).unwrap()).unwrap()
    }

    /// Whoever reads a part of a record opens it as what it is, whatever its fields.
    #[test]
    fn a_record_is_opened_whatever_it_holds_and_only_as_it_was_written() {
        let text = stored().to_string();
        let open = |of: &Seal, key: &str, text: &str| {
            of.open::<Value>(key, serde_json::from_str(text).unwrap()).map(|content| content.to_string())
        };
        let whole = open(&seal("a key", "monday"), "k", &text).unwrap();
        assert!(whole.starts_with("{\"zulu\":18446744073709551615"), "{whole}");
        for (of, key, text) in [
            (seal("another key", "monday"), "k", text.clone()),
            (seal("a key", "tuesday"), "k", text.clone()),
            (seal("a key", "monday"), "another", text.clone()),
            (seal("a key", "monday"), "k", text.replace("18446744073709551615", "7")),
        ] {
            let error = open(&of, key, &text).unwrap_err();
            assert!(error.to_string().contains("its MAC is wrong"), "{error}");
        }
    }
}
