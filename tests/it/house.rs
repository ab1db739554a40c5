//! What holds for every file of the repository: widths that can be read side by side, pages whose
//! paths and tests exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use sandbox::executables::root;

/// Every file of the repository with that ending, by its path.
fn files(ending: &str) -> BTreeMap<String, String> {
    // Also what is not committed yet, but nothing that is ignored, as target/ is.
    let list = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git must be installed: the files of the repository are listed");
    assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
    let paths = String::from_utf8(list.stdout).unwrap();
    let files: BTreeMap<_, _> = paths
        .lines()
        .filter(|path| path.ends_with(ending))
        // One that is deleted and not committed is listed, too.
        .filter_map(|path| Some((path.to_owned(), std::fs::read_to_string(root().join(path)).ok()?)))
        .collect();
    assert!(files.len() > 5, "git lists no files that end with {ending}");
    files
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Each line of a page, and how wide it may be: a listing as wide as code, and what a program
/// printed as wide as it is.
fn lines(page: &str) -> impl Iterator<Item = (usize, &str, usize)> {
    let mut listing: Option<&str> = None;
    page.lines().enumerate().map(move |(index, line)| {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            listing = if listing.is_some() { None } else { Some(language) };
        }
        let width = match listing {
            None => 100,
            Some("console") => usize::MAX,
            Some(_) => 110,
        };
        (index, line, width)
    })
}

/// An address or a digest is one word, however long.
fn holds_a_long_word(line: &str) -> bool {
    line.split_whitespace().any(|word| word.chars().count() > 80)
}

#[track_caller]
fn none_is_too_wide(too_wide: &[String]) {
    assert!(too_wide.is_empty(), "{} lines are too wide:\n{}", too_wide.len(), too_wide.join("\n"));
}

#[test]
fn lines_of_code_have_110_columns_and_comments_100() {
    let mut too_wide = Vec::new();
    for (path, text) in files(".rs") {
        for (index, line) in text.lines().enumerate() {
            let comment = line.trim_start().starts_with("//");
            let width = line.chars().count();
            if width > if comment { 100 } else { 110 } && !holds_a_long_word(line) {
                too_wide.push(format!("{path}:{}: {width}", index + 1));
            }
        }
    }
    none_is_too_wide(&too_wide);
}

#[test]
fn lines_of_pages_have_100_columns_and_so_have_their_tables() {
    let mut too_wide = Vec::new();
    for (path, text) in files(".md") {
        for (index, line, most) in lines(&text) {
            let width = line.chars().count();
            if width > most && !holds_a_long_word(line) {
                too_wide.push(format!("{path}:{}: {width}", index + 1));
            }
        }
    }
    none_is_too_wide(&too_wide);
}

/// The functions that `cargo test` runs, by name.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in files(".rs").into_values() {
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line != "#[test]" && !line.starts_with("#[tokio::test") {
                continue;
            }
            // Other attributes may stand between.
            let function = lines.find_map(|line| Some(line.split_once("fn ")?.1.split_once('(')?.0));
            found.extend(function.map(str::to_owned));
        }
    }
    assert!(found.len() > 200, "only {} tests were found", found.len());
    found
}

/// Every heading of the chapters of invariants, with the tests that it names.
fn invariants() -> Vec<(String, Vec<String>)> {
    let page = page("docs/architecture.md");
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if let Some(chapter) = line.strip_prefix("## ") {
            inside = chapter.starts_with("Invariants");
        } else if let Some(invariant) = line.strip_prefix("### ").filter(|_| inside) {
            found.push((invariant.to_owned(), Vec::new()));
        } else if let Some(test) =
            line.strip_prefix("* `").and_then(|line| line.strip_suffix('`')).filter(|_| inside)
        {
            let (_, tests) = found.last_mut().expect("a test stands below an invariant");
            tests.push(test.to_owned());
        }
    }
    found
}

#[test]
fn every_invariant_of_the_architecture_names_tests_and_each_of_them_exists() {
    let (tests, invariants) = (tests(), invariants());
    assert!(invariants.len() > 30, "only {} invariants were found", invariants.len());
    for (invariant, named) in invariants {
        assert!(!named.is_empty(), "{invariant}: no test holds it");
        for test in named {
            assert!(tests.contains(&test), "{invariant}: there is no test {test}");
        }
    }
}

/// A word in backticks that looks like a test's name, wherever it stands in the pages.
#[test]
fn every_test_that_the_architecture_and_the_threat_model_name_in_their_prose_exists() {
    let (tests, pages) = (tests(), page("docs/architecture.md") + &page("SECURITY.md"));
    let named: Vec<&str> = pages
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            word.matches('_').count() > 4 && !word.contains(|c: char| !c.is_alphanumeric() && c != '_')
        })
        .collect();
    assert!(named.len() > 50, "only {} tests are named", named.len());
    for test in named {
        assert!(tests.contains(test), "there is no test {test}");
    }
}

