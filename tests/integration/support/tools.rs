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

/// A program of this machine.
pub(crate) fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
    let found = places.find(|place| place.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: install it"))
}

/// The release program, static, which `./test` builds before.
pub(crate) fn release_program() -> PathBuf {
    let given = std::env::var_os("S3LO_TEST_IMAGE_BINARY").map(PathBuf::from);
    given.filter(|path| path.is_file()).unwrap_or_else(|| {
        let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        panic!(
            "the static program is missing: `./test` builds it, and so does `cargo build --locked \
             --release --target {target}`; then let S3LO_TEST_IMAGE_BINARY=$PWD/target/{target}/release/s3lo"
        )
    })
}

/// Runs `openssl` with `arguments`; its stdout.
pub(crate) fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is missing: install it")
}
