//! Secrets Manager: secrets by name and ARN. JSON 1.1, shapes from botocore secretsmanager 1.43.11.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use clock::Clock;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::{ACCOUNT, arn_in};
use crate::http::{Caller, Endpoint, Request, Response};
use crate::ids::Ids;
use crate::json::{self, Answer, Error, seconds};

pub struct SecretsManager {
    clock: Clock,
    ids: Ids,
    /// By account and name: nothing of one account is visible in the other.
    secrets: Mutex<BTreeMap<String, Secrets>>,
    /// The KMS key of new secrets; `aws/secretsmanager` when none.
    key: Mutex<Option<String>>,
}

type Secrets = BTreeMap<String, Secret>;

struct Secret {
    arn: String,
    name: String,
    description: Option<String>,
    tags: Value,
    /// A customer's KMS key.
    key: Option<String>,
    created: Timestamp,
    changed: Timestamp,
    /// The newest last: it is AWSCURRENT, the one before it AWSPREVIOUS.
    versions: Vec<Version>,
}

struct Version {
    id: String,
    string: Option<String>,
    binary: Option<String>,
    created: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: Option<String>,
    #[serde(default)]
    secret_id: String,
    secret_string: Option<String>,
    secret_binary: Option<String>,
    description: Option<String>,
    #[serde(default)]
    tags: Value,
    kms_key_id: Option<String>,
    client_request_token: Option<String>,
    version_id: Option<String>,
    version_stage: Option<String>,
}

impl SecretsManager {
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            ids: Ids::new("secretsmanager"),
            secrets: Mutex::default(),
            key: Mutex::default(),
        })
    }

    /// From now on that key encrypts secrets that name none.
    pub fn encrypt(&self, key: &str) {
        *self.key.lock().unwrap() = Some(key.to_owned());
    }

    /// The ARN of a secret and the customer's key that it is encrypted with.
    pub fn find(&self, account: &str, id: &str) -> Option<(String, Option<String>)> {
        let mut secrets = self.secrets.lock().unwrap();
        let secret = find(secrets.get_mut(account)?, id).ok()?;
        Some((secret.arn.clone(), secret.key.clone()))
    }

    pub fn tags_at(&self, account: &str, id: &str) -> BTreeMap<String, String> {
        let mut secrets = self.secrets.lock().unwrap();
        let secret = secrets.get_mut(account).and_then(|secrets| find(secrets, id).ok());
        let tags = secret.and_then(|secret| secret.tags.as_array().cloned()).unwrap_or_default();
        let text = |tag: &Value, name: &str| tag[name].as_str().map(str::to_owned);
        tags.iter().filter_map(|tag| Some((text(tag, "Key")?, text(tag, "Value")?))).collect()
    }

    /// The current value of a secret of the home account, for tests.
    pub fn value(&self, secret_id: &str) -> Option<String> {
        self.value_in(ACCOUNT, secret_id)
    }

    pub fn value_in(&self, account: &str, secret_id: &str) -> Option<String> {
        find(self.secrets.lock().unwrap().get_mut(account)?, secret_id).ok()?.versions.last()?.string.clone()
    }

    /// Every version of every secret of every account, for tests.
    pub fn strings(&self) -> Vec<String> {
        let secrets = self.secrets.lock().unwrap();
        let versions = secrets.values().flat_map(BTreeMap::values).flat_map(|secret| &secret.versions);
        versions.filter_map(|version| version.string.clone()).collect()
    }

    fn version(&self, input: &Input) -> Option<Version> {
        let (string, binary) = (input.secret_string.clone(), input.secret_binary.clone());
        (string.is_some() || binary.is_some()).then(|| Version {
            id: input.client_request_token.clone().unwrap_or_else(|| self.ids.uuid()),
            string,
            binary,
            created: self.clock.now(),
        })
    }

    fn create(&self, account: &str, secrets: &mut Secrets, input: Input) -> Answer {
        let name = input
            .name
            .clone()
            .ok_or_else(|| Error::new("InvalidParameterException", "You must provide a name."))?;
        let version = self.version(&input);
        if secrets.contains_key(&name) {
            let message = format!("The operation failed because the secret {name} already exists.");
            return Err(Error::new("ResourceExistsException", message));
        }
        // "Secrets Manager automatically adds a hyphen and six random characters after the secret
        // name at the end of the ARN" (CreateSecret, Name).
        let arn = arn_in(account, "secretsmanager", &format!("secret:{name}-{}", self.ids.suffix()));
        let now = self.clock.now();
        let secret = Secret {
            arn,
            name: name.clone(),
            description: input.description,
            tags: input.tags,
            key: input.kms_key_id.or_else(|| self.key.lock().unwrap().clone()),
            created: now,
            changed: now,
            versions: version.into_iter().collect(),
        };
        let answer = secret.identity();
        secrets.insert(name, secret);
        Ok(answer)
    }

    fn put(&self, secrets: &mut Secrets, input: Input) -> Answer {
        let version = self.version(&input);
        let now = self.clock.now();
        let secret = find(secrets, &input.secret_id)?;
        secret.changed = now;
        secret.description = input.description.or(secret.description.take());
        // The token makes a retry harmless: a version that is there already is left alone
        // (PutSecretValue, ClientRequestToken).
        if let Some(version) = version.filter(|new| secret.versions.iter().all(|old| old.id != new.id)) {
            secret.versions.push(version);
        }
        Ok(secret.identity())
    }

    fn get_value(&self, secrets: &mut Secrets, input: Input) -> Answer {
        let secret = find(secrets, &input.secret_id)?;
        let stage = input.version_stage.as_deref().unwrap_or("AWSCURRENT");
        let index = match &input.version_id {
            Some(id) => secret.versions.iter().position(|version| version.id == *id),
            None => (0..secret.versions.len()).find(|&index| secret.stages(index).contains(&stage)),
        };
        let index = index.ok_or_else(|| {
            let message =
                format!("Secrets Manager can't find the specified secret value for staging label: {stage}");
            Error::new("ResourceNotFoundException", message)
        })?;
        let version = &secret.versions[index];
        let mut answer = json!({
            "ARN": secret.arn, "Name": secret.name, "VersionId": version.id,
            "VersionStages": secret.stages(index), "CreatedDate": seconds(version.created),
        });
        if let Some(string) = &version.string {
            answer["SecretString"] = json!(string);
        }
        if let Some(binary) = &version.binary {
            answer["SecretBinary"] = json!(binary);
        }
        Ok(answer)
    }

    /// At once, whatever recovery window was asked for.
    fn delete(&self, secrets: &mut Secrets, input: Input) -> Answer {
        let name = find(secrets, &input.secret_id)?.name.clone();
        let secret = secrets.remove(&name);
        Ok(json!({
            "ARN": secret.map(|secret| secret.arn),
            "Name": name,
            "DeletionDate": seconds(self.clock.now()),
        }))
    }
}

