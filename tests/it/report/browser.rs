//! Every page in Debian's Chromium, with axe: tests/foreign/look_at_pages.cjs.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use functions::report_run::page;
use sandbox::{executables::root, preview};
use serde::Deserialize;

/// Of npm. puppeteer-core 25 asks for a Node.js that Debian does not have yet.
const PACKAGES: [&str; 3] = ["puppeteer-core@24.43.1", "axe-core@4.14.1", "dejavu-fonts-ttf@2.37.3"];

#[derive(Deserialize)]
pub struct Looked {
    pub name: String,
    pub wrong: Vec<String>,
}

/// Has a script of tests/foreign look at pages in Chromium.
pub fn look(script: &str, arguments: &[&Path], pages: &[PathBuf]) -> Vec<Looked> {
    let output = Command::new("node")
        .arg(root().join("tests/foreign").join(script))
        .arg(chromium())
        .args(arguments)
        .args(pages)
        .env("NODE_PATH", &*MODULES)
        .output()
        .expect("node must be installed: it drives Chromium");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn chromium() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path)
        .flat_map(|folder| ["chromium", "google-chrome"].map(|name| folder.join(name)));
    places
        .find(|place| place.exists())
        .expect("Chromium must be installed: the report's pages are looked at in it")
}

/// A folder for `NODE_PATH`, fetched once, by whichever test asks first.
static MODULES: LazyLock<PathBuf> = LazyLock::new(fetch);

fn fetch() -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("aurora-runbooks-{}", PACKAGES.join("-").replace('@', "-")));
    let modules = folder.join("node_modules");
    if !PACKAGES.iter().all(|package| modules.join(package.split('@').next().unwrap_or_default()).exists()) {
        std::fs::create_dir_all(&folder).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        let install = npm.arg(&folder).args(PACKAGES).output();
        let install = install.expect("npm must be installed: the report's pages are looked at with axe");
        assert!(install.status.success(), "{PACKAGES:?}: {}", String::from_utf8_lossy(&install.stderr));
    }
    modules
}

/// `REPORT_PICTURES=<folder>` leaves a picture of each.
#[test]
fn every_page_reads_well_in_a_browser_on_desktop_and_phone_light_and_dark_and_asks_for_nothing() {
    let folder = std::env::temp_dir().join(format!("aurora-runbooks-pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut files = Vec::new();
    for preview::Fixture { name, report } in preview::fixtures() {
        let file = folder.join(format!("{name}.html"));
        std::fs::write(&file, page(&report)).unwrap();
        files.push(file);
    }
    let broken = folder.join("broken.html");
    std::fs::write(&broken, BROKEN).unwrap();
    files.push(broken);
    let pictures = std::env::var_os("REPORT_PICTURES").unwrap_or_else(|| "-".into());
    let mut looked = look("look_at_pages.cjs", &[Path::new(&pictures)], &files);
    std::fs::remove_dir_all(&folder).unwrap();
    let broken = looked.pop().unwrap();
    for Looked { name, wrong } in &looked {
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    }
    assert!(looked.len() >= 10);
    // The look itself would have seen it.
    for part in
        ["axe image-alt", "axe color-contrast", "it asked for", "scripts", "pixels wide", "a script ran"]
    {
        assert!(broken.wrong.iter().any(|wrong| wrong.contains(part)), "{part}: {:#?}", broken.wrong);
    }
}

/// All that a page must not be.
const BROKEN: &str = "<!doctype html><html lang=en><title>x</title><meta name=viewport \
    content='width=device-width'><main><h1>x</h1><img src='file:///nowhere.png'><p \
    style='color:#bbb;background:#fff'>pale</p><div style='width:4000px'>wide</div></main>\
    <script>alert(1)</script></html>";
