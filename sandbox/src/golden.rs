//! Files that are made from the code and kept in the repository: a test fails when one is stale,
//! `UPDATE=1` writes it anew.

use std::path::Path;

/// The whole file.
pub fn file(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, expected).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is stale; run the tests once with UPDATE=1\n--- expected\n{expected}",
        path.display()
    );
}

/// What stands between `<!-- name -->` and `<!-- /name -->`.
pub fn block(path: &Path, name: &str, expected: &str) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let parts = text.split_once(&open).and_then(|(before, rest)| Some((before, rest.split_once(&close)?.1)));
    let (before, after) = parts.unwrap_or_else(|| panic!("{} has no block <!-- {name} -->", path.display()));
    file(path, &format!("{before}{open}{expected}{close}{after}"));
}
