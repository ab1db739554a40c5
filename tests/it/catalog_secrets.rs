//! Credentials in every text of the catalog: found, cut, or left with a reason of the policy's.

use policy::{Action, Exception, ExceptionKind, Masking, secrets};
use runbook::{Error, postgres::databases};
use serde_json::json;
use workers::daily_sync::{
    attest_sanitized::wires as attest,
    sanitize_databases::{cut, look},
};

use crate::copy::Copy;

const TOKEN: &str = "token=8f14e45fceea";

/// Blank lines part them; comments say what they are.
fn parts(file: &str) -> Vec<&str> {
    file.split("\n\n").collect()
}

async fn found(copy: &Copy, exceptions: &[Exception]) -> attest::Found {
    let sessions = copy.sessions();
    let names = databases(&sessions.open("postgres").await.unwrap()).await.unwrap();
    attest::find(&sessions, &names, exceptions).await.unwrap()
}

/// Every text of every catalog of the database that holds the token, and of the functions that
/// print what the catalog holds as trees.
async fn left(copy: &Copy) -> String {
    let sql = format!(
        "SELECT concat_ws(', ',
            (SELECT string_agg(description, ', ') FROM pg_description WHERE description LIKE '%{TOKEN}%'),
            (SELECT string_agg(description, ', ') FROM pg_shdescription WHERE description LIKE '%{TOKEN}%'),
            (SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc WHERE prokind IN ('f', 'p')
                AND oid >= 16384 AND pg_get_functiondef(oid) LIKE '%{TOKEN}%'),
            (SELECT string_agg(conname, ', ') FROM pg_constraint
                WHERE pg_get_constraintdef(oid) LIKE '%{TOKEN}%'),
            (SELECT string_agg(indexrelid::regclass::text, ', ') FROM pg_index
                WHERE pg_get_indexdef(indexrelid) LIKE '%{TOKEN}%'),
            (SELECT string_agg(stxname, ', ') FROM pg_statistic_ext
                WHERE pg_get_statisticsobjdef(oid) LIKE '%{TOKEN}%'),
            (SELECT string_agg(ev_class::regclass::text, ', ') FROM pg_rewrite
                WHERE pg_get_ruledef(oid) LIKE '%{TOKEN}%'),
            (SELECT string_agg(tgname, ', ') FROM pg_trigger
                WHERE pg_get_triggerdef(oid) LIKE '%{TOKEN}%'),
            (SELECT string_agg(adrelid::regclass::text, ', ') FROM pg_attrdef
                WHERE pg_get_expr(adbin, adrelid) LIKE '%{TOKEN}%'),
            (SELECT string_agg(typname, ', ') FROM pg_type WHERE typdefault LIKE '%{TOKEN}%'),
            (SELECT string_agg(polname, ', ') FROM pg_policy
                WHERE concat_ws(' ', pg_get_expr(polqual, polrelid),
                    pg_get_expr(polwithcheck, polrelid)) LIKE '%{TOKEN}%'),
            (SELECT string_agg(aggfnoid::text, ', ') FROM pg_aggregate WHERE agginitval LIKE '%{TOKEN}%'),
            (SELECT string_agg(enumlabel, ', ') FROM pg_enum WHERE enumlabel LIKE '%{TOKEN}%'))"
    );
    copy.ask("rdsadmin", "shop", &sql).await
}

async fn comments(copy: Copy) {
    let file = parts(include_str!("../data/secrets/comments.sql"));
    let [by_superuser, objects, commented] = file[..] else { panic!("three parts") };
    copy.client("rdsadmin", "shop").await.batch_execute(by_superuser).await.unwrap();
    copy.run("shop", objects).await;
    for target in commented.lines() {
        copy.run("shop", &format!("COMMENT ON {target} IS 'see {TOKEN}'")).await;
    }
    let count = commented.lines().count();
    let before = &found(&copy, &[]).await["secret-in-comment"];
    // What belongs to the whole cluster is seen from each of the databases.
    let objects: std::collections::BTreeSet<_> =
        before.iter().filter_map(|object| Some(object.split_once(": ")?.1)).collect();
    assert_eq!(objects.len(), count, "{objects:#?}");

    let wires = cut::cut(&copy.sessions(), &[]).await.unwrap();
    let cut = wires.iter().filter(|wire| wire.kind.as_str() == "secret-in-comment").count();
    assert_eq!(cut, count);
    assert_eq!(left(&copy).await, "");
    assert!(found(&copy, &[]).await.is_empty());
}

#[tokio::test]
async fn a_credential_in_the_comment_of_any_object_is_found_and_cut_on_16() {
    comments(Copy::empty("comments-16", "16.8", &[]).await).await;
}

