//! What a schema cannot say: fields that must agree with each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Number;

use crate::check_exports::exports;
use crate::error::Error;
use crate::exception::{Action, Exception, ExceptionKind};
use crate::format::{self, SERVERLESS};
use crate::rule::{Rule, TableRule};
use crate::types::{Capacity, DatabaseRules, Masking, Policy, SnapshotKind, Source, Swap, Sync, Target};
use crate::values::TableName;
use crate::yaml::Place;

/// The longest name that is made of a target's is `<target>-old-<8 characters>` with its instance's
/// `-1`, and RDS takes 63 characters.
const LONGEST_TARGET: usize = 48;

/// An execution has 25,000 events
/// (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html), and ends without a
/// clean-up when it has used them up. So many targets have 1,500 each: 500 looks, 20 s apart at
/// most.
const TARGETS: usize = 15;

pub fn check(policy: &Policy, places: &BTreeMap<String, Place>) -> Vec<Error> {
    let mut report = Report { places, errors: Vec::new() };
    clusters(policy, &mut report);
    for (name, sync) in &policy.syncs {
        let field = format!("syncs.{name}");
        source(&sync.source, &format!("{field}.source"), &mut report);
        way(name, sync, &field, &mut report);
        schedule(sync, &field, &mut report);
        if let Some(quarantine) = &sync.quarantine {
            let at = format!("{field}.quarantine");
            capacity(&quarantine.instance_class, quarantine.capacity.as_ref(), &at, &mut report);
        }
        if sync.targets.len() > TARGETS {
            report.error(
                &format!("{field}.targets"),
                format!(
                    "has {} targets, and one execution has room for {TARGETS}; give the others a sync of \
                     their own",
                    sync.targets.len()
                ),
            );
        }
        for (index, target) in sync.targets.iter().enumerate() {
            self::target(target, sync, &format!("{field}.targets[{index}]"), &mut report);
        }
        if let Some(rules) = &sync.masking {
            masking(rules, &format!("{field}.masking"), &mut report);
            exceptions(rules, &format!("{field}.masking"), &mut report);
        }
    }
    secrets(policy, &mut report);
    if policy.syncs.is_empty() && policy.exports.is_empty() {
        report.error("", "lacks syncs or exports: there is nothing to do");
    }
    exports(policy, &mut report);
    report.errors.sort_by_key(|error| (error.line, error.column));
    report.errors
}

pub struct Report<'p> {
    places: &'p BTreeMap<String, Place>,
    errors: Vec<Error>,
}

impl Report<'_> {
    /// At the field, or at the nearest that the file has around it.
    pub fn error(&mut self, field: &str, message: impl Into<String>) {
        let mut at = field;
        let place = loop {
            match (self.places.get(at), at.rfind(['.', '['])) {
                (Some(place), _) => break *place,
                (None, Some(end)) => at = &at[..end],
                (None, None) => break Place::START,
            }
        };
        self.errors.push(place.error(field, message));
    }
}

/// Who replaces what: one account for all targets, no target twice, and never a cluster that data
/// comes from.
fn clusters(policy: &Policy, report: &mut Report) {
    let targets = policy.syncs.iter().flat_map(|(name, sync)| {
        sync.targets
            .iter()
            .enumerate()
            .map(move |(index, target)| (format!("syncs.{name}.targets[{index}]"), target))
    });
    let mut account: Option<(&str, String)> = None;
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for (field, target) in targets {
        match &account {
            None => account = Some((&target.account, field.clone())),
            Some((first, _)) if *first == target.account => {}
            Some((first, at)) => report.error(
                &format!("{field}.account"),
                format!(
                    "{} is another account than {first} of {at}; all targets are in the account the \
                runbooks run in",
                    target.account
                ),
            ),
        }
        if target.cluster.len() > LONGEST_TARGET {
            report.error(
                &format!("{field}.cluster"),
                format!(
                    "{:?} is longer than {LONGEST_TARGET} characters, and names are made of it",
                    target.cluster
                ),
            );
        }
        let source = policy.syncs.iter().find(|(_, Sync { source, .. })| {
            source.account == target.account && source.cluster.as_ref() == Some(&target.cluster)
        });
        if let Some((name, _)) = source {
            report.error(
                &format!("{field}.cluster"),
                format!("{:?} is the source of {name}: it would be replaced", target.cluster),
            );
        }
        if let Some(first) = seen.get(target.cluster.as_str()) {
            report.error(
                &format!("{field}.cluster"),
                format!("{:?} is already the cluster of {first}", target.cluster),
            );
        } else {
            seen.insert(&target.cluster, field);
        }
    }
}

