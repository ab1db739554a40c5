//! Who owns the extensions, kept over an upgrade.
//!
//! pg_upgrade makes every extension again as its own superuser, so that on a plain server nobody
//! else may update it. On RDS the owner may ("ALTER EXTENSION … UPDATE" after an upgrade:
//! AuroraUserGuide, USER_UpgradeDBInstance.Upgrading.ExtensionUpgrades).

use super::{server::Server, template::SUPERUSER};

pub struct Owned {
    database: String,
    extension: String,
    owner: String,
}

pub async fn owners(server: &Server) -> anyhow::Result<Vec<Owned>> {
    let databases =
        "SELECT datname FROM pg_database WHERE datallowconn AND datconnlimit <> -2 AND NOT datistemplate";
    let admin = server.connect(SUPERUSER, "postgres").await?;
    let mut owned = Vec::new();
    for row in admin.query(databases, &[]).await? {
        let database: String = row.get(0);
        let session = server.connect(SUPERUSER, &database).await?;
        for row in session
            .query("SELECT extname::text, pg_get_userbyid(extowner)::text FROM pg_extension", &[])
            .await?
        {
            owned.push(Owned { database: database.clone(), extension: row.get(0), owner: row.get(1) });
        }
    }
    Ok(owned)
}

pub async fn give_back(server: &Server, owned: &[Owned]) -> anyhow::Result<()> {
    for one in owned {
        let session = server.connect(SUPERUSER, &one.database).await?;
        // There is no ALTER EXTENSION … OWNER TO.
        let update = "UPDATE pg_extension SET extowner = (SELECT oid FROM pg_roles WHERE rolname = $2) \
        WHERE extname = $1";
        session.execute(update, &[&one.extension, &one.owner]).await?;
    }
    Ok(())
}
