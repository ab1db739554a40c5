//! How a worker logs in to a cluster.

use std::time::Duration;

use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use jiff::SignedDuration;
use serde::Deserialize;

use super::Cluster;
use crate::{
    Context, Error, Result,
    error::{Then, aws},
    postgres::{self, Login},
};

#[derive(Deserialize)]
struct Secret {
    username: String,
    password: String,
}

/// A managed password is rotated weekly, and for a while after it was set the old one is in force.
const ROTATION: SignedDuration = SignedDuration::from_mins(10);

/// To the writer, with the secret named in the input, or the one that RDS manages for the cluster.
/// The login was tried: a password that does not work is read again until it does, for a while.
pub async fn login(cx: &Context, cluster: &Cluster, secret_arn: Option<&str>) -> Result<Login> {
    let start = cx.clock.now();
    loop {
        let login = read_login(cx, cluster, secret_arn).await?;
        if postgres::accepts(cx, &login).await? {
            return Ok(login);
        }
        if cx.clock.now().duration_since(start) >= ROTATION {
            return Err(Error::refused(format!(
                "PostgreSQL has refused the login of {} for {} min",
                login.user,
                ROTATION.as_mins()
            ))
            .fix("put the present user name and password of a role that may connect into the secret")
            .then(Then::Redrive));
        }
        cx.progress.say(format!("waiting for PostgreSQL to accept the login of {}", login.user));
        cx.clock.sleep(Duration::from_secs(15)).await;
    }
}

/// What the secret says now, untried.
pub async fn read_login(cx: &Context, cluster: &Cluster, secret_arn: Option<&str>) -> Result<Login> {
    let name = &cluster.id;
    let managed = cluster.shown.master_user_secret().and_then(|secret| secret.secret_arn());
    let arn = secret_arn.or(managed).ok_or_else(|| {
        Error::refused(format!("no secret is known to log in to {name}"))
            .fix(
                "let RDS manage the master password (ManageMasterUserPassword), or name a secret with \
                 username and password as \"secretArn\" in the input",
            )
            .then(Then::StartAgain)
    })?;
    let answer = match cx.secrets.get_secret_value().secret_id(arn).send().await {
        Err(error) if secret_arn.is_some() && error.code() == Some("ResourceNotFoundException") => {
            return Err(Error::refused(format!("there is no secret {arn} to log in to {name} with"))
                .fix("name one that exists as \"secretArn\" in the input, or none where RDS manages it")
                .then(Then::StartAgain));
        }
        answer => answer.map_err(aws("secretsmanager:GetSecretValue"))?,
    };
    let secret: Option<Secret> = answer.secret_string().and_then(|text| serde_json::from_str(text).ok());
    let secret = secret.ok_or_else(|| {
        Error::refused(format!("secret {arn} is not a JSON object with \"username\" and \"password\""))
            .fix("put both into it")
            .then(Then::Redrive)
    })?;
    let host = cluster.shown.endpoint();
    let host = host.ok_or_else(|| Error::NotReady(format!("cluster {name} to have an endpoint")))?.to_owned();
    // RDS shows the port of every cluster that has an endpoint; 5432 is its default
    // (CreateDBCluster).
    let port = cluster.shown.port().and_then(|port| u16::try_from(port).ok()).unwrap_or(5432);
    Ok(Login { host, port, user: secret.username, password: secret.password })
}
