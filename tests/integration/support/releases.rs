//! A mirror of the releases on loopback, and a copy of `setup/` that pins what it has.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use s3lo_test_servers::http::{Reply, Request, Service, Wire, listen};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The mirror, and the copy of the project that belongs to its release.
pub(crate) struct Releases {
    folder: TempDir,
    /// The URL of the mirror.
    pub(crate) mirror: String,
    state: Arc<State>,
}

struct State {
    program: Vec<u8>,
    requests: Mutex<Vec<String>>,
    faults: Mutex<VecDeque<Reply>>,
}

impl Releases {
    /// A release 1.2.3 whose program starts the one under test: a script is smaller than that.
    pub(crate) fn new() -> Self {
        Self::of(&format!(
            "#!/bin/sh\nexec '{}' \"$@\"\n",
            env!("CARGO_BIN_EXE_s3lo")
        ))
    }

    /// A release whose program is this script.
    pub(crate) fn of(program: &str) -> Self {
        let state = Arc::new(State {
            program: program.as_bytes().to_vec(),
            requests: Mutex::default(),
            faults: Mutex::default(),
        });
        let releases = Self {
            folder: TempDir::new().unwrap(),
            mirror: listen(Wire::Plain, Mirror(Arc::clone(&state))),
            state,
        };
        let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("setup");
        super::copy(&setup, &releases.setup());
        releases.pin(&releases.hash());
        releases
    }

    /// The folder of the copy.
    pub(crate) fn project(&self) -> &Path {
        self.folder.path()
    }

    /// Its `setup/`.
    pub(crate) fn setup(&self) -> PathBuf {
        self.folder.path().join("setup")
    }

    /// The SHA-256 of the program.
    pub(crate) fn hash(&self) -> String {
        let digest = Sha256::digest(&self.state.program);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Pins this SHA-256 for both architectures.
    pub(crate) fn pin(&self, hash: &str) {
        let mut text = "# A comment\n".to_owned();
        for arch in ["amd64", "arm64"] {
            text += &format!(
                "{hash}  https://github.com/s3lo/sign-action/releases/download/v1.2.3/s3lo-linux-{arch}\n"
            );
        }
        fs::write(self.setup().join("binaries"), text).unwrap();
    }

    /// Pins nothing, as a commit that is no release.
    pub(crate) fn unreleased(&self) {
        fs::write(self.setup().join("binaries"), "# Nothing\n").unwrap();
    }

    /// Answers the next request so.
    pub(crate) fn fault(&self, reply: Reply) {
        self.state.faults.lock().unwrap().push_back(reply);
    }

    /// The program's bytes.
    pub(crate) fn program(&self) -> Vec<u8> {
        self.state.program.clone()
    }

    /// The paths that were asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }
}

struct Mirror(Arc<State>);

impl Service for Mirror {
    fn answer(&self, request: &Request, _: usize) -> Reply {
        self.0.requests.lock().unwrap().push(request.path.clone());
        if let Some(fault) = self.0.faults.lock().unwrap().pop_front() {
            return fault;
        }
        if request.path.contains("/v1.2.3/s3lo-linux-") {
            Reply::Answer(200, Vec::new(), self.0.program.clone())
        } else {
            Reply::Answer(404, Vec::new(), b"Not Found".to_vec())
        }
    }
}
