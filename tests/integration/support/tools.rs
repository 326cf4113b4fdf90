//! Programs that the tests compare with. `./test` installs them; a test whose tool is missing fails.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A tool of `./test`, by its name.
pub(crate) fn tool(name: &str) -> PathBuf {
    let folder = std::env::var_os("S3LO_TEST_TOOLS").map_or_else(
        || {
            let home = std::env::var_os("HOME")
                .map(PathBuf::from)
                .unwrap_or_default();
            home.join(".cache/s3lo-test-tools")
        },
        PathBuf::from,
    );
    let path = folder.join("bin").join(name);
    assert!(path.exists(), "{name} is missing: `./test` installs it");
    path
}

/// Runs `openssl` with `arguments`; its stdout.
pub(crate) fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is missing: install it")
}
