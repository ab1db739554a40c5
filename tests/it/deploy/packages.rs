//! What a release builds: the functions' zip and the workers' image. Building takes minutes of both
//! cores an architecture, so CI does it for a release; here is what can be looked at before.

use std::process::Command;

use sandbox::executables::{self, root};

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test]
async fn an_executable_that_needs_a_newer_glibc_than_there_will_be_is_refused() {
    let executables = executables::build().await.expect("the executables are built");
    for executable in [executables.bootstrap, executables.worker] {
        let glibc = |version: &str| {
            let script = root().join(".ci/glibc");
            let output = Command::new(script).arg(&executable).arg(version).output();
            let output = output.expect("bash and binutils' readelf are installed");
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        // Rust's own standard library needs 2.17
        // (https://blog.rust-lang.org/2022/08/01/Increasing-glibc-kernel-requirements.html).
        let (fits, said) = glibc("2.9");
        assert!(!fits && said.contains("needs glibc 2.") && said.contains("and there is 2.9"), "{said}");
        let (fits, said) = glibc("2.99");
        assert!(fits, "{said}");
    }
    assert!(read(".ci/package").contains("--target \"$triple.2.34\""), "the linker has AL2023's glibc");
    assert!(read(".ci/package").contains("/bootstrap\" 2.34"), "and the result is looked at");
    assert!(read(".ci/package").contains("--disable-optimizations"), "a panic is caught");
    assert!(read("workers/Dockerfile").contains("target/release/worker 2.36"), "so is the worker");
}

#[test]
fn the_image_has_all_that_it_is_built_from_and_checked_certificates_and_no_root() {
    let dockerfile = read("workers/Dockerfile");
    let workspace = read("Cargo.toml");
    let members = workspace.lines().skip_while(|line| !line.starts_with("members")).skip(1);
    let members = members.take_while(|line| *line != "]").filter_map(|line| line.split('"').nth(1));
    let mut folders: Vec<_> = members.filter_map(|member| member.split('/').next()).collect();
    folders.dedup();
    assert!(folders.len() > 5, "{folders:?}");
    for folder in folders {
        let copy = format!("COPY {folder} {folder}\n");
        assert!(dockerfile.contains(&copy), "cargo wants {folder}, and it is not copied");
    }
    let adds: Vec<_> = dockerfile.lines().filter(|line| line.starts_with("ADD ")).collect();
    assert!(adds.len() == 1 && adds[0].contains(" --checksum=sha256:"), "{adds:?}");
    assert!(dockerfile.contains("\nUSER nonroot\n"));
}

#[test]
fn workflows_pin_every_action_and_have_no_permission_that_a_job_does_not_ask_for() {
    for name in ["ci", "release"] {
        let workflow = read(&format!(".github/workflows/{name}.yml"));
        assert!(workflow.contains("\npermissions: {}\n"), "{name}");
        let uses: Vec<_> = workflow.lines().filter_map(|line| line.split_once("uses: ")).collect();
        assert!(!uses.is_empty(), "{name}");
        for (_, action) in uses {
            let (pin, version) = action.split_once(" # v").unwrap_or_else(|| panic!("{name}: {action}"));
            let commit = pin.split_once('@').map_or("", |(_, commit)| commit);
            let is_pinned = commit.len() == 40 && commit.chars().all(|digit| digit.is_ascii_hexdigit());
            assert!(is_pinned && version.starts_with(|c: char| c.is_ascii_digit()), "{name}: {action}");
        }
    }
}
