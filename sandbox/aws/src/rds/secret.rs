//! The master password that RDS manages in Secrets Manager
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html): calls
//! through the gateway.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Rds;
use super::keys::default_key;
use super::model::Secret;
use crate::aws;
use crate::http::{Caller, Request};

impl Rds {
    /// Makes the cluster's secret and shows it on the cluster.
    pub(super) async fn create_secret(
        &self,
        resource_id: &str,
        username: &str,
        password: &str,
        key: Option<&str>,
    ) {
        let name = format!("rds!{resource_id}");
        let body = json!({"Name": name, "SecretString": secret_string(username, password)});
        let created = self.secrets_manager("CreateSecret", &body).await;
        let arn = created.as_ref().and_then(|answer| answer["ARN"].as_str()).map(str::to_owned);
        // Without a Secrets Manager behind the gateway the cluster still shows where its secret
        // would be.
        let arn =
            arn.unwrap_or_else(|| aws::arn_in(self.account, "secretsmanager", &format!("secret:{name}")));
        if let Some(cluster) = self.world().clusters.get_mut(resource_id) {
            let kms_key = key.map_or_else(|| default_key(self.account), str::to_owned);
            cluster.secret = Some(Secret { arn, status: "creating", kms_key });
        }
    }

    pub(super) async fn rotate_secret(&self, arn: &str, username: &str, password: &str) {
        self.secrets_manager(
            "PutSecretValue",
            &json!({"SecretId": arn, "SecretString": secret_string(username, password)}),
        )
        .await;
    }

    pub(super) async fn delete_secret(&self, arn: &str) {
        self.secrets_manager("DeleteSecret", &json!({"SecretId": arn, "ForceDeleteWithoutRecovery": true}))
            .await;
    }

    async fn secrets_manager(&self, action: &str, body: &Value) -> Option<Value> {
        let gateway = self.gateway.upgrade()?;
        let mut request = Request::new(Bytes::from(body.to_string()));
        *request.method_mut() = http::Method::POST;
        let headers = request.headers_mut();
        headers.insert("content-type", http::HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert("x-amz-target", http::HeaderValue::try_from(format!("secretsmanager.{action}")).ok()?);
        let caller = Caller { account: self.account.into(), ..Caller::home("rds", "secretsmanager") };
        request.extensions_mut().insert(caller);
        let response = gateway.call(request).await;
        if !response.status().is_success() {
            tracing::error!(action, status = response.status().as_u16(), "call Secrets Manager");
            return None;
        }
        serde_json::from_slice(response.body()).ok()
    }
}

fn secret_string(username: &str, password: &str) -> String {
    json!({"username": username, "password": password}).to_string()
}
