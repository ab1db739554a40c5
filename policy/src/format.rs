//! The formats that the schema names: text that means something to AWS or PostgreSQL. Each says in
//! words what is wrong.

use crate::values::{Cron, JsonPath, TableName, TimeOfDay, Window, age};

/// The class of Aurora Serverless v2.
pub const SERVERLESS: &str = "db.serverless";

/// Whether the text has the format; what is wrong with it if not. A format that is not known here
/// is none.
pub fn check(format: &str, text: &str) -> Result<(), String> {
    match format {
        "account" => account(text),
        "role-arn" => role_arn(text).map(drop),
        "external-id" => external_id(text),
        "cluster" => name(text, 63),
        "sync" => sync(text),
        "export" => export(text),
        "bucket" => bucket(text),
        "key-prefix" => key_prefix(text),
        "exported" => exported(text),
        "kms-key" => kms_key(text).map(drop),
        "instance-class" => instance_class(text),
        "security-group" => security_group(text),
        "secret" => secret(text),
        "database" => database(text),
        "role" => role(text),
        "setting" => setting(text),
        "grant" => grant(text),
        "duration" => age::parse(text).map(drop),
        "cron" => text.parse::<Cron>().map(drop),
        "time-zone" => time_zone(text),
        "time-of-day" => text.parse::<TimeOfDay>().map(drop),
        "window" => text.parse::<Window>().map(drop),
        "table" => table(text),
        "column" => identifier(text),
        "json-path" => canonical(text, &text.parse::<JsonPath>()?),
        other => Err(format!("the schema names the format {other:?}, which nothing checks")),
    }
}

/// A sync's name, which is part of the names of what it makes.
pub fn sync(text: &str) -> Result<(), String> {
    name(text, 40)
}

/// An export's name, likewise.
pub fn export(text: &str) -> Result<(), String> {
    name(text, 30)
}

fn account(text: &str) -> Result<(), String> {
    let twelve = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    twelve.then_some(()).ok_or_else(|| format!("{text:?} is no account: twelve digits, in quotes"))
}

/// The account of a role's ARN.
pub fn role_arn(text: &str) -> Result<&str, String> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", "", owner, resource]
            if partition.starts_with("aws")
                && account(owner).is_ok()
                && resource
                    .strip_prefix("role/")
                    .is_some_and(|name| !name.is_empty() && !name.ends_with('/')) =>
        {
            Ok(owner)
        }
        _ => Err(format!(
            "{text:?} is no ARN of a role such as arn:aws:iam::111122223333:role/aurora-runbooks-source"
        )),
    }
}

/// externalIdType in botocore sts/2011-06-15.
fn external_id(text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    let fits = (2..=1224).contains(&text.len()) && text.chars().all(allowed);
    fits.then_some(()).ok_or_else(|| {
        format!("{text:?} is no external ID: 2 to 1224 letters, digits and characters of _+=,.@:/-")
    })
}

/// The account of a key's ARN; none for an alias.
pub fn kms_key(text: &str) -> Result<Option<&str>, String> {
    let wrong = || format!("{text:?} is no key: alias/name, or the ARN of a key or an alias");
    let (owner, resource) = match text.strip_prefix("arn:") {
        None if text.starts_with("alias/") => (None, text),
        None => return Err(wrong()),
        Some(_) => match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
            ["arn", _, "kms", region, owner, resource] if !region.is_empty() && account(owner).is_ok() => {
                (Some(*owner), *resource)
            }
            _ => return Err(wrong()),
        },
    };
    // "You can't share a snapshot that has been encrypted using the default AWS KMS key" (Aurora
    // User Guide, "Sharing a DB cluster snapshot").
    if resource.starts_with("alias/aws/") {
        return Err(format!(
            "{text:?} is a key of AWS's own, under which nothing can be shared; name a customer key"
        ));
    }
    let name = resource.strip_prefix("alias/").or_else(|| resource.strip_prefix("key/")).ok_or_else(wrong)?;
    let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b));
    valid.then_some(owner).ok_or_else(wrong)
}

/// RDS keeps cluster identifiers in lower case (botocore's rds model,
/// CreateDBClusterMessage.DBClusterIdentifier).
fn name(text: &str, most: usize) -> Result<(), String> {
    let valid = text.len() <= most
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.ends_with('-')
        && !text.contains("--");
    valid.then_some(()).ok_or_else(|| {
        format!(
            "{text:?} is no name: lower-case letters, digits and single hyphens, a letter first, no hyphen \
            last, at most {most} characters"
        )
    })
}

/// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
fn bucket(text: &str) -> Result<(), String> {
    let valid = (3..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    valid.then_some(()).ok_or_else(|| {
        format!("{text:?} is no bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens")
    })
}

/// RDS takes no colon and turns a space, a backslash and two kinds of quotes into underscores
/// (Aurora User Guide, "Considerations for DB cluster snapshot exports").
fn key_prefix(text: &str) -> Result<(), String> {
    let valid = !text.is_empty()
        && text.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_.=-".contains(&b));
    valid.then_some(()).ok_or_else(|| {
        format!(
            "{text:?} is no prefix such as analytics/daily: letters, digits and / _ . = -, no / at an end"
        )
    })
}

/// "If a database, schema, or table has characters in its name other than [letters, digits, $ and
/// _], partial export isn't supported" (the same page).
fn exported(text: &str) -> Result<(), String> {
    let parts: Vec<_> = text.split('.').collect();
    let plain = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'$' || b == b'_')
    };
    (parts.len() <= 3 && parts.iter().all(plain)).then_some(()).ok_or_else(|| {
        format!(
            "{text:?} is no database, database.schema or database.schema.table of letters, digits, $ and _, \
             the only ones that RDS exports in part"
        )
    })
}

fn instance_class(text: &str) -> Result<(), String> {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let parts: Vec<_> = text.split('.').collect();
    let valid =
        text == SERVERLESS || matches!(parts.as_slice(), ["db", family, size] if part(family) && part(size));
    valid.then_some(()).ok_or_else(|| format!("{text:?} is no instance class such as db.r6g.large"))
}

fn security_group(text: &str) -> Result<(), String> {
    let valid = text
        .strip_prefix("sg-")
        .is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    valid.then_some(()).ok_or_else(|| format!("{text:?} is no security group's id such as sg-0a1b2c3d"))
}

/// botocore's secretsmanager model, CreateSecretRequest.Name: letters, digits and /_+=.@-
fn secret(text: &str) -> Result<(), String> {
    let valid = (1..=512).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-:".contains(&b));
    valid
        .then_some(())
        .ok_or_else(|| format!("{text:?} is no secret's name: letters, digits and / _ + = . @ -"))
}

/// NAMEDATALEN is 64 in every build of PostgreSQL that Aurora offers: 63 bytes and a zero.
fn identifier(text: &str) -> Result<(), String> {
    match text.len() {
        0 => Err("a name is empty".to_owned()),
        1..=63 => Ok(()),
        length => Err(format!("{text:?} is {length} bytes long; a name of PostgreSQL has at most 63")),
    }
}

fn database(text: &str) -> Result<(), String> {
    identifier(text)?;
    match text {
        "rdsadmin" | "template0" => {
            Err(format!("{text:?} is a database that nobody but RDS connects to; leave it out"))
        }
        _ => Ok(()),
    }
}

fn role(text: &str) -> Result<(), String> {
    identifier(text)?;
    if text.starts_with("pg_") || text.starts_with("rds_") || text == "rdsadmin" || text == "public" {
        return Err(format!("{text:?} is a name that PostgreSQL or RDS keeps for itself"));
    }
    Ok(())
}

fn setting(text: &str) -> Result<(), String> {
    let valid = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    valid.then_some(()).ok_or_else(|| format!("{text:?} is no setting's name such as search_path"))
}

fn grant(text: &str) -> Result<(), String> {
    let words: Vec<_> = text.split_whitespace().map(str::to_uppercase).collect();
    let wrong = match words.first().map(String::as_str) {
        None => "is empty",
        Some("GRANT") => "begins with GRANT, which is added",
        Some(_) if text.contains(';') || text.contains("--") => "holds more than one statement",
        Some(_) if words.iter().any(|word| word == "TO") => "says TO, which is added",
        Some(_) => return Ok(()),
    };
    Err(format!(
        "{text:?} {wrong}; write what stands between GRANT and TO, such as SELECT ON ALL TABLES IN SCHEMA \
        public"
    ))
}

fn time_zone(text: &str) -> Result<(), String> {
    // A name with its rules, not an offset: EventBridge Scheduler takes IANA names (Scheduler API
    // Reference, ScheduleExpressionTimezone).
    let known = jiff::tz::TimeZone::get(text).is_ok_and(|zone| zone.iana_name().is_some());
    known
        .then_some(())
        .ok_or_else(|| format!("{text:?} is no time zone of the IANA database such as Europe/Berlin"))
}

/// A key that can be written in two ways could stand twice.
fn canonical(text: &str, value: &impl std::fmt::Display) -> Result<(), String> {
    let written = value.to_string();
    if written == text { Ok(()) } else { Err(format!("{text:?} needs no quotes: write {written}")) }
}

fn table(text: &str) -> Result<(), String> {
    let table: TableName = text.parse()?;
    canonical(text, &table)?;
    let TableName { schema, .. } = table;
    if schema.starts_with("pg_") || schema == "information_schema" {
        return Err(format!("{text:?} is PostgreSQL's own; leave it out"));
    }
    Ok(())
}
