//! `cargo sandbox try`: from a draft to a policy that holds, on a server that its owner has marked.

use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use sandbox::{
    rds::engine::Engine,
    trial::{
        MARK,
        command::{End, Order, Tried, tried},
    },
};

use crate::{copy::Copy, draft::drafted};

/// What only the rows show: a path that is in no sample, a number that a rule leaves as it is; and a
/// name that only sounds like a credential's.
const CLINIC: &str = "
    CREATE SCHEMA clinic;
    CREATE TABLE clinic.patient (id int PRIMARY KEY, email text NOT NULL UNIQUE, born date,
        token text, chart jsonb NOT NULL);
    INSERT INTO clinic.patient SELECT i, format('rawmark%s@mail.example', i), date '1960-01-01' + i,
        'blue', jsonb_build_object('contact', format('rawmark%s@firm.example', i))
        FROM generate_series(1, 40) AS i;
    CREATE TABLE clinic.visit (id int PRIMARY KEY, patient int REFERENCES clinic.patient, note text);
    INSERT INTO clinic.visit SELECT i, i, 'rawmark had a cough' FROM generate_series(1, 40) AS i;
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

async fn from_a_draft_to_an_attested_policy(server: &Server, url: &str) {
    let draft = drafted(&server.copy, &["shop"]).await.remove(0);
    // The draft gives the token a hash and the document its path; people decide otherwise, and get
    // both wrong.
    let edited = draft
        .lines()
        .map(|line| match line.trim() {
            line if line.starts_with("token:") => "    token: keep".to_owned(),
            line if line.starts_with("\"$.contact\":") => "        \"$.Contact\": email".to_owned(),
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n");
    assert_ne!(edited, draft);

    let first = server.tries(url, &edited).await.unwrap();
    let said = first.to_string();
    let End::Undecided(findings) = &first.end else { panic!("{said}") };
    assert_eq!(findings.iter().map(|finding| finding.check.as_str()).collect::<Vec<_>>(), ["kept-secret"]);
    let line = findings[0].remedy.lines().last().unwrap().replace("…", "a colour");
    let with_reason = part(&edited, &format!("exceptions:\n{line}\n"));

    let second = server.tries(url, &with_reason).await.unwrap();
    let said = second.to_string();
    let End::Undecided(findings) = &second.end else { panic!("{said}") };
    let checks: Vec<_> = findings.iter().map(|finding| finding.check.as_str()).collect();
    assert_eq!(checks, ["path-matches-nothing", "unclassified-path"], "{said}");
    assert!(findings[1].remedy.contains("\"$.contact\": null"), "{said}");
    assert!(!said.contains("rawmark"), "{said}");

    let holds = with_reason.replace("\"$.Contact\"", "\"$.contact\"");
    let third = attested(&server.tries(url, &holds).await.unwrap());
    for words in ["clinic.patient", "40 rows  masked", "The policy holds. Attested: {"] {
        assert!(third.contains(words), "{third}");
    }
    assert_eq!(server.copy.leaks(&["rawmark"]).await, Vec::<String>::new());
}

#[tokio::test]
async fn findings_of_a_trial_are_pasted_and_the_policy_holds_on_16_without_a_superuser() {
    let server = Server::with_the_clinic("trial-16", "16.8").await;
    from_a_draft_to_an_attested_policy(&server, &server.url()).await;
}

#[tokio::test]
async fn findings_of_a_trial_are_pasted_and_the_policy_holds_on_18_as_a_superuser() {
    let server = Server::with_the_clinic("trial-18", "18.1").await;
    from_a_draft_to_an_attested_policy(&server, &server.superuser()).await;
}

#[tokio::test]
async fn a_draft_holds_at_the_first_trial_and_says_what_was_cut() {
    let server = Server::with_the_clinic("trial-draft", "16.8").await;
    let draft = drafted(&server.copy, &["shop"]).await.remove(0);
    let tried = server.tries(&server.url(), &draft).await.unwrap();
    let said = attested(&tried);
    let cut: Vec<_> = tried.wires.iter().map(|wire| (wire.kind.as_str(), wire.object.as_str())).collect();
    assert!(cut.contains(&("login-role", "nurse")), "{cut:?}");
    assert!(cut.contains(&("public-grant", "clinic.visit")), "{cut:?}");
    assert!(said.contains("shop: clinic.visit"), "{said}");
}

#[tokio::test]
async fn a_server_that_nobody_marked_is_refused_and_left_as_it_is() {
    let copy = Copy::empty("trial-unmarked", "16.8", &[("cluster_name", "production")]).await;
    copy.run("shop", CLINIC).await;
    // What a dump could bring along is no mark.
    copy.run("shop", "ALTER DATABASE shop SET app.cluster_name = 'throw-away'").await;
    copy.client("rdsadmin", "template1")
        .await
        .batch_execute("COMMENT ON DATABASE template1 IS 'throw-away'")
        .await
        .unwrap();
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
    assert_eq!(server.copy.ask("postgres", "shop", untouched).await, "true 40");
    // The setting is the server's alone: no database and no role can have it.
    let client = server.copy.client("postgres", "shop").await;
    for of in ["DATABASE shop", "ROLE nurse"] {
        let set = format!("ALTER {of} SET cluster_name = 'throw-away'");
        let error = client.batch_execute(&set).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "55P02", "{set}");
    }
}

#[tokio::test]
async fn a_trial_after_one_that_was_stopped_anywhere_begins_again() {
    let server = Server::with_the_clinic("trial-again", "16.8").await;
    let draft = drafted(&server.copy, &["shop"]).await.remove(0);
    // What a stopped one leaves: a database in work, and one that is not a trial's at all.
    let left = format!("aurora_runbooks_{:032x}", 7);
    server.copy.run("postgres", &format!("CREATE DATABASE {left}")).await;
    server.copy.run(&left, "CREATE TABLE half (email text); INSERT INTO half VALUES ('rawmark')").await;
    server.copy.run("postgres", "CREATE DATABASE aurora_runbooks_of_somebody").await;
    for _ in 0..2 {
        attested(&server.tries(&server.url(), &draft).await.unwrap());
    }
    let ours = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE 'aurora%'";
    assert_eq!(server.copy.ask("postgres", "postgres", ours).await, "aurora_runbooks_of_somebody");
    assert_eq!(server.copy.leaks(&["rawmark"]).await, Vec::<String>::new());
}
