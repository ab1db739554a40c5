//! What keeps the quarantine quiet: the values of its parameter group, and those that the server
//! goes by. The two differ while a change waits for a reboot, or where an instance's own group says
//! otherwise.

use std::collections::BTreeMap;

use crate::{
    Context, Error, Result,
    aurora::{Fault, message},
    error::{Then, aws},
};

/// Parameter and value; a missing value is one that nobody has set and that has no default.
pub type Values = BTreeMap<String, Option<String>>;

/// Each with what it keeps from happening. Slots and prepared transactions are not among them: with
/// too few of them a server does not start at all.
const QUIET: [(&str, &str, &str); 4] = [
    ("max_logical_replication_workers", "0", "so that it subscribes to nothing"),
    ("log_statement", "none", "so that no value gets into its log"),
    ("log_min_duration_statement", "-1", "so that no value gets into its log"),
    ("log_min_error_statement", "panic", "so that no value gets into its log"),
];

/// RDS's own, of which the group alone tells: on the server it is a line of pg_hba.conf
/// (https://repost.aws/knowledge-center/aurora-postgresql-ssl-certificates).
const FORCE_SSL: (&str, &str, &str) = ("rds.force_ssl", "1", "so that nobody speaks to it in the clear");

/// PostgreSQL loads what these name at its start or at every login
/// (https://www.postgresql.org/docs/current/runtime-config-client.html).
const PRELOADED: [&str; 3] =
    ["local_preload_libraries", "session_preload_libraries", "shared_preload_libraries"];

/// Libraries that act by themselves, and how.
const LOUD: [(&str, &str); 8] = [
    ("apg_plan_mgmt", "keeps the text of statements"),
    ("auto_explain", "logs statements"),
    ("babelfishpg_tds", "answers on a second port"),
    ("pg_cron", "runs jobs"),
    ("pg_tle", "runs the database's own code at a login"),
    ("pgactive", "replicates"),
    ("pgaudit", "logs statements"),
    ("pglogical", "replicates"),
];

/// Of a cluster parameter group.
pub async fn of_group(cx: &Context, group: &str) -> Result<Values> {
    let request = cx.rds.describe_db_cluster_parameters().db_cluster_parameter_group_name(group);
    let parameters = request.into_paginator().items().send().try_collect().await.map_err(|error| {
        match Fault::of(&error).and_then(Fault::needs_a_person) {
            Some(remedy) => {
                let found = format!("the parameter group {group} cannot be read: {}", message(&error));
                Error::refused(found).fix(remedy).then(Then::StartAgain)
            }
            None => aws("rds:DescribeDBClusterParameters")(error),
        }
    })?;
    Ok(parameters
        .into_iter()
        .filter_map(|parameter| Some((parameter.parameter_name?, parameter.parameter_value)))
        .collect())
}

/// What a server is asked for.
pub fn of_interest() -> Vec<&'static str> {
    QUIET.iter().map(|(name, ..)| *name).chain(PRELOADED).collect()
}

/// What is not quiet, and what to set; of the group alone while there is no server.
pub fn check(name: &str, group: &Values, server: Option<&Values>) -> Vec<String> {
    let mut wrong = Vec::new();
    let value = |values: &Values, parameter: &str| values.get(parameter).cloned().flatten();
    let shown = |value: Option<String>| value.unwrap_or_else(|| "not set".to_owned());
    for (parameter, quiet, why) in QUIET.into_iter().chain([FORCE_SSL]) {
        let of_group = value(group, parameter);
        if of_group.as_deref() != Some(quiet) {
            wrong.push(format!(
                "{parameter} of the parameter group {name} is {}: set it to {quiet}, {why}",
                shown(of_group)
            ));
            continue;
        }
        let Some(server) = server.filter(|_| parameter != FORCE_SSL.0) else { continue };
        let of_server = value(server, parameter);
        if of_server.as_deref() != Some(quiet) {
            wrong.push(format!(
                "{parameter} is {} on the server, though the parameter group {name} says {quiet}: let no \
                group of the instance say otherwise, {why}",
                shown(of_server)
            ));
        }
    }
    let places = [(Some(group), format!("the parameter group {name}")), (server, "the server".to_owned())];
    for (values, place) in places.into_iter().filter_map(|(values, place)| Some((values?, place))) {
        for parameter in PRELOADED {
            let libraries = value(values, parameter).unwrap_or_default();
            for (library, does) in LOUD.into_iter().filter(|(library, _)| names(&libraries, library)) {
                wrong.push(format!("{parameter} of {place} has {library}, which {does}: take it out"));
            }
        }
        // Both kinds of answer have it, with any value; without it nothing was learned.
        if !values.contains_key("shared_preload_libraries") {
            wrong.push(format!("shared_preload_libraries of {place} is not shown"));
        }
    }
    wrong
}

