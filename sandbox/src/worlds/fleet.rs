//! A cluster of a fleet: on 16, with one instance and an empty database.

use aws_sdk_rds::types::Tag;

use crate::Sandbox;

/// Whom a fleet upgrades.
pub const TAG: (&str, &str) = ("upgrade", "november");

pub fn tag() -> Tag {
    Tag::builder().key(TAG.0).value(TAG.1).build()
}

/// By the public API; it is available a while later.
pub async fn create(sandbox: &Sandbox, name: &str, tagged: bool) -> anyhow::Result<()> {
    let rds = sandbox.rds_client();
    let create = rds.create_db_cluster().db_cluster_identifier(name).engine("aurora-postgresql");
    let create = create.engine_version("16.14").master_username("postgres").manage_master_user_password(true);
    create.set_tags(tagged.then(|| vec![tag()])).send().await?;
    let instance = rds.create_db_instance().db_instance_identifier(format!("{name}-1"));
    let instance = instance.db_cluster_identifier(name).engine("aurora-postgresql");
    instance.db_instance_class("db.r6g.large").send().await?;
    Ok(())
}