impl Secret {
    fn identity(&self) -> Value {
        let mut answer = json!({ "ARN": self.arn, "Name": self.name });
        if let Some(version) = self.versions.last() {
            answer["VersionId"] = json!(version.id);
            answer["VersionStages"] = json!(["AWSCURRENT"]);
        }
        answer
    }

    fn stages(&self, index: usize) -> &'static [&'static str] {
        match self.versions.len() - index {
            1 => &["AWSCURRENT"],
            2 => &["AWSPREVIOUS"],
            _ => &[],
        }
    }

    fn describe(&self) -> Value {
        let stages = self.versions.iter().enumerate().filter(|(index, _)| !self.stages(*index).is_empty());
        let stages: BTreeMap<_, _> =
            stages.map(|(index, version)| (&version.id, self.stages(index))).collect();
        let mut answer = json!({
            "ARN": self.arn, "Name": self.name, "CreatedDate": seconds(self.created),
            "LastChangedDate": seconds(self.changed), "VersionIdsToStages": stages,
        });
        if let Some(description) = &self.description {
            answer["Description"] = json!(description);
        }
        if let Some(key) = &self.key {
            answer["KmsKeyId"] = json!(key);
        }
        if self.tags.is_array() {
            answer["Tags"] = self.tags.clone();
        }
        answer
    }
}

/// By name, ARN, or ARN without its random suffix: "we recommend that you specify a complete ARN
/// rather than a partial ARN" (GetSecretValue, SecretId).
fn find<'a>(secrets: &'a mut Secrets, id: &str) -> Result<&'a mut Secret, Error> {
    let matches = |secret: &Secret| {
        secret.name == id
            || secret.arn == id
            || secret.arn.strip_prefix(id).is_some_and(|rest| rest.len() == 7 && rest.starts_with('-'))
    };
    let not_found =
        || Error::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    secrets.values_mut().find(|secret| matches(secret)).ok_or_else(not_found)
}

