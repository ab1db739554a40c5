//! The same look at AWS in other languages: each a function of its own for Lambda's runtime API.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;

use crate::python;

/// Someone whose start is measured.
pub struct Peer {
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<PathBuf>,
    pub environment: Vec<(&'static str, PathBuf)>,
    /// Refuses fields of the input that are for the others.
    pub is_ours: bool,
}

const PYTHON: &str = include_str!("../../data/bench/cold_start.py");
const NODE: &str = include_str!("../../data/bench/cold_start.mjs");
const GO: &str = include_str!("../../data/bench/cold_start.go");
/// The SDK's clients that the Go program is made of.
const GO_SDK: [&str; 3] = ["config", "service/rds", "service/s3"];

/// Those that can be had here, and of the others why not.
pub async fn all() -> (Vec<Peer>, Vec<String>) {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for (name, peer) in [
        ("Python, boto3", python().await),
        ("Node, AWS SDK v3, bundled", node().await),
        ("Go, AWS SDK v2", go().await),
    ] {
        match peer {
            Ok(peer) => there.push(peer),
            Err(error) => missing.push(format!("{name}: {error:#}")),
        }
    }
    (there, missing)
}

async fn python() -> anyhow::Result<Peer> {
    let packages = python::packages(&["boto3"], true).await?;
    let script = packages.join("cold_start.py");
    std::fs::write(&script, PYTHON)?;
    let program = found("python3").await?;
    let version = "import sys, boto3; print(sys.version.split()[0], boto3.__version__)";
    let mut ask = Command::new(&program);
    ask.args(["-c", version]).env("PYTHONPATH", &packages);
    let versions = said(&mut ask).await?;
    let (python, boto3) = versions.split_once(' ').unwrap_or((&versions, ""));
    Ok(Peer {
        name: format!("Python {python}, boto3 {boto3}"),
        program,
        arguments: vec![script],
        environment: vec![("PYTHONPATH", packages)],
        is_ours: false,
    })
}

async fn node() -> anyhow::Result<Peer> {
    let program = found("node").await?;
    let folder = std::env::temp_dir().join("aurora-runbooks-bench-node");
    let bundle = folder.join("bundle.cjs");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("cold_start.mjs"), NODE)?;
    if !folder.join("node_modules/.bin/esbuild").exists() {
        let mut install = Command::new("npm");
        install.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
        install.args(["@aws-sdk/client-rds", "@aws-sdk/client-s3", "esbuild"]);
        said(&mut install).await.context("npm install")?;
    }
    let mut esbuild = Command::new(folder.join("node_modules/.bin/esbuild"));
    esbuild.args(["--bundle", "--platform=node", "--minify", "--log-level=error"]);
    esbuild.arg(format!("--outfile={}", bundle.display())).arg(folder.join("cold_start.mjs"));
    said(&mut esbuild).await.context("esbuild")?;
    let version = said(Command::new(&program).arg("--version")).await?;
    let sdk = version_of(&folder.join("node_modules/@aws-sdk/client-rds/package.json"))?;
    Ok(Peer {
        name: format!("Node {version}, SDK {sdk}, bundled"),
        program,
        arguments: vec![bundle],
        environment: Vec::new(),
        is_ours: false,
    })
}

/// With Debian's package of the SDK (golang-github-aws-aws-sdk-go-v2-dev) where it is installed,
/// which is sources in a GOPATH (https://go.dev/wiki/GOPATH), else with the newest modules.
async fn go() -> anyhow::Result<Peer> {
    let debian = Path::new("/usr/share/gocode");
    let sdk = "github.com/aws/aws-sdk-go-v2";
    let is_debian = debian.join("src").join(sdk).join("service/rds").exists();
    let folder = std::env::temp_dir().join("aurora-runbooks-bench-go");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("main.go"), GO)?;
    let go = |arguments: &[&str]| {
        let mut go = Command::new("go");
        go.args(arguments).current_dir(&folder).env("CGO_ENABLED", "0");
        if is_debian {
            go.env("GO111MODULE", "off").env("GOPATH", debian);
        }
        go
    };
    let version = said(&mut go(&["env", "GOVERSION"])).await?;
    if !is_debian && !folder.join("go.sum").exists() {
        if !folder.join("go.mod").exists() {
            said(&mut go(&["mod", "init", "cold-start"])).await?;
        }
        let modules = GO_SDK.map(|module| format!("{sdk}/{module}@latest"));
        let arguments: Vec<&str> = std::iter::once("get").chain(modules.iter().map(String::as_str)).collect();
        said(&mut go(&arguments)).await.context("go get")?;
    }
    eprintln!("building the same in Go: some minutes of CPU the first time");
    said(&mut go(&["build", "-ldflags=-s -w", "-o", "bootstrap", "main.go"])).await.context("go build")?;
    let source = said(&mut go(&["list", "-f", "{{.Dir}}", &format!("{sdk}/service/rds")])).await?;
    let metadata = std::fs::read_to_string(Path::new(&source).join("go_module_metadata.go"))?;
    let client = metadata.split('"').nth(1).context("no version in go_module_metadata.go")?;
    let program = folder.join("bootstrap");
    let size = std::fs::metadata(&program)?.len();
    Ok(Peer {
        name: format!(
            "Go {}, service/rds {client}, {:.1} MB",
            version.trim_start_matches("go"),
            size as f64 / 1e6
        ),
        program,
        arguments: Vec::new(),
        environment: Vec::new(),
        is_ours: false,
    })
}

fn version_of(package: &Path) -> anyhow::Result<String> {
    let package: serde_json::Value = serde_json::from_slice(&std::fs::read(package)?)?;
    Ok(package["version"].as_str().unwrap_or_default().to_owned())
}

/// Where the program itself is: what wraps it is not to be measured.
async fn found(program: &str) -> anyhow::Result<PathBuf> {
    let expression = match program {
        "node" => ["-e", "process.stdout.write(process.execPath)"],
        "python3" => ["-c", "import sys; print(sys.executable)"],
        _ => bail!("nobody asks for {program}"),
    };
    Ok(said(Command::new(program).args(expression)).await?.into())
}

/// What a command prints.
pub async fn said(command: &mut Command) -> anyhow::Result<String> {
    let program = command.as_std().get_program().display().to_string();
    let output = command.output().await.with_context(|| format!("{program} is not there"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
