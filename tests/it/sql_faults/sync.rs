//! The workers of a sync, each at its place in one run, which ends well.

use std::{path::Path, process::Command};

use local_aws::rds::engine::Engine as _;
use sandbox::{Options, Sandbox, environments, sandbox::BUCKET};
use serde_json::{Value, json};

use super::{bench, held};
use crate::harness::{World, ended};

pub const STATES: [&str; 3] = ["SanitizeDatabases", "AttestSanitized", "PrepareTarget"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_syncs_sql_is_a_delay_or_says_what_to_do() {
    let (sandbox, _) = World::WHOLE.start(Options::real()).await;
    held::lay(&sandbox, "sanitize-databases", 1);
    held::lay(&sandbox, "attest-sanitized", 1);
    held::lay(&sandbox, "prepare-target", 2);
    let input = json!({ "sync": environments::SYNC });
    let arn = sandbox.start_execution("daily-sync", "faulty", &input).await.unwrap();

    let held = one(held::at(&sandbox, "sanitize-databases", 1).await);
    let copy = text(&held.payload, "resourceId");
    let raw = Raw::keep(&sandbox, &copy).await;
    let mut sanitize = bench(&sandbox, "SanitizeDatabases", held.payload.clone(), vec![copy.clone()]).await;
    // pg_restore goes on without it: the object is there, and another's.
    sanitize.at_words = &[("57014", " OWNER TO ")];
    sanitize.meets_every_fault(true, async || raw.bring_back(&sandbox, "runs/faulty/").await).await;
    let sanitized = sanitize.done().await;
    // The last of the faults did not cost an object its owner: what is lost would follow.
    assert!(sanitized["summary"].as_str().unwrap().ends_with(" of their tables masked"), "{sanitized}");
    held.answer(&sandbox, &sanitized).await;

    // It would find whatever the attempts above have left.
    let held = one(held::at(&sandbox, "attest-sanitized", 1).await);
    let attest = bench(&sandbox, "AttestSanitized", held.payload.clone(), vec![copy]).await;
    attest.meets_every_fault(false, async || {}).await;
    held.answer(&sandbox, &attest.done().await).await;

    for held in held::at(&sandbox, "prepare-target", 2).await {
        let ids = ["resourceId", "former"].map(|name| text(&held.payload, name)).to_vec();
        let prepare = bench(&sandbox, "PrepareTarget", held.payload.clone(), ids).await;
        // One of the targets keeps a table of its present cluster's.
        if text(&held.payload, "target") == environments::DEV {
            prepare.meets_every_fault(false, async || {}).await;
        }
        held.answer(&sandbox, &prepare.done().await).await;
    }
    ended(&sandbox, arn).await.succeeded();
}

fn one<T>(all: Vec<T>) -> T {
    let [one] = <[T; 1]>::try_from(all).unwrap_or_else(|_| panic!("there is more than one"));
    one
}

fn text(payload: &Value, name: &str) -> String {
    payload["input"][name].as_str().unwrap().to_owned()
}

/// The copy as it was restored, beside its volume.
struct Raw {
    id: String,
}

impl Raw {
    async fn keep(sandbox: &Sandbox, id: &str) -> Self {
        let raw = Self { id: id.to_owned() };
        let (volume, kept) = raw.places(sandbox);
        raw.while_stopped(sandbox, || copy(&volume, &kept)).await;
        raw
    }

    async fn bring_back(&self, sandbox: &Sandbox, folder: &str) {
        let (volume, kept) = self.places(sandbox);
        let back = || {
            std::fs::remove_dir_all(&volume).unwrap();
            copy(&kept, &volume);
        };
        self.while_stopped(sandbox, back).await;
        for written in ["databases/", "wires.json", "masking.json"] {
            for key in sandbox.s3.list(BUCKET, &format!("{folder}{written}")) {
                sandbox.s3.remove(BUCKET, &key);
            }
        }
    }

    fn places(&self, sandbox: &Sandbox) -> (std::path::PathBuf, std::path::PathBuf) {
        let volume = sandbox.engine.as_ref().unwrap().volume(&self.id).unwrap();
        let kept = volume.with_file_name("raw");
        (volume, kept)
    }

    async fn while_stopped(&self, sandbox: &Sandbox, change: impl FnOnce()) {
        let engine = sandbox.engine.as_ref().unwrap();
        engine.stop(&self.id).await.unwrap();
        change();
        engine.start(&self.id).await.unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}
