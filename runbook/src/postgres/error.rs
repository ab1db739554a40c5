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
fn speaks_of_no_rows(code: &str, routine: Option<&str>) -> bool {
    code.get(..2).is_some_and(|class| OF_NO_ROWS.contains(&class)) && routine != Some("exec_stmt_raise")
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

/// The server restarts or the connection is lost: the next look finds another.
pub fn is_gone(error: &tokio_postgres::Error) -> bool {
    let lost = || causes(error).any(|cause| cause.is::<std::io::Error>());
    match error.as_db_error() {
        // 57P: operator intervention of the kind that ends sessions.
        Some(server) => server.code().code().starts_with("57P"),
        None => error.is_closed() || lost(),
    }
}

fn lost(doing: &str, error: &tokio_postgres::Error) -> Error {
    Error::NotReady(format!("PostgreSQL to come back ({doing}: {})", said(error)))
}

/// A statement of ours that should have worked.
pub fn query_failed(doing: &str, error: &tokio_postgres::Error) -> Error {
    if is_gone(error) {
        return lost(doing, error);
    }
    Error::unexpected(format!("{doing}: {}", said(error)))
}

/// A statement that the owner's objects or the policy may make fail.
pub fn failed(doing: &str, error: &tokio_postgres::Error) -> Error {
    if is_gone(error) {
        return lost(doing, error);
    }
    Error::failed(format!("could not {doing}: {}", said(error)))
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
}
