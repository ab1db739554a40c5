//! The acceptance program against the local AWS, on real PostgreSQL: there it agrees, for it says
//! what the local AWS says.

use std::collections::BTreeSet;

use acceptance::{
    check::Verdict,
    subject::{ENGINE, Named, SUBJECT, Subject, TAG},
};
use aws_sdk_rds::types::Tag;
use runbook::{aurora, postgres::Tls};
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, REGION},
    orders,
};

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

/// What acceptance/terraform makes, in that gear.
async fn world(options: Options) -> Sandbox {
    let sandbox = Sandbox::start(options).await.unwrap();
    let rds = sandbox.rds_client();
    let create =
        rds.create_db_cluster().db_cluster_identifier(CLUSTER).engine(ENGINE).engine_version("16.11");
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
    let sandbox = world(Options::real()).await;
    let before = everything(&sandbox).await;
    let subject = subject(&sandbox, named()).await.unwrap();
    let report = acceptance::run(&subject, &|_| true, &|_| {}, std::future::pending()).await;
    let page = report.markdown();
    assert_eq!(report.count(Verdict::Disagreed), 0, "{page}");
    // The only group that the local AWS cannot settle: it evaluates no session policy.
    let open: Vec<_> = report.findings.iter().filter(|found| found.verdict == Verdict::NotSettled).collect();
    assert!(open.iter().all(|found| found.group == "permissions"), "{page}");
    assert!(report.count(Verdict::Agreed) > 40, "{page}");
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