#[tokio::test]
async fn a_credential_in_the_comment_of_any_object_is_found_and_cut_on_18() {
    comments(Copy::empty("comments-18", "18.1", &[]).await).await;
}

async fn definitions(copy: Copy, major: u32) {
    let file = parts(include_str!("../data/secrets/definitions.sql"));
    let [of_all, of_18] = file[..] else { panic!("two parts") };
    copy.run("shop", of_all).await;
    if major == 18 {
        copy.run("shop", of_18).await;
    }
    let count = if major == 18 { 28 } else { 26 };
    let seen = found(&copy, &[]).await;
    let seen = seen.iter().filter(|(kind, _)| kind.starts_with("secret-in-"));
    let seen: Vec<_> = seen.flat_map(|(_, objects)| objects).collect();
    assert_eq!(seen.len(), count, "{seen:#?}");

    let wires = cut::cut(&copy.sessions(), &[]).await.unwrap();
    let wires: Vec<_> = wires
        .iter()
        .filter(|wire| wire.kind.as_str().starts_with("secret-in-"))
        .map(|wire| &wire.object)
        .collect();
    assert_eq!(wires.len(), count, "{wires:#?}");
    assert_eq!(left(&copy).await, "");
    assert!(found(&copy, &[]).await.is_empty(), "{:#?}", found(&copy, &[]).await);
    assert!(cut::cut(&copy.sessions(), &[]).await.unwrap().is_empty(), "a second run finds nothing");
    if major == 16 {
        let stored = of_18.lines().next().unwrap();
        copy.run("shop", stored).await;
        let error = cut::cut(&copy.sessions(), &[]).await.unwrap_err().to_string();
        assert!(error.contains("object: \"generated column d.generated.a\""), "{error}");
    }
}

#[tokio::test]
async fn a_credential_in_any_definition_of_the_catalog_is_found_and_cut_on_16() {
    definitions(Copy::empty("definitions-16", "16.8", &[]).await, 16).await;
}

#[tokio::test]
async fn a_credential_in_any_definition_of_the_catalog_is_found_and_cut_on_18() {
    definitions(Copy::empty("definitions-18", "18.1", &[]).await, 18).await;
}

fn exception(kind: ExceptionKind, object: &str, action: Action) -> Exception {
    let database = (!kind.is_of_the_cluster()).then(|| "shop".to_owned());
    Exception { kind, database, object: object.into(), action, reason: "a sample that opens nothing".into() }
}

