//! Policies: the file, its verdicts, its keys in services, and the gates that obey it.

mod ci;
mod evasions;
mod explain;
mod file;
mod mistakes;
mod page;
mod services;
mod verdicts;
mod waits;

use std::fs;

use crate::support::program::{Run, Sandbox};
use crate::support::vectors;

/// The image in every sandbox.
pub(crate) const IMAGE: &str = "local://./store/myapp:v1.0";

/// The policy, below the directory in which the program runs.
pub(crate) const FILE: &str = "gate/policy.toml";

/// The keys: `NAME.key` where the program runs, and `gate/keys/NAME.pub`.
const KEYS: [(&str, &str); 4] = [
    ("ci", "p256-pkcs8"),
    ("qa", "ed25519-pkcs8"),
    ("security", "p384-pkcs8"),
    ("old", "rsa2048-pkcs8"),
];

/// A policy with all keys, and these rules.
pub(crate) fn policy(rules: &str) -> String {
    let keys = KEYS.map(|(name, _)| format!("[keys.{name}]\npublic = \"keys/{name}.pub\"\n"));
    format!("version = 1\n{}{rules}", keys.concat())
}

/// A policy whose one rule is about every image.
pub(crate) fn requires(require: &str) -> String {
    policy(&format!(
        "[[rules]]\nimages = [\"**\"]\nrequire = [{require}]\n"
    ))
}

/// A sandbox with the image, the keys, and this policy.
pub(crate) fn sandbox(policy: &str) -> Sandbox {
    let sandbox = Sandbox::with_image();
    for (name, vector) in KEYS {
        let read = |ending: &str| fs::read(vectors().join(format!("plain-keys/{vector}.{ending}")));
        sandbox.write(&format!("{name}.key"), read("key").unwrap());
        sandbox.write(&format!("gate/keys/{name}.pub"), read("pub").unwrap());
    }
    sandbox.write(FILE, policy);
    sandbox
}

/// The same, with the image signed by these keys.
pub(crate) fn signed_by(keys: &[&str], policy: &str) -> Sandbox {
    let sandbox = sandbox(policy);
    sign(&sandbox, keys);
    sandbox
}

pub(crate) fn sign(sandbox: &Sandbox, keys: &[&str]) {
    for key in keys {
        let line = format!("sign {IMAGE} --key {key}.key --schema-version 2");
        sandbox.s3lo(&line).ends_with(0);
    }
}

pub(crate) fn verify(sandbox: &Sandbox) -> Run {
    sandbox.s3lo(&format!("verify {IMAGE} --policy {FILE}"))
}

/// All that a person sees of a run.
pub(crate) fn shown(run: &Run) -> String {
    let [out, err] = [("", &run.out), ("stderr:\n", &run.err)].map(|(title, text)| {
        if text.is_empty() {
            String::new()
        } else {
            format!("{title}{text}")
        }
    });
    format!("exit {}\n{out}{err}", run.code.unwrap())
}

/// Compares with the snapshot of this name, but for what differs from run to run: times of signatures, IDs of requests,
/// ports, and the marks between which GitHub obeys no command.
#[track_caller]
pub(crate) fn matches_snapshot(name: &str, page: &str) {
    insta::with_settings!({filters => vec![
        (r"(Signed:  |signedAt\x22: \x22|Signed at \| <code>)[-:0-9TZ]+", "${1}TIME"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "REQUEST"),
        (r"http://127\.0\.0\.1:\d+", "http://SERVER"),
    ]}, {
        insta::assert_snapshot!(name, page);
    });
}
