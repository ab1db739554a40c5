//! The report's pages as a person has approved them: tests/data/pages has a picture on a desktop
//! and one on a phone for each outcome, and `UPDATE=1` writes them.
//!
//! Pixels are compared and not a list of boxes, for what a person approves is what is seen: a
//! colour or an overlap is in no list. Two machines do not draw the same pixels, so the fonts are
//! the test's own, and tests/foreign/compare_pages.cjs says what it lets pass. The pictures are
//! WebP, a tenth of the size of PNG.

use std::path::Path;

use functions::report_run::page;
use sandbox::{executables::root, preview};

use super::browser::look;

/// What somebody might do to a page without wanting it, and what of it is seen.
const CHANGES: [(&str, &str, &str); 3] = [
    ("a-word", "Refused", "Accepted"),
    ("a-colour", "--bad: ", "--bad: #0a0; --was: "),
    ("a-part-less", "id=\"journal\"", "id=\"journal\" hidden"),
];

#[test]
fn every_page_looks_as_a_person_has_approved_it_and_a_changed_one_does_not() {
    let folder = std::env::temp_dir().join(format!("aurora-runbooks-pictures-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut pages = Vec::new();
    let mut write = |name: &str, text: &str| {
        pages.push(folder.join(format!("{name}.html")));
        std::fs::write(pages.last().unwrap(), text).unwrap();
    };
    let fixtures = preview::fixtures();
    for preview::Fixture { name, report } in &fixtures {
        // What these are made for is not how they look.
        if !["hostile", "upgrade-of-500-tables"].contains(name) {
            write(name, &page(report));
        }
    }
    let unchanged = page(&preview::fixture("sync-one-target-failed").unwrap());
    for (name, from, to) in CHANGES {
        assert!(unchanged.contains(from), "{name}: no page says {from:?}");
        write(&format!("sync-one-target-failed+{name}"), &unchanged.replace(from, to));
    }
    let others = root().join("target/pages");
    std::fs::create_dir_all(&others).unwrap();
    let approved = root().join("tests/data/pages");
    let looked = look("compare_pages.cjs", &[&approved, Path::new(&others)], &pages);
    std::fs::remove_dir_all(&folder).unwrap();
    let (changed, same): (Vec<_>, Vec<_>) = looked.into_iter().partition(|looked| looked.name.contains('+'));
    for looked in &same {
        assert!(
            looked.wrong.is_empty(),
            "{} is not as approved; look at target/pages and run once with UPDATE=1:\n{}",
            looked.name,
            looked.wrong.join("\n")
        );
    }
    assert!(same.len() >= 9 && changed.len() == CHANGES.len());
    for looked in &changed {
        assert_eq!(looked.wrong.len(), 2, "{} is not seen: {:?}", looked.name, looked.wrong);
    }
}
