//! What this run wrote, told from what somebody else may have written: a MAC under the masking key,
//! over the run and the copy. Production, whose snapshot is older than the run, and whoever may
//! write the run bucket, cannot make one.

use hmac::{Hmac, KeyInit, Mac};
use runbook::{Error, Result, Run, aurora::ResourceId, error::Then};
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
        Err(Error::refused(format!("{key} in the run bucket was not written by this run: its MAC is wrong"))
            .changed("nothing by this attempt; nothing of the object was used")
            .fix("look who may write the run bucket")
            .then(Then::StartAgain))
    }
}

fn text(content: &impl Serialize) -> Result<String> {
    serde_json::to_string(content).map_err(|error| Error::Unexpected(error.into()))
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("a key of HMAC has any length (RFC 2104)"))
}
