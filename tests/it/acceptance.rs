//! The acceptance program against the local AWS, on real PostgreSQL: there it agrees, for it says
//! what the local AWS says.

use std::collections::BTreeSet;

use acceptance::{
    check::Verdict,
    subject::{ENGINE, Named, SUBJECT, Subject, TAG},
};
use aws_sdk_rds::types::Tag;
use local_aws::iam::{Role, policy::Policy};
use runbook::{aurora, postgres::Tls};
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, REGION},
    orders,
};
use serde_json::{Value, json};

const CLUSTER: &str = "acceptance";

fn named() -> Named {
    Named {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        cluster: CLUSTER.to_owned(),
        role: Some(format!("arn:aws:iam::{ACCOUNT}:role/acceptance")),
        shared_snapshot: None,
        upgrade: true,
    }
}

/// The role of acceptance/terraform; the checks cut its rights down.
fn role() -> Role {
    let allow = |more: Value| {
        let mut statement = json!({ "Effect": "Allow" });
        statement.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Policy::parse(&json!([statement])).unwrap()
    };
    Role {
        arn: named().role.unwrap(),
        trust: allow(json!({ "Action": "sts:AssumeRole", "Principal": { "AWS": ACCOUNT } })),
        policy: allow(json!({ "Action": "rds:*", "Resource": "*" })),
    }
}

/// What acceptance/terraform makes.
async fn world() -> Sandbox {
    let sandbox = Sandbox::start(Options { roles: vec![role()], ..Options::real() }).await.unwrap();
    let rds = sandbox.rds_client();
    let create = rds.create_db_cluster().db_cluster_identifier(CLUSTER).engine(ENGINE).engine_version("16.8");
    let create = create.master_username("acceptance").manage_master_user_password(true);
    let create = create.storage_encrypted(true).copy_tags_to_snapshot(true);
    create.tags(Tag::builder().key(TAG).value(SUBJECT).build()).send().await.unwrap();
    let create =
        rds.create_db_instance().db_instance_identifier("acceptance-1").db_cluster_identifier(CLUSTER);
    create.engine(ENGINE).db_instance_class("db.t4g.medium").send().await.unwrap();
    orders::wait_available(&orders::context(&sandbox), CLUSTER).await.unwrap();
    sandbox
}

async fn subject(sandbox: &Sandbox, named: Named) -> anyhow::Result<Subject> {
    Subject::new(&sandbox.sdk("owner"), sandbox.clock, Some(Tls::Disable), named).await
}

/// Every cluster, instance and snapshot that there is.
async fn everything(sandbox: &Sandbox) -> BTreeSet<String> {
    let cx = orders::context(sandbox);
    let mut all = BTreeSet::new();
    all.extend(aurora::clusters(&cx).await.unwrap().into_iter().map(|found| found.id));
    all.extend(aurora::instances(&cx).await.unwrap().into_iter().map(|found| found.id));
    all.extend(aurora::manual_snapshots(&cx).await.unwrap().into_iter().map(|found| found.id));
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_aws_answers_every_check_as_it_says_and_nothing_is_left() {
    let sandbox = world().await;
    let before = everything(&sandbox).await;
    let subject = subject(&sandbox, named()).await.unwrap();
    let report = acceptance::run(&subject, &|_| true, &|_| {}, std::future::pending()).await;
    let page = report.markdown();
    assert_eq!(report.count(Verdict::Disagreed), 0, "{page}");
    // The snapshot of another account is nobody's here.
    let open: Vec<_> = report.findings.iter().filter(|found| found.verdict == Verdict::NotSettled).collect();
    assert!(open.len() == 1 && open[0].name == "restore-of-a-shared-snapshot-under-our-arns", "{page}");
    assert!(report.count(Verdict::Agreed) > 60, "{page}");
    assert!(report.clean && !report.stopped, "{page}");
    assert_eq!(everything(&sandbox).await, before);

    let folder = std::env::temp_dir().join(format!("aurora-runbooks-acceptance-{}", std::process::id()));
    report.write(&folder).unwrap();
    let login = subject.read_login(&subject.cluster().await.unwrap()).await.unwrap();
    for name in ["acceptance.md", "acceptance.json"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        for told in [ACCOUNT, login.password.as_str(), "127.0.0.1"] {
            assert!(!text.contains(told), "{name} tells {told}");
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_region_or_cluster_than_the_marked_one_is_refused_and_a_stopped_run_cleans_up() {
    let sandbox = world().await;
    let cx = orders::context(&sandbox);
    let own = aurora::cluster(&cx, CLUSTER).await.unwrap().arn.to_string();
    let before = everything(&sandbox).await;
    let refused = async |named: Named| match subject(&sandbox, named).await {
        Ok(_) => panic!("it is not refused"),
        Err(error) => format!("{error:#}"),
    };
    let other = "111122223333".to_owned();
    assert!(refused(Named { account: other, ..named() }).await.contains("nothing was looked at"));
    assert!(refused(Named { region: "us-east-1".to_owned(), ..named() }).await.contains("us-east-1"));
    let untag = sandbox.rds_client().remove_tags_from_resource().resource_name(&own).tag_keys(TAG);
    untag.send().await.unwrap();
    assert!(refused(named()).await.contains("nothing was touched"));
    let tag = sandbox.rds_client().add_tags_to_resource().resource_name(&own);
    tag.tags(Tag::builder().key(TAG).value(SUBJECT).build()).send().await.unwrap();

    // Stopped while the copy is being restored.
    let subject = subject(&sandbox, named()).await.unwrap();
    let stop = async {
        while aurora::find_cluster(&cx, "acceptance-check-copy").await.unwrap().is_none() {
            subject.sleep(5).await;
        }
    };
    let report =
        acceptance::run(&subject, &|check| check.name == "windows-in-lower-case", &|_| {}, stop).await;
    assert!(report.stopped && report.clean, "{}", report.markdown());
    assert!(report.cleaned.contains("cluster acceptance-check-copy"), "{}", report.cleaned);
    assert_eq!(everything(&sandbox).await, before);

    // What a killed run left has no tag here; its name is enough.
    subject.sleep(60).await;
    let left = sandbox.rds_client().create_db_cluster_snapshot().db_cluster_identifier(CLUSTER);
    left.db_cluster_snapshot_identifier("acceptance-check-left").send().await.unwrap();
    let removed = acceptance::clean::all(&subject).await.unwrap();
    assert_eq!(removed, ["snapshot acceptance-check-left"]);
}
