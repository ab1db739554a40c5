//! Malformed policies: each is the base with one thing changed, and each says at which line and
//! field it is wrong.

use crate::{Error, Errors, Policy};

const BASE: &str = include_str!("base.yaml");

/// What stands in the base, what stands there instead, and what is said of it: line, field, part of
/// the message.
type Case = (&'static str, &'static str, usize, &'static str, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    // YAML
    ("syncs:\n", "syncs: [\n", 3, "", "is not YAML"),
    ("    source:\n", "   source:\n", 14, "", "is not YAML"),
    ("cluster: orders\n", "cluster: &name orders\n", 6, "", "anchors and aliases"),
    ("cluster: orders\n", "cluster: *name\n", 6, "", "is not YAML"),
    ("cluster: orders\n", "cluster: !!str orders\n", 6, "", "the tag !!str"),
    ("cluster: orders\n", "cluster: orders\n      cluster: orders\n", 7, "cluster", "already on line 6"),
    ("    schedule:\n", "    ? [a]\n    : b\n    schedule:\n", 14, "", "a key is text"),
    ("            note: null\n", "            note: null\n---\nsyncs: {}\n", 67, "", "a second document"),
    // Shape
    ("syncs:\n", "sinks:\n", 1, "sinks", "is not known here; the keys are syncs"),
    ("      cluster: orders\n", "", 3, "syncs.orders.source", "lacks cluster: The DB cluster identifier"),
    ("      type: automated\n", "      typ: automated\n", 8, "syncs.orders.source.snapshot.typ", "is not known here; the keys are type, window, tags"),
    ("        max-age: 26h\n", "", 7, "syncs.orders.source.snapshot", "lacks max-age: How old it is at most"),
    ("        keep-old: {count: 1, age: 48h}\n      - ", "      - ", 24, "syncs.orders.targets[0]", "lacks keep-old"),
    ("      cron: 30 3 * * MON-FRI\n", "", 14, "syncs.orders.schedule", "lacks cron"),
    ("    masking:\n", "    makning:\n", 53, "syncs.orders.makning", "did you mean masking?"),
    ("cluster: orders\n", "cluster:\n", 6, "syncs.orders.source.cluster", "is empty; text is wanted"),
    ("cluster: orders\n", "cluster: [orders]\n", 6, "syncs.orders.source.cluster", "is a list; text is \
    wanted"),
    ("cluster: orders\n", "cluster: {name: orders}\n", 6, "syncs.orders.source.cluster", "is a mapping; \
    text is wanted"),
    ("security-groups: [sg-dev]", "security-groups: sg-dev", 28, "syncs.orders.targets[0].security-groups", "\"sg-dev\" is text; a list is wanted"),
    ("security-groups: [sg-dev]", "security-groups: []", 28, "syncs.orders.targets[0].security-groups", "at least one"),
    ("deletion-protection: false", "deletion-protection: no", 31, "syncs.orders.targets[0].deletion-protection", "\"no\" is text; true or false is wanted"),
    ("keep-old: {count: 1, age: 48h}\n      - ", "keep-old: {count: one, age: 48h}\n      - ", 43, "syncs.orders.targets[0].keep-old.count", "a whole number is wanted"),
    ("keep-old: {count: 1, age: 48h}\n      - ", "keep-old: {count: 1.5, age: 48h}\n      - ", 43, "syncs.orders.targets[0].keep-old.count", "a whole number is wanted"),
    ("keep-old: {count: 1, age: 48h}\n      - ", "keep-old: {count: -1, age: 48h}\n      - ", 43, "syncs.orders.targets[0].keep-old.count", "-1 is less than 0"),
    ("keep-old: {count: 1, age: 48h}\n      - ", "keep-old: {count: 99, age: 48h}\n      - ", 43, "syncs.orders.targets[0].keep-old.count", "99 is more than 20"),
    ("subnet-group: quarantine", "subnet-group: \"\"", 19, "syncs.orders.quarantine.subnet-group", "is empty"),
    ("search_path: public", "search_path: 5", 40, "syncs.orders.targets[0].settings.shop.search_path", "write it in quotes: \"5\""),
    // Words
    ("type: automated", "type: automatic", 8, "syncs.orders.source.snapshot.type", "\"automatic\" is not \
    one of automated, manual"),
    ("otherwise: fail", "otherwise: wait", 12, "syncs.orders.source.snapshot.otherwise", "not one of fail, \
    skip"),
    ("swap: rename", "swap: renam", 30, "syncs.orders.targets[0].swap", "\"renam\" is not one of rename, \
    secret; did you mean rename?"),
    ("large-objects: keep", "large-objects: drop", 58, "syncs.orders.masking.databases.shop.large-objects", "not one of truncate, keep"),
    ("public.customers: update", "public.customers: copy", 55, "syncs.orders.masking.rewrite.shop.public.customers", "not one of alter, update"),
    // Values
    ("\"111122223333\"", "111122223333", 4, "syncs.orders.source.account", "write it in quotes: \
    \"111122223333\""),
    ("\"111122223333\"", "\"1111-2222-3333\"", 4, "syncs.orders.source.account", "twelve digits"),
    ("role: arn:aws:iam::111122223333:role/source", "role: source", 5, "syncs.orders.source.role", "no ARN of a role"),
    ("role: arn:aws:iam::111122223333:role/source", "role: arn:aws:iam::111122223333:user/source", 5, "syncs.orders.source.role", "no ARN of a role"),
    ("cluster: orders\n", "cluster: Orders\n", 6, "syncs.orders.source.cluster", "lower-case letters"),
    ("cluster: orders-dev\n", "cluster: orders--dev\n", 24, "syncs.orders.targets[0].cluster", "single hyphens"),
    ("  orders:\n", "  orders_eu:\n", 2, "syncs.orders_eu", "lower-case letters"),
    ("kms-key: alias/sync", "kms-key: sync", 13, "syncs.orders.source.kms-key", "alias/name, or the ARN"),
    ("kms-key: alias/sync", "kms-key: alias/aws/rds", 13, "syncs.orders.source.kms-key", "name a customer \
    key"),
    ("window: 00:00-06:00", "window: 00:00-25:00", 9, "syncs.orders.source.snapshot.window", "is not a \
    window"),
    ("window: 00:00-06:00", "window: 0-6", 9, "syncs.orders.source.snapshot.window", "is not a window"),
    ("window: 00:00-06:00", "window: 03:00-03:00", 9, "syncs.orders.source.snapshot.window", "is empty"),
    ("max-age: 26h", "max-age: yesterday", 11, "syncs.orders.source.snapshot.max-age", "is not a length of \
    time"),
    ("max-age: 26h", "max-age: 26", 11, "syncs.orders.source.snapshot.max-age", "write it in quotes"),
    ("max-age: 26h", "max-age: -26h", 11, "syncs.orders.source.snapshot.max-age", "not longer than nothing"),
    ("30 3 * * MON-FRI", "30 3 * *", 15, "syncs.orders.schedule.cron", "five fields"),
    ("30 3 * * MON-FRI", "30 25 * * MON-FRI", 15, "syncs.orders.schedule.cron", "no cron expression"),
    ("30 3 * * MON-FRI", "30 3 * * 1-5", 15, "syncs.orders.schedule.cron", "numbers a day of the week"),
    ("30 3 * * MON-FRI", "30 3 1 * MON", 15, "syncs.orders.schedule.cron", "one of the two is *"),
    ("30 3 * * MON-FRI", "30 3 ? * MON", 15, "syncs.orders.schedule.cron", "holds '?'"),
    ("30 3 * * MON-FRI", "30 3 31 2 *", 15, "syncs.orders.schedule.cron", "a day that no year has"),
    ("time-zone: Europe/Berlin", "time-zone: Europe/Bonn", 16, "syncs.orders.schedule.time-zone", "no time zone of the IANA database"),
    ("time-zone: Europe/Berlin", "time-zone: \"+01:00\"", 16, "syncs.orders.schedule.time-zone", "no time zone of the IANA database"),
    ("instance-class: db.r6g.large", "instance-class: r6g.large", 18, "syncs.orders.quarantine.instance-class", "no instance class"),
    ("security-group: sg-quarantine", "security-group: quarantine", 20, "syncs.orders.quarantine.security-group", "no security group's id"),
    ("secret: orders-dev/app", "secret: orders dev", 35, "syncs.orders.targets[0].roles[0].secret", "no secret's name"),
    ("name: app_dev", "name: pg_app", 33, "syncs.orders.targets[0].roles[0].name", "keeps for itself"),
    ("grants: [SELECT ON", "grants: [GRANT SELECT ON", 36, "syncs.orders.targets[0].roles[0].grants[0]", "begins with GRANT"),
    ("IN SCHEMA public]", "IN SCHEMA public TO app]", 36, "syncs.orders.targets[0].roles[0].grants[0]", "says TO"),
    ("{shop: {search_path: public}}", "{shop: {search path: public}}", 40, "syncs.orders.targets[0].settings.shop.search path", "no setting's name"),
    ("table: public.flags", "table: flags", 39, "syncs.orders.targets[0].keep-tables[0].table", "write schema.table"),
    ("public.flags: truncate", "flags: truncate", 59, "syncs.orders.masking.databases.shop.flags", "write schema.table"),
    ("public.flags: truncate", "shop.public.flags: truncate", 59, "syncs.orders.masking.databases.shop.shop.public.flags", "after schema.table comes \".flags\""),
    ("public.flags: truncate", "'\"public.flags': truncate", 59, "syncs.orders.masking.databases.shop.\"public.flags", "does not close it"),
    ("public.flags: truncate", "'\"public\".flags': truncate", 59, "syncs.orders.masking.databases.shop.\"public\".flags", "write public.flags"),
    ("public.flags: truncate", "pg_catalog.pg_class: truncate", 59, "syncs.orders.masking.databases.shop.pg_catalog.pg_class", "PostgreSQL's own"),
    ("        shop:\n          large", "        rdsadmin:\n          large", 57, "syncs.orders.masking.databases.rdsadmin", "nobody but RDS connects"),
    // Rules
    ("public.flags: truncate", "public.flags: keep-all", 59, "syncs.orders.masking.databases.shop.public.flags", "\"keep-all\" is not truncate or a mapping"),
    ("public.flags: truncate", "public.flags: {}", 59, "syncs.orders.masking.databases.shop.public.flags", "empty mapping"),
    ("public.flags: truncate", "public.flags:", 59, "syncs.orders.masking.databases.shop.public.flags", "is empty; truncate or a mapping is wanted"),
    ("email: email\n", "email: mail\n", 62, "syncs.orders.masking.databases.shop.public.customers.email", "\"mail\" is not one of keep, email"),
    ("email: email\n", "email:\n", 62, "syncs.orders.masking.databases.shop.public.customers.email", "is empty"),
    ("email: email\n", "email: {rule: email}\n", 62, "syncs.orders.masking.databases.shop.public.customers.email.rule", "takes no parameters; write email alone"),
    ("email: email\n", "email: {rule: mail}\n", 62, "syncs.orders.masking.databases.shop.public.customers.email.rule", "no rule with parameters"),
    ("email: email\n", "email: {value: x}\n", 62, "syncs.orders.masking.databases.shop.public.customers.email", "lacks rule"),
    ("{rule: date-shift, days: 30}", "date-shift", 63, "syncs.orders.masking.databases.shop.public.customers.born", "write {rule: date-shift, days: …}"),
    ("{rule: date-shift, days: 30}", "{rule: date-shift}", 63, "syncs.orders.masking.databases.shop.public.customers.born", "lacks days"),
    ("{rule: date-shift, days: 30}", "{rule: date-shift, days: 0}", 63, "syncs.orders.masking.databases.shop.public.customers.born.days", "0 is less than 1"),
    ("{rule: date-shift, days: 30}", "{rule: date-shift, weeks: 3, days: 1}", 63, "syncs.orders.masking.databases.shop.public.customers.born.weeks", "is not known here; the keys are rule, days"),
    ("{rule: integer, min: 1, max: 9}", "{rule: integer, min: 9, max: 9}", 61, "syncs.orders.masking.databases.shop.public.customers.id.min", "9 is not less than max, 9"),
    ("min: 0.5, max: 1.5", "min: 2.5, max: 1.5", 65, "syncs.orders.masking.databases.shop.public.customers.score.min", "2.5 is not less than max, 1.5"),
    ("{$.email: email}", "{email: email}", 64, "syncs.orders.masking.databases.shop.public.customers.profile.paths.email", "it begins with $"),
    ("{$.email: email}", "{$..email: email}", 64, "syncs.orders.masking.databases.shop.public.customers.profile.paths.$..email", "a key is empty"),
    ("{$.email: email}", "{\"$.a[0]\": email}", 64, "syncs.orders.masking.databases.shop.public.customers.profile.paths.$.a[0]", "\"[0]\" is not read"),
    ("{$.email: email}", "{\"$['email']\": email}", 64, "syncs.orders.masking.databases.shop.public.customers.profile.paths.$['email']", "write $.email"),
    ("{$.email: email}", "{$.a: email, $.a.b: email}", 64, "syncs.orders.masking.databases.shop.public.customers.profile.paths.$.a.b", "lies within $.a"),
    ("{$.email: email}", "{$: email}", 64, "syncs.orders.masking.databases.shop.public.customers.profile.paths.$", "the whole document"),
    ("{$.email: email}", "{}", 64, "syncs.orders.masking.databases.shop.public.customers.profile.paths", "empty mapping"),
    ("{$.email: email}", "{$.email: {rule: sql, expression: x}}", 64, "syncs.orders.masking.databases.shop.public.customers.profile.paths.$.email", "is sql within json"),
    // Fields that must agree
    ("role: arn:aws:iam::111122223333:role/source", "role: arn:aws:iam::444455556666:role/source", 5, "syncs.orders.source.role", "is of account 444455556666; the source is in 111122223333"),
    ("kms-key: alias/sync", "kms-key: arn:aws:kms:eu-central-1:444455556666:alias/sync", 13, "syncs.orders.source.kms-key", "the source is in 111122223333"),
    ("kms-key: alias/environments", "kms-key: arn:aws:kms:eu-central-1:111122223333:key/1234", 22, "syncs.orders.quarantine.kms-key", "the quarantine is in 444455556666"),
    ("swap: rename", "swap: secret", 24, "syncs.orders.targets[0]", "lacks secret"),
    ("swap: secret", "swap: rename", 51, "syncs.orders.targets[1].secret", "is for swap: secret"),
    ("cluster: orders-support\n        account: \"444455556666\"", "cluster: orders-support\n        \
    account: \"777788889999\"", 45, "syncs.orders.targets[1].account", "another account than 444455556666"),
    ("cluster: orders-support\n", "cluster: orders-dev\n", 44, "syncs.orders.targets[1].cluster", "already the cluster of syncs.orders.targets[0]"),
    ("cluster: orders-support\n", "cluster: orders-support-of-the-second-line-in-the-north-of-x\n", 44, "syncs.orders.targets[1].cluster", "longer than 48"),
    ("security-groups: [sg-support]", "security-groups: [sg-support, sg-quarantine]", 48, "syncs.orders.targets[1].security-groups[1]", "is the quarantine's group"),
    ("            secret: orders-dev/app\n", "", 33, "syncs.orders.targets[0].roles[0]", "lacks secret"),
    ("login: true", "login: false", 35, "syncs.orders.targets[0].roles[0].secret", "add login: true"),
    ("            databases: [shop]\n", "", 33, "syncs.orders.targets[0].roles[0]", "lacks databases"),
    ("            databases: [shop]\n", "            databases: [shop]\n          - name: app_dev\n", 38, "syncs.orders.targets[0].roles[1].name", "already a role"),
    ("databases: [shop]", "databases: [shop, billing]", 37, "syncs.orders.targets[0].roles[0].databases[1]", "no database of masking.databases: shop"),
    ("{database: shop, table: public.flags}", "{database: billing, table: public.flags}", 39, "syncs.orders.targets[0].keep-tables[0].database", "no database of masking.databases"),
    ("table: public.flags", "table: public.flag", 39, "syncs.orders.targets[0].keep-tables[0].table", "has no rules"),
    ("          - {database: shop, table: public.flags}\n", "          - {database: shop, table: \
    public.flags}\n          - {database: shop, table: public.flags}\n", 40, "syncs.orders.targets[0].keep-tables[1].table", "already kept"),
    ("settings: {shop:", "settings: {billing:", 40, "syncs.orders.targets[0].settings.billing", "no database of masking.databases"),
    ("{database: shop, sql: SELECT true}", "{database: billing, sql: SELECT true}", 42, "syncs.orders.targets[0].smoke[0].database", "no database of masking.databases"),
    ("rewrite: {shop: {public.customers:", "rewrite: {shop: {public.custom:", 55, "syncs.orders.masking.rewrite.shop.public.custom", "has no rules"),
    ("rewrite: {shop:", "rewrite: {billing:", 55, "syncs.orders.masking.rewrite.billing", "no database of \
    masking.databases"),
    ("secret: orders-support/connection", "secret: orders-dev/app", 51, "syncs.orders.targets[1].secret", "already the secret of syncs.orders.targets[0].roles[0].secret"),
    ("secret: orders-support/connection", "secret: orders-sync/key", 51, "syncs.orders.targets[1].secret", "already the secret of syncs.orders.masking.key-secret"),
];