fn source(source: &Source, field: &str, report: &mut Report) {
    let owned = [
        ("role", format::role_arn(&source.role).ok()),
        ("kms-key", format::kms_key(&source.kms_key).ok().flatten()),
    ];
    for (key, owner) in owned.into_iter().filter_map(|(key, owner)| Some((key, owner?))) {
        if owner != source.account {
            report.error(
                &format!("{field}.{key}"),
                format!("is of account {owner}; the source is in {}", source.account),
            );
        }
    }
}

/// Production's data is masked here, and what another account has sanitised is only taken: each way
/// has its own keys.
fn way(name: &str, sync: &Sync, field: &str, report: &mut Report) {
    let Sync { source, quarantine, kms_key, masking, .. } = sync;
    match (&source.cluster, &source.sync) {
        (Some(_), Some(_)) => {
            report.error(&format!("{field}.source.sync"), "stands beside cluster: a sync has one source")
        }
        (None, None) => {
            report.error(&format!("{field}.source"), "lacks cluster or sync: one of them is taken")
        }
        (Some(_), None) => {
            if quarantine.is_none() {
                report.error(field, "lacks quarantine: where production's copy stands until it is sanitised");
            }
            if masking.is_none() {
                report.error(field, "lacks masking: what becomes of every column of every table");
            }
            if kms_key.is_some() {
                report.error(&format!("{field}.kms-key"), "is for source.sync; here it is the quarantine's");
            }
        }
        (None, Some(of)) => {
            for (key, given) in [("quarantine", quarantine.is_some()), ("masking", masking.is_some())] {
                if given {
                    report.error(
                        &format!("{field}.{key}"),
                        "is for source.cluster; what a sync has sanitised is not masked again",
                    );
                }
            }
            if kms_key.is_none() {
                report.error(field, "lacks kms-key: what encrypts our copy and the targets");
            }
            // Copies are told apart by the name of their sync alone, and that account cleans up
            // after its own.
            if of == name {
                report.error(
                    &format!("{field}.source.sync"),
                    "is this sync's own name: two accounts would remove each other's copies; give this sync \
                     another one",
                );
            }
            if source.snapshot.kind != SnapshotKind::Manual {
                report.error(&format!("{field}.source.snapshot.type"), "is automated; a sync's is manual");
            }
            if source.account == sync.targets[0].account {
                report.error(
                    &format!("{field}.source.account"),
                    "is the targets' own; name the target in the sync itself",
                );
            }
        }
    }
}

fn schedule(sync: &Sync, field: &str, report: &mut Report) {
    // Any Monday will do: a schedule that starts nothing in some years starts nothing.
    let from = jiff::Timestamp::UNIX_EPOCH;
    if sync.schedule.runs(from).next().is_none() {
        report.error(
            &format!("{field}.schedule.cron"),
            format!("{:?} names a day that no year has", sync.schedule.cron.as_str()),
        );
    }
    let account = &sync.targets[0].account;
    let owner = sync.targets_key().and_then(|key| format::kms_key(key).ok().flatten());
    if let Some(owner) = owner.filter(|owner| owner != account) {
        let (key, what) = match sync.kms_key {
            Some(_) => ("kms-key", "targets are"),
            None => ("quarantine.kms-key", "quarantine is"),
        };
        let message = format!("is of account {owner}; the {what} in {account}");
        report.error(&format!("{field}.{key}"), message);
    }
}

/// RDS makes no instance of the class `db.serverless` in a cluster without a scaling configuration,
/// and the class alone says that one is wanted.
pub fn capacity(class: &str, capacity: Option<&Capacity>, field: &str, report: &mut Report) {
    match (class == SERVERLESS, capacity) {
        (true, None) => {
            report.error(field, format!("lacks capacity: {SERVERLESS} scales between its min and max"))
        }
        (false, Some(_)) => {
            report.error(&format!("{field}.capacity"), format!("is for {SERVERLESS}; the class is {class}"))
        }
        (true, Some(Capacity { min, max })) => {
            // ServerlessV2ScalingConfiguration, botocore rds 2014-10-31.
            for (key, value) in [("min", min), ("max", max)] {
                if (value * 2.0).fract() != 0.0 {
                    report.error(&format!("{field}.capacity.{key}"), format!("{value} is no half step"));
                }
            }
            if min > max {
                report.error(&format!("{field}.capacity.min"), format!("{min} is more than max, {max}"));
            }
        }
        (false, None) => {}
    }
}