#[tokio::test]
async fn what_the_policy_keeps_stays_drops_goes_and_rewrites_loses_only_its_credentials() {
    use ExceptionKind::*;
    let copy = Copy::empty("exceptions", "16.8", &[]).await;
    copy.run(
        "shop",
        "CREATE TABLE public.t (id integer, a text DEFAULT 'token=8f14e45fceea',
             b text DEFAULT 'token=8f14e45fceea');
         CREATE FUNCTION public.kept() RETURNS text LANGUAGE sql AS $$ SELECT 'token=8f14e45fceea' $$;
         CREATE FUNCTION public.dropped() RETURNS text LANGUAGE sql AS $$ SELECT 'token=8f14e45fceea' $$;
         CREATE FUNCTION public.rewritten() RETURNS text LANGUAGE sql
             AS $$ SELECT 'it''s token=8f14e45fceea' $$;
         CREATE VIEW public.rewritten_view WITH (security_barrier) AS SELECT 'token=8f14e45fceea'::text AS a;
         CREATE POLICY rewritten ON public.t USING (b = 'token=8f14e45fceea') WITH CHECK (true);
         COMMENT ON TABLE public.t IS 'ask anna''s team, token=8f14e45fceea';
         CREATE FUNCTION public.trusted() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
         GRANT SELECT ON public.t TO PUBLIC; CREATE ROLE maker CREATEDB; CREATE ROLE one; CREATE ROLE other;
         GRANT one TO other WITH ADMIN OPTION; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO maker",
    )
    .await;
    let exceptions = [
        exception(SecretInDefault, "public.t.a", Action::Keep),
        exception(SecretInDefault, "public.t.b", Action::Rewrite),
        exception(SecretInFunction, "public.kept()", Action::Keep),
        exception(SecretInFunction, "public.dropped()", Action::Drop),
        exception(SecretInFunction, "public.rewritten()", Action::Rewrite),
        exception(SecretInView, "public.rewritten_view", Action::Rewrite),
        exception(SecretInPolicy, "rewritten on public.t", Action::Rewrite),
        exception(SecretInComment, "table public.t", Action::Rewrite),
        exception(SecurityDefiner, "public.trusted()", Action::Keep),
        exception(PublicGrant, "public.t", Action::Keep),
        exception(DefaultPrivilege, "TABLES of postgres", Action::Keep),
        exception(PrivilegedRole, "maker", Action::Keep),
        exception(RoleAdmin, "other in one", Action::Keep),
        exception(SecretInView, "public.rewriten_view", Action::Keep),
    ];
    let (known, misspelt) = exceptions.split_at(13);
    let mut before = cut::find_all(&copy.sessions(), &exceptions).await.unwrap();
    let wires = cut::cut(&copy.sessions(), &exceptions).await.unwrap();
    let sorted = |wires: &mut Vec<cut::Wire>| wires.sort_by_key(|wire| (wire.kind, wire.object.clone()));
    let mut all = wires.clone();
    sorted(&mut before);
    sorted(&mut all);
    assert_eq!(before, all, "an attempt that dies has written down what the next one cannot find");
    let kept =
        wires.iter().filter(|wire| wire.kept.as_deref() == Some("a sample that opens nothing")).count();
    assert_eq!(kept, 7);
    assert_eq!(cut::unknown(known, &wires), []);
    let unknown = cut::unknown(misspelt, &wires);
    assert!(
        matches!(&unknown[..], [one] if one.object.contains("rewriten_view")
            && one.remedy.contains("public.rewritten_view")),
        "{unknown:?}"
    );

    let ask = async |sql: &str| copy.ask("postgres", "shop", sql).await;
    assert_eq!(ask("SELECT public.kept()").await, TOKEN);
    assert_eq!(ask("SELECT to_regprocedure('public.dropped()')::text").await, "");
    assert_eq!(ask("SELECT public.rewritten()").await, "it's token=redacted");
    assert_eq!(ask("SELECT a FROM public.rewritten_view").await, "token=redacted");
    assert_eq!(
        ask("SELECT reloptions::text FROM pg_class WHERE relname = 'rewritten_view'").await,
        "{security_barrier=true}"
    );
    assert_eq!(ask("SELECT obj_description('public.t'::regclass)").await, "ask anna's team, token=redacted");
    let defaults = "SELECT string_agg(pg_get_expr(adbin, adrelid), ' ' ORDER BY adnum) FROM pg_attrdef";
    assert_eq!(ask(defaults).await, "'token=8f14e45fceea'::text 'token=redacted'::text");
    let policies = "SELECT qual || with_check FROM pg_policies";
    assert_eq!(ask(policies).await, "(b = 'token=redacted'::text)true");
    assert_eq!(ask("SELECT rolcreatedb::text FROM pg_roles WHERE rolname = 'maker'").await, "true");
    assert_eq!(
        ask("SELECT admin_option::text FROM pg_auth_members WHERE member = 'other'::regrole").await,
        "true"
    );

    assert!(found(&copy, known).await.is_empty(), "{:#?}", found(&copy, known).await);
    let without: Vec<String> = found(&copy, &[]).await.into_keys().collect();
    let kinds = [
        "default-privilege",
        "privileged-role",
        "public-grant",
        "role-admin",
        "secret-in-default",
        "secret-in-function",
    ];
    assert_eq!(without, [&kinds[..], &["security-definer"]].concat(), "a reason is what lets it pass");
}

#[tokio::test]
async fn what_only_a_superuser_could_cut_stops_the_run_with_the_line_to_paste() {
    let copy = Copy::empty("superuser", "16.8", &[]).await;
    copy.run("shop", "CREATE ROLE sees_all").await;
    copy.client("rdsadmin", "shop")
        .await
        .batch_execute("ALTER ROLE sees_all BYPASSRLS; COMMENT ON LANGUAGE plpgsql IS 'token=8f14e45fceea'")
        .await
        .unwrap();
    let error = cut::cut(&copy.sessions(), &[]).await.unwrap_err().to_string();
    let pasted = [
        (ExceptionKind::PrivilegedRole, None, "sees_all"),
        (ExceptionKind::SecretInComment, Some("shop"), "language plpgsql"),
    ];
    for (kind, database, object) in pasted {
        let line = Exception::line(kind, database, object);
        assert!(error.contains(&line), "{line} is not in {error}");
    }
    let exceptions = [
        exception(ExceptionKind::PrivilegedRole, "sees_all", Action::Keep),
        exception(ExceptionKind::SecretInComment, "language plpgsql", Action::Keep),
    ];
    assert!(cut::cut(&copy.sessions(), &exceptions).await.unwrap().iter().all(|wire| wire.kept.is_some()));
    assert!(found(&copy, &exceptions).await.is_empty());
}

