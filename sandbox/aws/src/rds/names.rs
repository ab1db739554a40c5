//! Names of users and databases that a new cluster is asked for.

use super::error::Fault;

/// Reserved by Aurora PostgreSQL (aws-cloudformation/cfn-lint#4425, tried against AWS: `admin`,
/// `rdsadmin`), by its own roles, and by PostgreSQL's CREATE ROLE (`public`, `none`).
const USERS: [&str; 4] = ["admin", "rdsadmin", "public", "none"];

/// The databases that every server has; `postgres` may be asked for.
const DATABASES: [&str; 3] = ["rdsadmin", "template0", "template1"];

/// 63 characters, not the model's 16: a live account takes as many (floci-io/floci#3730).
pub fn master_username(name: &str) -> Result<&str, Fault> {
    if !is_name(name) {
        // AWS's words (floci-io/floci#3729).
        return Err(Fault::value(
            "MasterUsername must begin with a letter and contain only alphanumeric characters or \
             underscores.",
        ));
    }
    let lower = name.to_lowercase();
    if USERS.contains(&&*lower) || lower.starts_with("pg_") || lower.starts_with("rds_") {
        // AWS's words (aws/aws-cdk#10579).
        return Err(Fault::value(format!(
            "MasterUsername {name} cannot be used as it is a reserved word used by the engine"
        )));
    }
    Ok(name)
}

/// botocore rds 2014-10-31, CreateDBInstance.DBName of Aurora PostgreSQL: 1 to 63 letters, digits
/// or underscores, first a letter, no word that the engine reserves.
pub fn database_name(name: &str) -> Result<&str, Fault> {
    if !is_name(name) {
        return Err(Fault::value(
            "DatabaseName must begin with a letter and contain only alphanumeric characters.",
        ));
    }
    if DATABASES.contains(&&*name.to_lowercase()) {
        return Err(Fault::value(format!(
            "DatabaseName {name} cannot be used. It is a reserved word for this engine"
        )));
    }
    Ok(name)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 63
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_databases_have_the_names_that_aurora_takes() {
        for good in ["postgres", "root", "application_db_admin_user"] {
            assert!(master_username(good).is_ok(), "{good}");
        }
        for bad in
            ["admin", "Admin", "rdsadmin", "rds_superuser", "pg_monitor", "a-b", "1a", "", &"a".repeat(64)]
        {
            assert_eq!(master_username(bad).unwrap_err().code, "InvalidParameterValue", "{bad}");
        }
        assert!(database_name("shop_2").is_ok() && database_name("postgres").is_ok());
        for bad in ["a-b", "2shop", "rdsadmin", "template1"] {
            assert_eq!(database_name(bad).unwrap_err().code, "InvalidParameterValue", "{bad}");
        }
    }
}
