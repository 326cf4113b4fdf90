//! A script's step as ARC's hooks run it in the pod of a job, by the programs of the image with a shell: busybox and s3lo.
//! <https://github.com/actions/runner-container-hooks/blob/cf62bccba0d59addaf08a115f96ebcd81fb499d8/packages/k8s/src/hooks/run-script-step.ts>

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::vectors;

/// A pod whose `/` is a folder.
struct Pod(TempDir);

impl Pod {
    fn new() -> Self {
        let pod = Self(TempDir::new().unwrap());
        let bin = pod.path("bin");
        fs::create_dir(&bin).unwrap();
        let installed = Command::new("busybox")
            .args(["--install", "-s"])
            .arg(&bin)
            .status();
        assert!(installed.unwrap().success());
        let program = env!("CARGO_BIN_EXE_s3lo");
        std::os::unix::fs::symlink(program, bin.join("s3lo")).unwrap();
        pod
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs words in the pod; its absolute paths lie in the folder.
    fn exec(&self, words: &[&str], input: &[u8]) -> Output {
        let root = self.0.path().to_str().unwrap();
        let here = |word: &&str| word.replace("/__w", &format!("{root}/__w"));
        let words: Vec<_> = words.iter().map(here).collect();
        let mut child = Command::new(self.path("bin").join(&words[0]))
            .args(&words[1..])
            .env_clear()
            .env("PATH", self.path("bin"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn runs(&self, words: &[&str], input: &[u8]) -> String {
        let output = self.exec(words, input);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {err}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A folder as the hooks send it.
fn packed(folder: &Path) -> Vec<u8> {
    let output = Command::new("tar")
        .args(["cf", "-", "-C"])
        .arg(folder)
        .arg(".")
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}

const MERGE: &str = r#"set -e && mkdir -p /__w/_temp /__w/_temp_pre && SRC=/__w/_temp_pre && DST=/__w/_temp && cp -a "$SRC/_runner_file_commands/." "$DST/_runner_file_commands" && find "$SRC" -type f ! -path "*/_runner_file_commands/*" -exec sh -c '
    rel="${1#$2/}"
    target="$3/$rel"
    mkdir -p "$(dirname "$target")"
    cp -a "$1" "$target"
  ' _ {} "$SRC" "$DST" \; && rm -rf /__w/_temp_pre"#;

#[test]
fn a_step_leaves_its_outputs_in_the_shell_image() {
    let pod = Pod::new();
    // The job's workspace is there already.
    let workspace = pod.path("__w/app/app");
    crate::support::copy(&vectors().join("store-v1"), &workspace.join("store"));
    crate::support::copy(&vectors().join("keys"), &workspace.join("keys"));
    // The runner's folder.
    let runner = TempDir::new().unwrap();
    let commands = runner.path().join("_runner_file_commands");
    fs::create_dir(&commands).unwrap();
    for file in ["set_output_1", "step_summary_1"] {
        fs::write(commands.join(file), "").unwrap();
    }
    fs::write(runner.path().join("step.sh"), "s3lo ci sign\n").unwrap();
    let root = pod.0.path().to_str().unwrap().to_owned();
    let temp = format!("{root}/__w/_temp");
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_ACTION", "sign"),
        (
            "GITHUB_OUTPUT",
            &format!("{temp}/_runner_file_commands/set_output_1"),
        ),
        (
            "GITHUB_STEP_SUMMARY",
            &format!("{temp}/_runner_file_commands/step_summary_1"),
        ),
        ("S3LO_REFERENCE", "local://./store/myapp:v1.0"),
        ("S3LO_KEY", "keys/cosign.key"),
        ("S3LO_IF_SIGNED", "replace"),
        ("COSIGN_PASSWORD", "secret"),
    ];
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| format!("\"{name}={value}\""))
        .collect();
    let script = format!(
        "#!/bin/sh -l\nset -e\nrm \"$0\" # remove script after running\n\ncd {} && \\\nexec env {}  sh -e {temp}/step.sh\n",
        workspace.display(),
        variables.join(" "),
    );
    fs::write(runner.path().join("run.sh"), script).unwrap();

    let folders = "mkdir -p /__w && mkdir -p /__w/_temp && mkdir -p /__w/_temp_pre";
    pod.runs(&["sh", "-c", folders], b"");
    let unpack = "tar xf - --no-same-owner -C /__w/_temp_pre 2>/dev/null; find /__w/_temp_pre -type f -exec chmod u+rw {} \\; 2>/dev/null; find /__w/_temp_pre -type d -exec chmod u+rwx {} \\; 2>/dev/null";
    pod.runs(&["sh", "-c", unpack], &packed(runner.path()));
    let list = "cd /__w/_temp_pre && find . -type f -not -path '*/_runner_hook_responses*' -exec stat -c '%s %n' {} \\;";
    let listed = pod.runs(&["sh", "-c", list], b"");
    assert_eq!(listed.lines().count(), 4, "{listed}");
    pod.runs(&["sh", "-c", MERGE], b"");
    let log = pod.runs(&["sh", "-e", "/__w/_temp/run.sh"], b"");
    assert!(log.contains("Signed myapp:v1.0"), "{log}");
    let archive = pod.exec(
        &[
            "tar",
            "cf",
            "-",
            "-C",
            "/__w/_temp",
            "_runner_file_commands",
        ],
        b"",
    );
    assert!(archive.status.success());
    // They are the runner's again.
    let back = pod.path("back");
    fs::create_dir(&back).unwrap();
    let mut tar = Command::new("tar")
        .args(["xf", "-", "-C"])
        .arg(&back)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin
        .take()
        .unwrap()
        .write_all(&archive.stdout)
        .unwrap();
    assert!(tar.wait().unwrap().success());
    let read = |name: &str| fs::read_to_string(back.join("_runner_file_commands").join(name));
    assert!(read("set_output_1").unwrap().contains("digest<<"));
    assert!(read("step_summary_1").unwrap().starts_with("### ✅ Signed"));
}
