//! What an error of PostgreSQL is to a state, and what of it may be said.

use std::error::Error as _;

use tokio_postgres::error::DbError;

use crate::{Error, error::Then};

/// Classes whose errors speak of objects, rights, statements and the server
/// (https://www.postgresql.org/docs/current/errcodes-appendix.html). The others speak of data and
/// quote it: 22 (`invalid input syntax for type integer: "…"`), 23 and 44 (`Failing row contains
/// (…)`), P0 and every class that a function makes up. They are named by their condition and place.
const OF_NO_ROWS: [&str; 18] = [
    "01", "08", "0A", "0L", "0P", "25", "28", "2B", "3B", "3D", "3F", "40", "42", "53", "54", "55", "57",
    "58",
];

/// What may be said of an error: the server's words, or where they may quote a row its condition
/// and place.
pub fn said(error: &tokio_postgres::Error) -> String {
    let Some(server) = error.as_db_error() else {
        return causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    };
    if speaks_of_no_rows(server.code().code(), server.routine()) {
        let parts = [Some(server.message()), server.detail(), server.hint()];
        return parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    }
    format!(
        "SQLSTATE {}{} (the server's text may quote rows and is not shown)",
        server.code().code(),
        place(server)
    )
}

/// PL/pgSQL's RAISE takes any condition with any text; what it raises comes from this routine
/// (src/pl/plpgsql/src/pl_exec.c).
const RAISE: &str = "exec_stmt_raise";

fn speaks_of_no_rows(code: &str, routine: Option<&str>) -> bool {
    code.get(..2).is_some_and(|class| OF_NO_ROWS.contains(&class)) && routine != Some(RAISE)
}

fn place(server: &DbError) -> String {
    let place = [
        ("table", server.table()),
        ("column", server.column()),
        ("constraint", server.constraint()),
        ("type", server.datatype()),
    ];
    place.into_iter().filter_map(|(kind, name)| Some(format!(" {kind} {}", name?))).collect()
}

/// What an error says about the server and the moment, and nothing about the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The session is over, or leads to a server that takes no change: the next look finds another.
    Gone,
    /// Somebody or something stood in the way, and may not the next time.
    InTheWay,
    /// There is no room left, and more does not come by itself.
    Full,
}

fn moment(error: &tokio_postgres::Error) -> Option<Moment> {
    let Some(server) = error.as_db_error() else {
        let lost = error.is_closed() || causes(error).any(|cause| cause.is::<std::io::Error>());
        return lost.then_some(Moment::Gone);
    };
    moment_of(server.code().code(), server.routine(), server.message())
}

/// https://www.postgresql.org/docs/current/errcodes-appendix.html. What a function raises has the
/// condition that its author liked.
fn moment_of(code: &str, routine: Option<&str>, message: &str) -> Option<Moment> {
    if routine == Some(RAISE) {
        return None;
    }
    match code {
        // read_only_sql_transaction: no session of ours that changes anything is set to read only,
        // so this is the reader that a failover has made of the writer.
        "25006" => Some(Moment::Gone),
        // 57P: operator intervention of the kind that ends sessions; 08: connection exception.
        _ if code.starts_with("57P") || code.starts_with("08") => Some(Moment::Gone),
        // serialization_failure, deadlock_detected, lock_not_available; insufficient_resources,
        // out_of_memory, too_many_connections.
        "40001" | "40P01" | "55P03" | "53000" | "53200" | "53300" => Some(Moment::InTheWay),
        // query_canceled is also what a time-out says, and that would say the same the next time
        // (src/backend/tcop/postgres.c, ProcessInterrupts). In another language than English it is
        // taken for one.
        "57014" if message.contains("user request") => Some(Moment::InTheWay),
        "53100" => Some(Moment::Full),
        _ => None,
    }
}

/// The server restarts, the connection is lost, or it leads to a reader: the next look finds
/// another.
pub fn is_gone(error: &tokio_postgres::Error) -> bool {
    moment(error) == Some(Moment::Gone)
}

/// The server, or somebody else on it, is why; the statement itself is as good as before.
pub fn is_of_the_moment(error: &tokio_postgres::Error) -> bool {
    moment(error).is_some()
}

