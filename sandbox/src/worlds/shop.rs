//! A service of three databases with different owners, as realistic as a small one can be; the SQL
//! is in `sandbox/data/shop`.

use anyhow::Context;
use tokio_postgres::{Client, Config, NoTls};

/// The databases that [`load_shop`] fills. The second's owner is another role, the third's name
/// needs quoting.
pub const SHOP_DATABASES: [&str; 3] = ["shop", "billing", "customer-events"];

const CONTENT: [(&str, &str, &str); 3] = [
    ("shop", "shop_owner", include_str!("../../data/shop/shop.sql")),
    ("billing", "billing_owner", include_str!("../../data/shop/billing.sql")),
    ("customer-events", "events_owner", include_str!("../../data/shop/customer-events.sql")),
];

/// Fills a new cluster. `login` says how to reach it as the master user, as a libpq connection
/// string; its database is ignored.
pub async fn load_shop(login: &str) -> anyhow::Result<()> {
    let config: Config = login.parse().context("the login is no connection string")?;
    let master = connect(&config, "postgres").await?;
    master
        .batch_execute(include_str!("../../data/shop/roles.sql"))
        .await
        .context("could not create the shop's roles")?;
    for (database, owner, _) in CONTENT {
        let exists =
            master.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&database]).await?.is_some();
        let verb = if exists {
            format!("ALTER DATABASE \"{database}\" OWNER TO {owner}")
        } else {
            format!("CREATE DATABASE \"{database}\" OWNER {owner}")
        };
        master.batch_execute(&verb).await?;
    }
    futures::future::try_join_all(CONTENT.map(async |(database, _, content)| {
        let session = connect(&config, database).await?;
        session.batch_execute(content).await.with_context(|| format!("could not fill {database}"))
    }))
    .await
    .map(drop)
}

async fn connect(config: &Config, database: &str) -> anyhow::Result<Client> {
    let (client, connection) = config
        .clone()
        .dbname(database)
        .connect(NoTls)
        .await
        .with_context(|| format!("could not connect to {database}"))?;
    tokio::spawn(connection);
    Ok(client)
}