#[test]
fn the_base_is_well_formed() {
    Policy::parse(BASE).unwrap();
}

#[test]
fn every_malformed_policy_is_refused_with_line_and_field() {
    assert!(CASES.len() >= 60);
    let mut wrong = Vec::new();
    for (from, to, line, field, message) in CASES {
        assert!(BASE.contains(from), "the base has no {from:?}");
        let text = BASE.replacen(from, to, 1);
        match Policy::parse(&text) {
            Ok(_) => wrong.push(format!("{to:?} was taken")),
            Err(Errors(errors)) => {
                let found = errors
                    .iter()
                    .any(|e| e.line == *line && e.field == *field && e.message.contains(message));
                if errors.len() != 1 || !found {
                    wrong.push(format!(
                        "{to:?}: line {line}, {field}: {message}\n    but: {}",
                        Errors(errors)
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn several_mistakes_are_told_at_once() {
    let form = BASE
        .replace("type: automated", "type: x")
        .replace("count: 1", "count: x")
        .replace("email: email\n", "email: x\n");
    let lines =
        |text: &str| Policy::parse(text).unwrap_err().0.iter().map(|error| error.line).collect::<Vec<_>>();
    assert_eq!(lines(&form), [8, 43, 52, 62]);
    let sense = BASE
        .replace("role: arn:aws:iam::1111", "role: arn:aws:iam::9999")
        .replace("{database: shop", "{database: x");
    assert_eq!(lines(&sense), [5, 39, 42]);
}

#[test]
fn an_error_reads_like_a_sentence_of_a_compiler() {
    let error = Error {
        line: 14,
        column: 9,
        field: "syncs.orders.targets[1].swap".into(),
        message: "\"x\" is not one of rename, secret".into(),
    };
    assert_eq!(
        error.to_string(),
        "line 14, column 9: syncs.orders.targets[1].swap: \"x\" is not one of rename, secret"
    );
}

#[test]
fn a_target_in_production_is_never_a_source() {
    let text =
        BASE.replace("444455556666", "111122223333").replace("cluster: orders-dev\n", "cluster: orders\n");
    let Errors(errors) = Policy::parse(&text).unwrap_err();
    assert_eq!((errors.len(), errors[0].line), (1, 24), "{errors:?}");
    assert!(errors[0].message.contains("is the source of orders"));
}