fn target(target: &Target, sync: &Sync, field: &str, report: &mut Report) {
    capacity(&target.instance_class, target.capacity.as_ref(), field, report);
    let Target { swap, secret, security_groups, roles, keep_tables, settings, smoke, .. } = target;
    match (swap, secret) {
        (Swap::Secret, None) => report.error(field, "lacks secret: swap: secret says that clients read one"),
        (Swap::Rename, Some(_)) => report
            .error(&format!("{field}.secret"), "is for swap: secret; with swap: rename no secret changes"),
        _ => {}
    }
    let again = |index: &usize| security_groups[..*index].contains(&security_groups[*index]);
    if let Some(index) = (0..security_groups.len()).find(again) {
        report.error(&format!("{field}.security-groups[{index}]"), "stands in the list before");
    }
    let of_quarantine = sync.quarantine.as_ref().map(|quarantine| &quarantine.security_group);
    if let Some(index) = security_groups.iter().position(|group| Some(group) == of_quarantine) {
        report.error(
            &format!("{field}.security-groups[{index}]"),
            "is the quarantine's group; whoever it lets in to a target it would let in to raw data",
        );
    }
    // Of another account's sync only the run knows the databases.
    let nothing = BTreeMap::new();
    let databases = sync.masking.as_ref().map_or(&nothing, |masking| &masking.databases);
    let known = |database: &str, field: String, report: &mut Report| {
        if sync.masking.is_some() && !databases.contains_key(database) {
            let names: Vec<_> = databases.keys().map(String::as_str).collect();
            report.error(
                &field,
                format!("{database:?} is no database of masking.databases: {}", names.join(", ")),
            );
        }
    };
    let mut names = BTreeSet::new();
    for (index, role) in roles.iter().enumerate() {
        let field = format!("{field}.roles[{index}]");
        if !names.insert(&role.name) {
            report
                .error(&format!("{field}.name"), format!("{:?} is already a role of this target", role.name));
        }
        match (role.login, &role.secret) {
            (true, None) => report.error(
                &field,
                format!("lacks secret: {:?} may log in, and its password is put there", role.name),
            ),
            (false, Some(_)) => {
                report.error(&format!("{field}.secret"), "is for a role that may log in; add login: true")
            }
            _ => {}
        }
        if !role.grants.is_empty() && role.databases.is_empty() {
            report.error(&field, "lacks databases: the grants are made in them");
        }
        for (index, database) in role.databases.iter().enumerate() {
            known(database, format!("{field}.databases[{index}]"), report);
        }
    }
    let mut kept = BTreeSet::new();
    for (index, keep) in keep_tables.iter().enumerate() {
        let field = format!("{field}.keep-tables[{index}]");
        if !kept.insert((&keep.database, &keep.table)) {
            report.error(&format!("{field}.table"), format!("{} is already kept", keep.table));
        }
        known(&keep.database, format!("{field}.database"), report);
        if let Some(rules) = databases.get(&keep.database) {
            known_table(&keep.table, rules, &format!("{field}.table"), report);
        }
    }
    for database in settings.keys() {
        known(database, format!("{field}.settings.{database}"), report);
    }
    for (index, smoke) in smoke.iter().enumerate() {
        known(&smoke.database, format!("{field}.smoke[{index}].database"), report);
    }
}

fn known_table(table: &TableName, rules: &DatabaseRules, field: &str, report: &mut Report) {
    if !rules.tables.contains_key(table) {
        report.error(field, format!("{table} has no rules in masking.databases; name the table there first"));
    }
}