/// What a draft asks the server and what a run asks itself is the same.
#[tokio::test]
async fn postgresql_reads_the_forms_of_credentials_as_we_do() {
    let copy = Copy::empty("forms", "16.8", &[]).await;
    let client = copy.client("postgres", "shop").await;
    let patterns: Vec<String> = secrets::sql_patterns().collect();
    let texts =
        [secrets::EXAMPLES, &["the password of the day", "https://example.com/a:b@c", "abc"]].concat();
    for text in texts {
        let text = text.replace(['[', ']'], "");
        let row = client.query_one("SELECT $1::text ~ ANY ($2::text[])", &[&text, &patterns]).await.unwrap();
        assert_eq!(row.get::<_, bool>(0), secrets::has_form(&text), "{text}");
    }
}

/// PostgreSQL's own texts hold none: its comments, views and functions, and what its extensions
/// bring.
#[tokio::test]
async fn in_postgresqls_own_texts_no_credential_is_seen() {
    let copy = Copy::empty("own-texts", "18.1", &[]).await;
    copy.run("shop", "CREATE EXTENSION pg_trgm").await;
    let client = copy.client("rdsadmin", "shop").await;
    let sql = "SELECT 'text', description FROM pg_description
               UNION ALL SELECT 'text', short_desc || ' ' || coalesce(extra_desc, '') FROM pg_settings
               UNION ALL SELECT 'code', definition FROM pg_views
               UNION ALL SELECT 'code', pg_get_functiondef(oid) FROM pg_proc WHERE prokind IN ('f', 'p')
               UNION ALL SELECT 'code', pg_get_constraintdef(oid) FROM pg_constraint
               UNION ALL SELECT 'code', pg_get_indexdef(indexrelid) FROM pg_index";
    let rows = client.query(sql, &[]).await.unwrap();
    assert!(rows.len() > 8000, "only {} texts", rows.len());
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let text: String = row.get(1);
            let find = if row.get::<_, &str>(0) == "text" { secrets::in_text } else { secrets::in_code };
            let found = find(&text);
            (!found.is_empty()).then(|| format!("{found:?} in {text}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_is_called_like_a_credential_or_a_queue_is_kept_with_a_reason_only() {
    let copy = Copy::empty("called", "16.8", &[]).await;
    copy.run(
        "shop",
        r#"CREATE TABLE public.t (id integer, token text, remember_token varchar(20), "accessToken" text,
               pwd text, passcode text, ssh_key bytea, session_id text, cvv char(3), token_count integer,
               token_type text, doc jsonb);
           CREATE TABLE public.outbox_settings (id integer)"#,
    )
    .await;
    let columns: serde_json::Map<String, serde_json::Value> = [
        "id",
        "token",
        "remember_token",
        "accessToken",
        "pwd",
        "passcode",
        "ssh_key",
        "session_id",
        "cvv",
        "token_count",
        "token_type",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), "keep".into()))
    .chain([("doc".into(), json!({"rule": "json", "paths": {"$.apiKey": "keep", "$.name": "keep"}}))])
    .collect();
    let masking = |exceptions: &[Exception]| -> Masking {
        serde_json::from_value(json!({
            "key-secret": "k",
            "databases": {
                "shop": {"public.t": columns, "public.outbox_settings": {"id": "keep"}},
                "postgres": {}, "template1": {},
            },
            "exceptions": exceptions,
        }))
        .unwrap()
    };
    let sessions = copy.sessions();
    let Error::Blocked(findings) = look(&sessions, &masking(&[])).await.unwrap_err() else { panic!() };
    let mut objects: Vec<_> = findings.iter().map(|finding| (&*finding.check, &*finding.object)).collect();
    objects.sort_unstable();
    assert_eq!(
        objects,
        [
            ("kept-secret", "public.t.accessToken"),
            ("kept-secret", "public.t.cvv"),
            ("kept-secret", "public.t.doc $.apiKey"),
            ("kept-secret", "public.t.passcode"),
            ("kept-secret", "public.t.pwd"),
            ("kept-secret", "public.t.remember_token"),
            ("kept-secret", "public.t.session_id"),
            ("kept-secret", "public.t.ssh_key"),
            ("kept-secret", "public.t.token"),
            ("queue-table", "public.outbox_settings"),
        ]
    );
    let exceptions: Vec<Exception> = findings
        .iter()
        .map(|finding| {
            let kind = ExceptionKind::named(&finding.check).unwrap();
            let line = Exception::line(kind, Some("shop"), &finding.object);
            assert!(finding.remedy.contains(&line), "{}", finding.remedy);
            exception(kind, &finding.object, Action::Keep)
        })
        .collect();
    look(&sessions, &masking(&exceptions)).await.unwrap_or_else(|error| panic!("{error}"));
}