fn of_the_moment(doing: &str, error: &tokio_postgres::Error) -> Option<Error> {
    Some(match moment(error)? {
        Moment::Gone => Error::NotReady(format!("PostgreSQL to come back ({doing}: {})", said(error))),
        Moment::InTheWay => {
            Error::NotReady(format!("PostgreSQL to let a statement through ({doing}: {})", said(error)))
        }
        // https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.BestPractices.TroubleshootingStorage.html
        Moment::Full => Error::failed(format!("the server has no room left ({doing}): {}", said(error)))
            .changed("what this state did before, which running again takes as it is")
            .fix(
                "make room: temporary files lie on the instance's own storage (FreeLocalStorage in \
                 CloudWatch), and a larger instance class has more",
            )
            .then(Then::Redrive),
    })
}

/// A statement of ours that should have worked.
pub fn query_failed(doing: &str, error: &tokio_postgres::Error) -> Error {
    of_the_moment(doing, error).unwrap_or_else(|| Error::unexpected(format!("{doing}: {}", said(error))))
}

/// A statement that the owner's objects or the policy may make fail.
pub fn failed(doing: &str, error: &tokio_postgres::Error) -> Error {
    of_the_moment(doing, error)
        .unwrap_or_else(|| Error::failed(format!("could not {doing}: {}", said(error))))
}

/// Nobody took the connection, or it ended before the server said anything: it is tried again. A
/// certificate that is wrong stays wrong.
pub(super) fn not_connected(error: &tokio_postgres::Error, place: &str) -> Error {
    match not_trusted(error) {
        Some(why) => Error::refused(format!("the server's certificate is not trusted ({place}): {why}"))
            .fix(
                "let PGSSLROOTCERT hold the authority that issued it (RDS's present bundle), and the host \
                 name be the cluster's own endpoint",
            )
            .then(Then::Redrive),
        None => Error::Unreachable(format!("PostgreSQL to answer ({place}: {})", said(error))),
    }
}

/// The server takes no connection now: it restarts, is full for a moment, or has a new password.
pub(super) fn not_taken(server: &DbError, place: &str) -> Error {
    let message = server.message();
    // 53: insufficient resources; 57: operator intervention; 28: invalid authorization
    // specification, by which a password that was rotated since it was read shows.
    match server.code().code().get(..2) {
        Some("53" | "57" | "28") => {
            Error::NotReady(format!("PostgreSQL to accept connections ({place}: {message})"))
        }
        _ => Error::unexpected(format!("connect to {place}: {message}")),
    }
}

/// Why the certificate does not verify, when that is it. rustls comes wrapped into errors of I/O.
fn not_trusted(error: &tokio_postgres::Error) -> Option<String> {
    causes(error).find_map(|cause| {
        let inside = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = match inside {
            Some(inside) => inside.downcast_ref::<rustls::Error>(),
            None => cause.downcast_ref::<rustls::Error>(),
        };
        match tls? {
            rustls::Error::InvalidCertificate(why) => Some(why.to_string()),
            _ => None,
        }
    })
}

/// What is below an error, from the top down.
fn causes(error: &tokio_postgres::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_of_data_is_not_quoted() {
        for code in ["22P02", "23505", "44000", "P0001", "38000", "ZZ001", "XX000", "45000", ""] {
            assert!(!speaks_of_no_rows(code, Some("errfinish")), "{code}");
        }
        for code in ["42P01", "42501", "55P03", "57014", "0A000"] {
            assert!(speaks_of_no_rows(code, Some("errfinish")), "{code}");
            assert!(!speaks_of_no_rows(code, Some("exec_stmt_raise")), "{code} raised by a function");
        }
    }

    #[test]
    fn only_the_server_and_the_moment_are_waited_for() {
        let moment = |code: &str, message: &str| moment_of(code, Some("errfinish"), message);
        for code in ["57P01", "57P02", "57P03", "08006", "25006"] {
            assert_eq!(moment(code, ""), Some(Moment::Gone), "{code}");
            assert_eq!(moment_of(code, Some(RAISE), ""), None, "{code} raised by a function");
        }
        for code in ["40001", "40P01", "55P03", "53200", "53300"] {
            assert_eq!(moment(code, ""), Some(Moment::InTheWay), "{code}");
        }
        assert_eq!(moment("53100", ""), Some(Moment::Full));
        let canceled = |why: &str| moment("57014", &format!("canceling statement due to {why}"));
        assert_eq!(canceled("user request"), Some(Moment::InTheWay));
        assert_eq!(canceled("statement timeout"), None);
        for code in ["42P01", "22P02", "23505", "55006", "53400", "XX000"] {
            assert_eq!(moment(code, ""), None, "{code}");
        }
    }
}