/// A secret that a run writes has one writer, and none of them is the masking key's.
fn secrets(policy: &Policy, report: &mut Report) {
    let mut writers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, sync) in &policy.syncs {
        if let Some(masking) = &sync.masking {
            writers.insert(&masking.key_secret, format!("syncs.{name}.masking.key-secret"));
        }
    }
    for (name, sync) in &policy.syncs {
        for (index, target) in sync.targets.iter().enumerate() {
            let field = format!("syncs.{name}.targets[{index}]");
            let own = target.secret.as_deref().map(|secret| (format!("{field}.secret"), secret));
            let roles = target.roles.iter().enumerate();
            let roles = roles.filter_map(|(index, role)| {
                Some((format!("{field}.roles[{index}].secret"), role.secret.as_deref()?))
            });
            for (field, secret) in own.into_iter().chain(roles) {
                match writers.get(secret) {
                    Some(first) => {
                        report.error(&field, format!("{secret:?} is already the secret of {first}"))
                    }
                    None => drop(writers.insert(secret, field)),
                }
            }
        }
    }
}

fn masking(masking: &Masking, field: &str, report: &mut Report) {
    for (database, rules) in &masking.databases {
        for (table, rule) in &rules.tables {
            let TableRule::Columns(columns) = rule else { continue };
            for (column, rule) in columns {
                self::rule(rule, &format!("{field}.databases.{database}.{table}.{column}"), report);
            }
        }
    }
}

/// That each is of something that there is, and says what can be done with it. What a run cuts is
/// known to the run alone.
fn exceptions(masking: &Masking, field: &str, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (index, exception) in masking.exceptions.iter().enumerate() {
        let Exception { kind, database, object, action, .. } = exception;
        let field = format!("{field}.exceptions[{index}]");
        let word = kind.as_str();
        if !seen.insert((kind, database, object)) {
            report.error(
                &format!("{field}.object"),
                format!("{object:?} has an exception of this kind already"),
            );
        }
        match database {
            Some(_) if kind.is_of_the_cluster() => report.error(
                &format!("{field}.database"),
                format!("a {word} belongs to the whole cluster; leave the database out"),
            ),
            None if !kind.is_of_the_cluster() => {
                report.error(&field, format!("lacks database: a {word} is one of a database"))
            }
            Some(name) if !masking.databases.contains_key(name) => report
                .error(&format!("{field}.database"), format!("{name:?} is no database of masking.databases")),
            _ => {}
        }
        let possible = match action {
            Action::Keep => true,
            Action::Drop => kind.holds_secrets(),
            Action::Rewrite => kind.holds_secrets() && *kind != ExceptionKind::SecretInDefinition,
        };
        if !possible {
            report.error(&format!("{field}.action"), format!("is nothing that can be done with a {word}"));
        }
        let Some(rules) = database.as_ref().and_then(|name| masking.databases.get(name)) else { continue };
        let known = match kind {
            ExceptionKind::QueueTable => rules.queues().any(|table| table.to_string() == *object),
            ExceptionKind::KeptSecret => rules.kept_secrets().any(|kept| kept == *object),
            _ => true,
        };
        if !known {
            let what = match kind {
                ExceptionKind::QueueTable => "table with rules for its columns that looks like a queue",
                _ => "kept column or path that is called like a credential",
            };
            report.error(&format!("{field}.object"), format!("{object:?} is no {what}"));
        }
    }
}

fn rule(rule: &Rule, field: &str, report: &mut Report) {
    let float = |number: &Number| number.as_f64().unwrap_or_default();
    match rule {
        Rule::Integer { min: Some(min), max: Some(max) } if min >= max => {
            report.error(&format!("{field}.min"), format!("{min} is not less than max, {max}"));
        }
        Rule::Numeric { min: Some(min), max: Some(max) } if float(min) >= float(max) => {
            report.error(&format!("{field}.min"), format!("{min} is not less than max, {max}"));
        }
        Rule::Json { paths } => {
            for (path, inner) in paths {
                let field = format!("{field}.paths.{path}");
                if let Some(other) = paths.keys().find(|other| *other < path && other.may_be(path)) {
                    report.error(&field, format!("may be the same value as {other}"));
                }
                match &inner.rule {
                    Rule::Json { .. } => report.error(&field, "is json within json; write one longer path"),
                    Rule::Sql { .. } => {
                        report.error(&field, "is sql within json; give the column the rule sql instead")
                    }
                    inner => self::rule(inner, &field, report),
                }
            }
        }
        _ => {}
    }
}
