//! Packages of PyPI that the tests use, each fetched once.

use std::path::PathBuf;

/// A folder for `PYTHONPATH` with these packages, and with what they need if `whole`.
pub async fn packages(packages: &[&str], whole: bool) -> PathBuf {
    sandbox::python::packages(packages, whole).await.expect("packages of PyPI")
}