/// The values of a group made quiet: what is loud is taken out of what is loaded.
pub fn quiet(values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut quiet = values.clone();
    for (parameter, libraries) in &mut quiet {
        if PRELOADED.contains(&parameter.as_str()) {
            let loud = |one: &&str| LOUD.iter().any(|(library, _)| names(one, library));
            *libraries = libraries.split(',').filter(|one| !loud(one)).collect::<Vec<_>>().join(",");
        }
    }
    let set = |(parameter, value, _): (&str, &str, &str)| (parameter.to_owned(), value.to_owned());
    quiet.extend(QUIET.into_iter().chain([FORCE_SSL]).map(set));
    quiet
}

/// A list as PostgreSQL reads it: separated by commas, perhaps quoted, perhaps with a path.
fn names(libraries: &str, library: &str) -> bool {
    libraries.split(',').any(|one| {
        let one = one.trim_matches([' ', '"']);
        one.rsplit('/').next().unwrap_or(one).trim_end_matches(".so").eq_ignore_ascii_case(library)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Values {
        let set = |(name, value, _): (&str, &str, &str)| (name.to_owned(), Some(value.to_owned()));
        let libraries = ("shared_preload_libraries".to_owned(), Some("pg_stat_statements".to_owned()));
        QUIET.into_iter().chain([FORCE_SSL]).map(set).chain([libraries]).collect()
    }

    fn with(name: &str, value: Option<&str>) -> Values {
        let mut values = quiet();
        values.insert(name.to_owned(), value.map(str::to_owned));
        values
    }

    #[test]
    fn a_quiet_group_and_server_have_nothing_wrong() {
        assert_eq!(check("q", &quiet(), Some(&quiet())), Vec::<String>::new());
        let mut server = quiet();
        server.remove("rds.force_ssl");
        assert_eq!(
            check("q", &quiet(), Some(&server)),
            Vec::<String>::new(),
            "the server has a line instead"
        );
    }

    #[test]
    fn without_a_server_the_group_alone_is_asked() {
        assert_eq!(check("q", &quiet(), None), Vec::<String>::new());
        assert_eq!(check("q", &with("log_statement", Some("all")), None).len(), 1);
        assert_eq!(check("q", &Values::new(), None).len(), QUIET.len() + 2, "an answer of nothing");
    }

    #[test]
    fn every_value_that_is_not_as_it_should_be_is_named_with_what_to_set() {
        for (name, value, _) in QUIET.into_iter().chain([FORCE_SSL]) {
            for (wrong, shown) in [(Some("7"), "7"), (None, "not set")] {
                let said = check("q", &with(name, wrong), Some(&quiet()));
                let [only] = &said[..] else { panic!("{said:?}") };
                let words = format!("{name} of the parameter group q is {shown}: set it to {value}, so that");
                assert!(only.starts_with(&words), "{only}");
            }
            let mut absent = quiet();
            absent.remove(name);
            assert_eq!(check("q", &absent, Some(&quiet())).len(), 1, "{name}");
        }
    }

    #[test]
    fn a_loud_group_made_quiet_keeps_the_rest() {
        let set = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let loud = [
            ("work_mem", "65536"),
            ("log_statement", "all"),
            ("shared_preload_libraries", "pg_cron,pg_stat_statements,pgaudit"),
        ];
        let made = super::quiet(&loud.map(set).into());
        assert_eq!((made["work_mem"].as_str(), made["log_statement"].as_str()), ("65536", "none"));
        assert_eq!(made["shared_preload_libraries"], "pg_stat_statements");
        let values = made.into_iter().map(|(name, value)| (name, Some(value))).collect();
        assert_eq!(check("q", &values, None), Vec::<String>::new());
    }

    #[test]
    fn a_server_that_goes_by_other_values_than_its_group_is_not_quiet() {
        for (name, value, _) in QUIET {
            let said = check("q", &quiet(), Some(&with(name, Some("all"))));
            let [only] = &said[..] else { panic!("{said:?}") };
            let words = format!("{name} is all on the server, though the parameter group q says {value}");
            assert!(only.starts_with(&words), "{only}");
            assert_eq!(check("q", &quiet(), Some(&with(name, None))).len(), 1, "{name}");
        }
        assert_eq!(check("q", &quiet(), Some(&Values::new())).len(), QUIET.len() + 1, "an answer of nothing");
    }

    #[test]
    fn libraries_that_act_by_themselves_are_named_wherever_they_are_loaded() {
        for (library, does) in LOUD {
            let list = format!("pg_stat_statements, {library}");
            for preloaded in PRELOADED {
                let said = check("q", &with(preloaded, Some(&list)), Some(&quiet()));
                let words =
                    format!("{preloaded} of the parameter group q has {library}, which {does}: take it out");
                assert_eq!(said, [words]);
                let said = check("q", &quiet(), Some(&with(preloaded, Some(&list))));
                assert!(said[0].contains("of the server has"), "{said:?}");
            }
        }
        assert!(
            names("\"$libdir/plugins/auto_explain\",x", "auto_explain") && names("pg_cron.so", "pg_cron")
        );
        assert!(!names("pg_cron_more,pgaudits", "pg_cron") && !names("", "pg_cron"));
    }
}
