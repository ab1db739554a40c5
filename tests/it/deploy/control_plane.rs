//! A control plane that is not ours: MiniStack, which takes what the AWS provider sends.

use std::{path::PathBuf, process::Stdio, time::Duration};

use sandbox::{
    aws::{ACCOUNT, REGION},
    executables::root,
};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::{clients, python::packages};

const MINISTACK: &str = "ministack==1.5.33";

pub struct ControlPlane {
    pub url: String,
    folder: PathBuf,
    _process: Child,
}

impl ControlPlane {
    pub async fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        drop(listener);
        let folder = std::env::temp_dir().join(format!("aurora-runbooks-control-plane-{port}"));
        std::fs::create_dir_all(&folder).expect("a working folder can be made");
        let log = std::fs::File::create(folder.join("log")).expect("the log can be written");
        let process = Command::new("python3")
            .args(["-m", "ministack"])
            .current_dir(&folder)
            .env("PYTHONPATH", packages(&[MINISTACK], true).await)
            .env("TMPDIR", &folder)
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", REGION)
            .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("python3 runs: the module is applied against MiniStack");
        let plane = Self { url: format!("http://127.0.0.1:{port}"), folder, _process: process };
        for _ in 0..300 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return plane;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let log = std::fs::read_to_string(plane.folder.join("log")).unwrap_or_default();
        panic!("{MINISTACK} does not listen after a minute:\n{log}");
    }

    /// What `tests/data/deploy/control_plane.py` answers.
    pub async fn ask(&self, what: &str) -> Value {
        let output = Command::new("python3")
            .arg(root().join("tests/data/deploy/control_plane.py"))
            .args([&self.url, what])
            .env("PYTHONPATH", packages(&clients::PACKAGES, true).await)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .stdin(Stdio::null())
            .output()
            .await
            .expect("python3 runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "control_plane.py {what}: {said}");
        serde_json::from_slice(&output.stdout).expect("the script prints JSON")
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // A folder that stays behind in the temporary one harms nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
