//! `cargo sandbox try`: from a draft to a policy that holds, on a server that its owner has marked.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use indicatif::ProgressBar;
use runbook::Finding;
use sandbox::trial::{
    MARK,
    command::{End, Order, Tried, tried},
};

use crate::{copy::Copy, draft::drafted};

/// A draft looks at 1000 rows: it does not see the path that only the others have.
const CLINIC: &str = "
    CREATE SCHEMA clinic;
    CREATE TABLE clinic.patient (id int PRIMARY KEY, email text NOT NULL UNIQUE, born date,
        token text, visits int, chart jsonb NOT NULL);
    INSERT INTO clinic.patient SELECT i, format('rawmark%s@mail.example', i), date '1960-01-01' + i,
        'blue', i % 100 + 1000, jsonb_build_object('contact', format('rawmark%s@firm.example', i))
        || CASE WHEN i > 1000 THEN '{\"nickname\": \"rawmark\"}' ELSE '{}' END::jsonb
        FROM generate_series(1, 1100) AS i;
    CREATE TABLE clinic.visit (id int PRIMARY KEY, patient int REFERENCES clinic.patient, note text,
        cost numeric(6,2));
    INSERT INTO clinic.visit SELECT i, i, 'rawmark had a cough', i % 3 * 0.01
        FROM generate_series(1, 40) AS i;
    CREATE ROLE nurse LOGIN PASSWORD 'rawmark'; GRANT SELECT ON clinic.visit TO PUBLIC";

struct Server {
    copy: Copy,
    folder: PathBuf,
}

impl Server {
    async fn with_the_clinic(id: &'static str, version: &str) -> Self {
        let copy = Copy::empty(id, version, &[("cluster_name", MARK)]).await;
        copy.run("shop", CLINIC).await;
        let folder = std::env::temp_dir().join(format!("trial-{id}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { copy, folder }
    }

    fn url(&self) -> String {
        let login = &self.copy.trial.login;
        format!("postgres://{}:{}@{}:{}", login.user, login.password, login.host, login.port)
    }

    /// As the superuser, through the socket.
    fn superuser(&self) -> String {
        let socket = self.copy.engine.sockets().display().to_string().replace('/', "%2F");
        format!("postgres://rdsadmin@{socket}:{}", self.copy.trial.login.port)
    }

    async fn tries(&self, url: &str, policy: &str) -> anyhow::Result<Tried> {
        let file = self.folder.join("policy.yaml");
        std::fs::write(&file, policy).unwrap();
        let order = Order { url: url.to_owned(), policy: file, sync: None, key: None };
        tried(&order, &ProgressBar::hidden()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new(&self.folder));
    }
}

/// A draft as what stands under `masking`, so that exceptions have a place.
fn part(draft: &str, exceptions: &str) -> String {
    let databases: String = draft.lines().map(|line| format!("  {line}\n")).collect();
    format!("databases:\n{databases}{exceptions}")
}

#[track_caller]
fn attested(tried: &Tried) -> String {
    assert!(matches!(tried.end, End::Attested { .. }), "{tried}");
    tried.to_string()
}

/// The draft with another rule for a column.
fn with_rule(draft: &str, column: &str, rule: &str) -> String {
    let begins = format!("{column}: ");
    let line = |line: &str| {
        if line.trim().starts_with(&begins) { format!("    {begins}{rule}") } else { line.into() }
    };
    let edited: Vec<String> = draft.lines().map(line).collect();
    assert_ne!(edited.join("\n"), draft.trim_end(), "{column} is not in the draft");
    edited.join("\n") + "\n"
}

fn undecided(tried: &Tried) -> BTreeMap<&str, &Finding> {
    let End::Undecided(findings) = &tried.end else { panic!("{tried}") };
    findings.iter().map(|finding| (finding.check.as_str(), finding)).collect()
}

async fn in_two_rounds(server: &Server, url: &str) {
    let draft = drafted(&server.copy, &["shop"]).await.remove(0);
    let draft = with_rule(&draft, "cost", "numeric");

    let first = server.tries(url, &draft).await.unwrap();
    let said = first.to_string();
    assert!(!said.contains("rawmark"), "{said}");
    let found = undecided(&first);
    assert_eq!(
        found.keys().copied().collect::<Vec<_>>(),
        ["unchanged-values", "unclassified-path"],
        "{said}"
    );
    assert_eq!(found["unchanged-values"].object, "clinic.visit.cost");
    let line = found["unclassified-path"].remedy.lines().last().unwrap().trim();
    assert_eq!(line, "\"$.nickname\": null");

    let pasted = draft.replace("        \"$.contact\"", &format!("        {line}\n        \"$.contact\""));
    let pasted = with_rule(&pasted, "cost", "{rule: numeric, min: 1, max: 9}");
    let second = attested(&server.tries(url, &pasted).await.unwrap());
    for words in ["clinic.patient", "1100 rows  masked", "The policy holds. Attested: {"] {
        assert!(second.contains(words), "{second}");
    }
    assert_eq!(server.copy.leaks(&["rawmark"]).await, Vec::<String>::new());
}

#[tokio::test]
async fn findings_of_a_trial_are_pasted_and_the_policy_holds_on_16_without_a_superuser() {
    let server = Server::with_the_clinic("trial-16", "16.8").await;
    in_two_rounds(&server, &server.url()).await;
}

#[tokio::test]
async fn findings_of_a_trial_are_pasted_and_the_policy_holds_on_18_as_a_superuser() {
    let server = Server::with_the_clinic("trial-18", "18.1").await;
    in_two_rounds(&server, &server.superuser()).await;
}

#[tokio::test]
async fn an_exception_is_pasted_and_what_was_cut_is_said() {
    let server = Server::with_the_clinic("trial-exception", "16.8").await;
    server.copy.run("shop", "UPDATE clinic.patient SET chart = chart - 'nickname'").await;
    let draft = drafted(&server.copy, &["shop"]).await.remove(0);
    let draft = with_rule(&draft, "token", "keep");
    let tried = server.tries(&server.url(), &draft).await.unwrap();
    let found = undecided(&tried);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), ["kept-secret"], "{tried}");
    let line = found["kept-secret"].remedy.lines().last().unwrap().replace('…', "a colour");
    let holds = part(&draft, &format!("exceptions:\n{line}\n"));
    attested(&server.tries(&server.url(), &holds).await.unwrap());

