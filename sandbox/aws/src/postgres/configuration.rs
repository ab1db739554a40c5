//! A server's configuration: what the sandbox decides, then what the parameter groups say.

use std::path::Path;

use anyhow::ensure;

use crate::rds::engine::Parameters;

/// Included at the end of `postgresql.conf`.
pub const FILE: &str = "sandbox.conf";

/// Parameters that are about the host, not the database: the sandbox's host differs from Aurora's.
const OURS: [&str; 22] = [
    "archive_command",
    "archive_library",
    "archive_mode",
    "config_file",
    "data_directory",
    "external_pid_file",
    "fsync",
    "hba_file",
    "huge_pages",
    "ident_file",
    "listen_addresses",
    "log_destination",
    "log_directory",
    "log_filename",
    "logging_collector",
    "port",
    "shared_buffers",
    "ssl",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_key_file",
    "unix_socket_directories",
];

/// Prefixes of what only Aurora's PostgreSQL knows.
const AURORAS: [&str; 4] = ["rds.", "apg_", "aurora_", "babelfishpg_"];

pub struct Place<'a> {
    pub port: u16,
    pub sockets: &'a Path,
    /// The version's program folder: its neighbour holds the libraries.
    pub bin: &'a Path,
}

/// The text of [`FILE`].
pub fn render(place: &Place, parameters: &Parameters) -> anyhow::Result<String> {
    // A sandbox does not promise to survive a power cut: fsync = off makes initdb, upgrades and
    // loads several times as fast.
    let mut text = format!(
        "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = {}\nfsync = \
        off\nshared_buffers = 32MB\nmax_wal_size = 512MB\n\
         max_connections = 100\nhuge_pages = off\nlog_line_prefix = '%t:%r:%u@%d:[%p]:'\ntimezone = 'UTC'\n",
        place.port,
        quote(&place.sockets.to_string_lossy())
    );
    // On Aurora this one parameter is what sets wal_level
    // (AuroraUserGuide, AuroraPostgreSQL.Replication.Logical-Configure).
    if parameters.get("rds.logical_replication").is_some_and(|value| value == "1" || value == "on") {
        text.push_str("wal_level = logical\n");
    }
    for (name, value) in parameters {
        ensure!(
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.'),
            "parameter name {name:?} is refused"
        );
        ensure!(
            !value.contains(['\n', '\r', '\0']),
            "the value of parameter {name} is refused: it has more than one line"
        );
        // `{DBInstanceClassMemory/10922}` and the like follow the instance class; here the server's
        // own default stands.
        let formula = value.contains('{');
        if OURS.contains(&name.as_str()) || AURORAS.iter().any(|prefix| name.starts_with(prefix)) || formula {
            continue;
        }
        let value =
            if name == "shared_preload_libraries" { existing(place.bin, value) } else { value.clone() };
        text.push_str(&format!("{name} = {}\n", quote(&value)));
    }
    Ok(text)
}

/// Of a list of libraries those that this install has: Aurora has some that nobody else has.
fn existing(bin: &Path, libraries: &str) -> String {
    let exists = |name: &str| {
        ["../lib/postgresql", "../lib"]
            .iter()
            .flat_map(|folder| ["so", "dylib"].map(|end| bin.join(folder).join(format!("{name}.{end}"))))
            .any(|path| path.is_file())
    };
    libraries.split(',').map(str::trim).filter(|name| exists(name)).collect::<Vec<_>>().join(",")
}

fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(parameters: &[(&str, &str)]) -> String {
        let parameters =
            parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        render(
            &Place { port: 5501, sockets: Path::new("/tmp/s"), bin: Path::new("/nowhere/bin") },
            &parameters,
        )
        .unwrap()
    }

    #[test]
    fn only_what_a_plain_server_understands_reaches_it() {
        let text = rendered(&[
            ("work_mem", "4096"),
            ("max_connections", "LEAST({DBInstanceClassMemory/9531392},5000)"),
            ("rds.logical_replication", "1"),
            ("apg_plan_mgmt.capture_plan_baselines", "off"),
            ("port", "5432"),
            ("shared_preload_libraries", "aurora_stat_utils"),
            ("log_line_prefix", r"it's \ odd"),
        ]);
        assert!(text.contains("work_mem = '4096'\n"));
        assert!(text.contains("wal_level = logical\n"));
        assert!(text.contains("shared_preload_libraries = ''\n"));
        assert!(text.contains(r"log_line_prefix = 'it''s \\ odd'"));
        assert!(!text.contains("DBInstance") && !text.contains("apg_") && !text.contains("5432"));
    }

    #[test]
    fn a_value_cannot_smuggle_in_another_parameter() {
        let parameters = Parameters::from([("work_mem".to_owned(), "1\nport=1".to_owned())]);
        assert!(
            render(&Place { port: 1, sockets: Path::new("/"), bin: Path::new("/") }, &parameters).is_err()
        );
    }
}
