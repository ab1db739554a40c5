//! Whether production's master password opens the copy. Nobody here knows it, so it cannot be
//! tried. A role of PostgreSQL has one password (rolpassword of
//! https://www.postgresql.org/docs/current/catalog-pg-authid.html): when the server asks for one,
//! and takes one that was made after the copy, then the one that the copy came with is gone.

use aws_sdk_rds::primitives::DateTime;
use runbook::{
    Context, Error, Result, Run,
    aurora::Cluster,
    error::aws,
    postgres::{self, Login},
};

/// `login` was taken by the server: [`super::Quarantined::login`] has tried it.
pub async fn look(cx: &Context, run: &Run, cluster: &Cluster, login: &Login) -> Result<Vec<String>> {
    // The cluster without one is named by `cluster::check`.
    let Some(secret) = cluster.shown.master_user_secret().and_then(|secret| secret.secret_arn()) else {
        return Ok(Vec::new());
    };
    let answer = cx.secrets.get_secret_value().secret_id(secret).send().await;
    let answer = answer.map_err(aws("secretsmanager:GetSecretValue"))?;
    // What is in force, and not a version that is only being made.
    if !answer.secret_string().is_some_and(|text| is_of(text, login)) {
        return Err(Error::NotReady("the rotation of the quarantine's master password to end".into()));
    }
    let none = Login { password: format!("none of {}", run.short_id()), ..login.clone() };
    let any = postgres::accepts(cx, &none).await?;
    Ok(check(any, answer.created_date(), cluster.shown.cluster_create_time()))
}

fn is_of(secret: &str, login: &Login) -> bool {
    serde_json::from_str::<serde_json::Value>(secret)
        .is_ok_and(|secret| secret["password"].as_str() == Some(&login.password))
}

/// `password`: when this version of the secret was made (botocore secretsmanager, GetSecretValue:
/// CreatedDate). A date that is not shown proves nothing.
fn check(any: bool, password: Option<&DateTime>, cluster: Option<&DateTime>) -> Vec<String> {
    let mut wrong = Vec::new();
    if any {
        wrong.push("the server lets the master user in with any password".to_owned());
    }
    match (password, cluster) {
        (Some(password), Some(cluster)) if password > cluster => {}
        _ => wrong.push(
            "the master password in Secrets Manager is not newer than the cluster, so production's may \
            still open it"
                .to_owned(),
        ),
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_password_that_is_newer_than_the_copy_proves_that_the_old_one_is_gone() {
        let (early, late) = (DateTime::from_secs(100), DateTime::from_secs(200));
        assert_eq!(check(false, Some(&late), Some(&early)), Vec::<String>::new());
        for (password, cluster) in [
            (Some(&early), Some(&late)),
            (Some(&early), Some(&early)),
            (None, Some(&early)),
            (Some(&late), None),
        ] {
            assert!(check(false, password, cluster)[0].contains("production's may still open it"));
        }
    }

    #[test]
    fn a_server_that_asks_for_no_password_is_found() {
        let (early, late) = (DateTime::from_secs(100), DateTime::from_secs(200));
        assert!(check(true, Some(&late), Some(&early))[0].contains("with any password"));
    }
}
