//! Files that are made from the code and kept in the repository: a test fails when one is stale and
//! shows what differs; `UPDATE=1` writes it again.

use std::path::Path;

/// The whole file.
pub fn file(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, expected).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    // One that is not there yet is stale, too.
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let name = path.display().to_string();
    let diff = similar::TextDiff::from_lines(found.as_str(), expected);
    assert!(
        found == expected,
        "{name} is stale; run the tests once with UPDATE=1\n{}",
        diff.unified_diff().header(&name, "what the code makes")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_block_shows_what_differs() {
        let path = std::env::temp_dir().join(format!("golden-{}.md", std::process::id()));
        std::fs::write(&path, "above\n<!-- list -->\none\ntwo\n<!-- /list -->\nbelow\n").unwrap();
        block(&path, "list", "one\ntwo\n");
        let shown = std::panic::catch_unwind(|| block(&path, "list", "one\nthree\n")).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        let shown = shown.downcast_ref::<String>().unwrap();
        assert!(shown.contains("\n-two\n+three\n"), "{shown}");
        assert!(!shown.contains("above\n<!-- list -->\none\ntwo\n<!--"), "only what differs: {shown}");
    }
}