/// `functions/src/daily_sync/production.rs`, and in the map of the code what stands below a folder.
#[test]
fn every_path_in_the_map_of_the_code_exists() {
    let page = page("docs/architecture.md");
    let (_, map) = page.split_once("## Map of the code").expect("there is a map of the code");
    let (map, _) = map.split_once("\nOne name is spelled").expect("the map has an end");
    let (mut top, mut folder, mut count) = (String::new(), String::new(), 0);
    for line in map.lines() {
        let bold = line.strip_prefix("* **`").and_then(|line| line.split_once("`**"));
        if let Some((path, _)) = bold {
            // One of the runbooks stands for all.
            top = path.replace("<runbook>", "daily-sync");
            folder.clone_from(&top);
        } else if line.starts_with("  * ") {
            folder.clone_from(&top);
        }
        for word in line.split('`').skip(1).step_by(2) {
            let is_path = word.ends_with('/') || word.contains(".rs") || word.contains(".json");
            if !is_path || word.contains('<') {
                continue;
            }
            // Below the folder that the item began with, or beside the file that it began with.
            let places = [
                word.to_owned(),
                format!("{top}{word}"),
                format!("{folder}{word}"),
                format!("{folder}src/{word}"),
            ];
            let place = places.iter().find(|place| root().join(place).exists());
            let place = place.unwrap_or_else(|| panic!("{word}, below {folder}, does not exist"));
            if line.starts_with("  * ") && folder == top {
                folder = place.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            }
            count += 1;
        }
    }
    assert!(count > 30, "only {count} paths were found");
}

/// What a comment of the local AWS names as its source: the pages of AWS, and issues by number.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, text) in files(".rs").into_iter().filter(|(path, _)| path.starts_with("sandbox/aws/")) {
        let comments = text.lines().filter_map(|line| line.trim_start().strip_prefix("//"));
        for word in comments.flat_map(str::split_whitespace) {
            let page = word.split_once("https://docs.aws.amazon.com/").map(|(_, page)| page);
            let page =
                page.and_then(|page| page.split_once(".html")).and_then(|(page, _)| page.rsplit('/').next());
            let issue = word.split_once('#').map(|(_, issue)| {
                let digits: String = issue.chars().take_while(char::is_ascii_digit).collect();
                format!("#{digits}")
            });
            let issue = issue.filter(|issue| issue.len() > 2);
            found.extend(
                page.map(str::to_owned).into_iter().chain(issue).map(|source| (source, path.clone())),
            );
        }
    }
    assert!(found.len() > 80, "only {} sources were found", found.len());
    found
}

#[test]
fn every_source_that_the_local_aws_names_stands_on_its_page() {
    let page = page("docs/local-aws.md");
    let missing: Vec<_> =
        sources().into_iter().filter(|(source, _)| !page.contains(source.as_str())).collect();
    assert!(missing.is_empty(), "docs/local-aws.md does not say what is known from {missing:#?}");
}

#[test]
fn every_path_that_the_page_on_the_local_aws_names_exists() {
    let page = page("docs/local-aws.md");
    let folders = ["sandbox/", "infra/", "runbook/", "docs/", "tests/it/"];
    let words = page.split('`').skip(1).step_by(2);
    let paths: Vec<&str> =
        words.filter(|word| folders.iter().any(|folder| word.starts_with(folder))).collect();
    assert!(paths.len() > 10, "only {} paths were found", paths.len());
    for path in paths {
        assert!(root().join(path).exists(), "there is no {path}");
    }
}

/// The crates that `cargo tree` lists.
fn crates(arguments: &[&str], format: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--prefix", "none", "--format", format])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    tree.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn no_function_and_no_worker_carries_what_a_command_needs() {
    let crates = crates(&["--package", "functions", "--package", "workers", "--edges", "normal"], "{lib}");
    assert!(crates.contains("policy") && crates.contains("tokio"), "{crates:?}");
    for command in ["clap", "similar", "comfy_table", "indicatif", "axum"] {
        assert!(!crates.contains(command), "{command} is in an executable that runs on AWS");
    }
}

/// A crate that the tests have with one feature more is compiled once more for the executables that
/// they start, and so is all that stands on it: minutes of a clean clone.
#[test]
fn the_tests_and_the_shipped_executables_share_every_crate() {
    let of = |edges: &str| crates(&["--workspace", "--edges", edges], "{p} [{f}]");
    let (shipped, tested) = (of("normal,build"), of("normal,build,dev"));
    assert!(shipped.len() > 100, "cargo tree has listed {} crates", shipped.len());
    let others: Vec<_> = shipped.difference(&tested).collect();
    assert!(others.is_empty(), "give them the features that the tests have: {others:#?}");
}

#[test]
fn the_toolchain_is_the_one_that_the_manifests_name() {
    let toolchain = page("rust-toolchain.toml");
    let manifest = page("Cargo.toml");
    let value = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.unwrap_or_else(|| panic!("no {key}")).trim_matches('"').to_owned()
    };
    let (channel, least) = (value(&toolchain, "channel"), value(&manifest, "rust-version"));
    assert_eq!(channel.rsplit_once('.').map(|(minor, _)| minor), Some(least.as_str()), "{channel}");
}

/// Also of the crate that somebody adds tomorrow.
#[test]
fn every_crate_is_under_the_lints_of_the_workspace() {
    let manifests = files("Cargo.toml");
    // The fuzz targets are a workspace of their own.
    let others = ["Cargo.toml", "fuzz/Cargo.toml"];
    for (path, manifest) in manifests.iter().filter(|(path, _)| !others.contains(&path.as_str())) {
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{path} is not");
    }
}