    let said = tried.to_string();
    let cut: Vec<_> = tried.wires.iter().map(|wire| (wire.kind.as_str(), wire.object.as_str())).collect();
    assert!(cut.contains(&("login-role", "nurse")), "{cut:?}");
    assert!(cut.contains(&("public-grant", "clinic.visit")), "{cut:?}");
    assert!(said.contains("shop: clinic.visit, cut"), "{said}");
}

#[tokio::test]
async fn a_server_that_nobody_marked_is_refused_and_left_as_it_is() {
    let copy = Copy::empty("trial-unmarked", "16.8", &[("cluster_name", "production")]).await;
    copy.run("shop", CLINIC).await;
    // What a dump could bring along is no mark.
    let owner = copy.client("rdsadmin", "template1").await;
    let dumped = "COMMENT ON DATABASE template1 IS 'throw-away';
                  ALTER DATABASE shop SET app.cluster_name = 'throw-away'";
    owner.batch_execute(dumped).await.unwrap();
    let folder = std::env::temp_dir();
    let server = Server { copy, folder: folder.join(format!("trial-unmarked-{}", std::process::id())) };
    std::fs::create_dir_all(&server.folder).unwrap();
    let draft = drafted(&server.copy, &["shop"]).await.remove(0);
    for url in [server.url(), server.superuser()] {
        let refused = server.tries(&url, &draft).await.unwrap_err().to_string();
        assert!(refused.contains("its cluster_name is \"production\""), "{refused}");
        assert!(refused.contains("-c cluster_name=throw-away"), "{refused}");
    }
    let untouched = "SELECT (SELECT rolcanlogin FROM pg_roles WHERE rolname = 'nurse')::text || ' ' ||
        (SELECT count(*) FROM clinic.patient WHERE email LIKE 'rawmark%')";
    assert_eq!(server.copy.ask("postgres", "shop", untouched).await, "true 1100");
    // The setting is the server's alone: no database and no role can have it.
    for of in ["DATABASE shop", "ROLE nurse"] {
        let set = format!("ALTER {of} SET cluster_name = 'throw-away'");
        let error = owner.batch_execute(&set).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "55P02", "{set}");
    }
}

#[tokio::test]
async fn a_trial_after_one_that_was_stopped_anywhere_begins_again() {
    let server = Server::with_the_clinic("trial-again", "16.8").await;
    server.copy.run("shop", "UPDATE clinic.patient SET chart = chart - 'nickname'").await;
    let draft = drafted(&server.copy, &["shop"]).await.remove(0);
    // What a stopped one leaves: a database in work, and one that is not a trial's at all.
    let left = format!("aurora_runbooks_{:032x}", 7);
    server.copy.run("postgres", &format!("CREATE DATABASE {left}")).await;
    server.copy.run(&left, "CREATE TABLE half (email text); INSERT INTO half VALUES ('rawmark')").await;
    server.copy.run("postgres", "CREATE DATABASE aurora_runbooks_of_somebody").await;
    let at_work = server.copy.sessions().open("shop").await.unwrap();
    let refused = server.tries(&server.url(), &draft).await.unwrap_err().to_string();
    assert_eq!(refused, "another trial is at work on this server");
    drop(at_work);
    for _ in 0..2 {
        attested(&server.tries(&server.url(), &draft).await.unwrap());
    }
    let ours =
        "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE 'aurora%'";
    assert_eq!(server.copy.ask("postgres", "postgres", ours).await, "aurora_runbooks_of_somebody");
    assert_eq!(server.copy.leaks(&["rawmark"]).await, Vec::<String>::new());
}