#[async_trait]
impl Endpoint for SecretsManager {
    async fn call(&self, request: Request) -> Response {
        let account = request.extensions().get::<Caller>().map_or(ACCOUNT, |caller| caller.account.as_str());
        let answer = json::input::<Input>(&request).and_then(|input| {
            let mut secrets = self.secrets.lock().unwrap();
            let secrets = secrets.entry(account.to_owned()).or_default();
            match json::operation(&request) {
                "CreateSecret" => self.create(account, secrets, input),
                "PutSecretValue" | "UpdateSecret" => self.put(secrets, input),
                "GetSecretValue" => self.get_value(secrets, input),
                "DescribeSecret" => Ok(find(secrets, &input.secret_id)?.describe()),
                "DeleteSecret" => self.delete(secrets, input),
                "ListSecrets" => {
                    Ok(json!({ "SecretList": secrets.values().map(Secret::describe).collect::<Vec<_>>() }))
                }
                _ => Err(json::unknown_operation(&request)),
            }
        });
        json::reply(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn call(service: &SecretsManager, operation: &str, input: Value) -> (u16, Value) {
        json::call(service, &format!("secretsmanager.{operation}"), input).await
    }

    #[tokio::test]
    async fn a_secret_is_found_by_name_arn_and_partial_arn() {
        let service = SecretsManager::new(Clock::System);
        let (_, created) =
            call(&service, "CreateSecret", json!({ "Name": "orders/master", "SecretString": "one" })).await;
        let full = created["ARN"].as_str().unwrap();
        let partial = &full[..full.len() - 7];
        assert!(partial.ends_with(":secret:orders/master"), "{partial}");
        for id in ["orders/master", full, partial] {
            let (status, value) = call(&service, "GetSecretValue", json!({ "SecretId": id })).await;
            assert_eq!((status, &value["SecretString"]), (200, &json!("one")), "{id}");
        }
        let (status, error) = call(&service, "GetSecretValue", json!({ "SecretId": "orders" })).await;
        assert_eq!((status, &error["__type"]), (400, &json!("ResourceNotFoundException")));
        let (status, error) = call(&service, "CreateSecret", json!({ "Name": "orders/master" })).await;
        assert_eq!((status, &error["__type"]), (400, &json!("ResourceExistsException")));
    }

    #[tokio::test]
    async fn a_secret_is_its_accounts_own() {
        let service = SecretsManager::new(Clock::System);
        let (_, created) =
            call(&service, "CreateSecret", json!({ "Name": "a", "SecretString": "one" })).await;
        let request = http::Request::post("/").header("x-amz-target", "secretsmanager.GetSecretValue");
        let request = request.extension(Caller::of_key("owner.111122223333", "eu-west-1", "secretsmanager"));
        let response = service
            .call(request.body(json!({ "SecretId": created["ARN"] }).to_string().into()).unwrap())
            .await;
        assert_eq!(response.status(), 400);
        assert_eq!(service.value("a").as_deref(), Some("one"));
        assert_eq!(service.value_in("111122223333", "a"), None);
    }

    #[tokio::test]
    async fn a_new_value_is_current_and_the_old_one_previous() {
        let service = SecretsManager::new(Clock::System);
        call(&service, "CreateSecret", json!({ "Name": "a", "SecretString": "one" })).await;
        let put = json!({ "SecretId": "a", "SecretString": "two", "ClientRequestToken": "t".repeat(32) });
        call(&service, "PutSecretValue", put.clone()).await;
        call(&service, "PutSecretValue", put).await;
        assert_eq!(
            call(&service, "GetSecretValue", json!({ "SecretId": "a" })).await.1["SecretString"],
            "two"
        );
        let previous = json!({ "SecretId": "a", "VersionStage": "AWSPREVIOUS" });
        assert_eq!(call(&service, "GetSecretValue", previous).await.1["SecretString"], "one");
        call(&service, "DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true })).await;
        assert_eq!(call(&service, "ListSecrets", json!({})).await.1, json!({ "SecretList": [] }));
    }
}
