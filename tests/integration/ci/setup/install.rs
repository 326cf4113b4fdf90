//! `setup/install`, in the shells that machines have.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use s3lo_test_servers::http::Reply;

use crate::support::files;
use crate::support::program::{Run, finish};
use crate::support::releases::Releases;
use tempfile::TempDir;

/// A machine that installs.
struct Machine {
    releases: Releases,
    home: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            releases: Releases::new(),
            home: TempDir::new().unwrap(),
        };
        // A pause between attempts takes no time.
        machine.program("sleep", "#!/bin/sh\n");
        machine
    }

    /// A program that is found before those of the system.
    fn program(&self, name: &str, script: &str) {
        let path = self.home.path().join("bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The folder that is installed into.
    fn folder(&self) -> std::path::PathBuf {
        self.home.path().join("cache")
    }

    fn by(&self, shell: &str, arguments: &[&str]) -> Run {
        let path = format!("{}:/usr/bin:/bin", self.home.path().join("bin").display());
        self.at(&path, shell, arguments)
    }

    fn at(&self, path: &str, shell: &str, arguments: &[&str]) -> Run {
        let mut words = shell.split(' ');
        let child = Command::new(words.next().unwrap())
            .args(words)
            .arg(self.releases.setup().join("install"))
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        finish(child.unwrap())
    }

    fn install(&self) -> Run {
        let folder = self.folder();
        self.by("sh", &[folder.to_str().unwrap(), &self.releases.mirror])
    }

    /// The path that `run` printed, if it is the program's.
    #[track_caller]
    fn installed(&self, run: Run) -> String {
        let run = run.ends_with(0);
        let path = run.out.strip_suffix('\n').unwrap().to_owned();
        assert!(path.contains(&self.releases.hash()), "{path}");
        assert_eq!(fs::read(&path).unwrap(), self.releases.program());
        let mode = Path::new(&path).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(run.err, "");
        // Nothing else stays.
        assert_eq!(files(&self.folder()).len(), 1);
        path
    }

    /// The error of `run`, after which nothing is there.
    #[track_caller]
    fn refused(&self, run: Run, code: &str) -> String {
        let run = run.ends_with(2);
        assert_eq!(run.out, "");
        assert!(
            run.err.starts_with(&format!("error[{code}]: ")),
            "{}",
            run.err
        );
        assert_eq!(run.err.matches("error[").count(), 1, "{}", run.err);
        assert_eq!(run.err.matches("\n  help: ").count(), 1, "{}", run.err);
        assert_eq!(files(&self.folder()), [""; 0]);
        assert!(run.err.ends_with(&format!("docs/errors.md#{code}\n")));
        run.err
    }
}

#[test]
fn a_program_is_installed_once_in_every_shell() {
    for shell in ["sh", "bash", "bash --posix", "dash", "busybox sh"] {
        let machine = Machine::new();
        let folder = machine.folder();
        let mirror = format!("{}/", machine.releases.mirror);
        let arguments = [folder.to_str().unwrap(), &mirror];
        let path = machine.installed(machine.by(shell, &arguments));
        let version = Command::new(&path).arg("--version").output().unwrap();
        assert!(version.stdout.starts_with(b"s3lo "), "{shell}");
        assert_eq!(machine.installed(machine.by(shell, &arguments)), path);
        assert_eq!(machine.releases.requests().len(), 1, "{shell}");
    }
}

#[test]
fn the_program_is_that_of_the_architecture() {
    for (machine_name, asset) in [
        ("x86_64", "amd64"),
        ("amd64", "amd64"),
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
    ] {
        let machine = Machine::new();
        let uname = format!("#!/bin/sh\n[ \"$1\" = -s ] && echo Linux || echo {machine_name}\n");
        machine.program("uname", &uname);
        machine.installed(machine.install());
        let asked = format!("/v1.2.3/s3lo-linux-{asset}");
        assert_eq!(machine.releases.requests(), [asked]);
    }
}

#[test]
fn another_machine_is_told_what_works() {
    for (system, name) in [
        ("Darwin", "arm64"),
        ("MINGW64_NT-10.0-26100", "x86_64"),
        ("Linux", "riscv64"),
    ] {
        let machine = Machine::new();
        let uname = format!("#!/bin/sh\n[ \"$1\" = -s ] && echo {system} || echo {name}\n");
        machine.program("uname", &uname);
        let error = machine.refused(machine.install(), "unsupported_platform");
        assert!(
            error.contains("help: run it on Linux, amd64 or arm64"),
            "{error}"
        );
        assert_eq!(machine.releases.requests(), [""; 0]);
    }
}

#[test]
fn a_program_that_was_changed_is_fetched_again() {
    let machine = Machine::new();
    let path = machine.installed(machine.install());
    fs::write(&path, "#!/bin/sh\necho evil\n").unwrap();
    machine.installed(machine.install());
    // One that cannot be run is as good as none.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    machine.installed(machine.install());
    assert_eq!(machine.releases.requests().len(), 3);
}

/// Another user who can write there could replace the program between the check and its start.
#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new();
    fs::create_dir_all(machine.folder()).unwrap();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(machine.folder(), open).unwrap();
    let message = machine.refused(machine.install(), "unsafe_folder");
    assert!(
        message.contains(machine.folder().to_str().unwrap()),
        "{message}"
    );
}

#[test]
fn a_file_with_another_hash_is_refused() {
    let machine = Machine::new();
    for reply in [
        Reply::Answer(200, Vec::new(), b"#!/bin/sh\necho evil\n".to_vec()),
        // The page of a proxy.
        Reply::Answer(200, Vec::new(), b"<html>Please log in</html>".to_vec()),
    ] {
        machine.releases.fault(reply);
        let error = machine.refused(machine.install(), "wrong_hash");
        assert!(error.contains(&machine.releases.hash()), "{error}");
    }
    machine.releases.pin(&"0".repeat(64));
    machine.refused(machine.install(), "wrong_hash");
    // One that is there already is not what another release pins.
    machine.releases.pin(&machine.releases.hash());
    let path = machine.installed(machine.install());
    machine.releases.pin(&"0".repeat(64));
    let run = machine.install().ends_with(2);
    assert!(run.err.starts_with("error[wrong_hash]: "), "{}", run.err);
    assert!(Path::new(&path).exists());
}

#[test]
fn a_download_that_breaks_is_tried_again() {
    let machine = Machine::new();
    for reply in [
        Reply::HangUp,
        Reply::Cut(200, Vec::new(), machine.releases.program()),
        Reply::Answer(503, Vec::new(), Vec::new()),
    ] {
        machine.releases.fault(reply);
    }
    machine.installed(machine.install());
    assert_eq!(machine.releases.requests().len(), 4);
}

#[test]
fn what_cannot_be_fetched_is_named_with_the_reason() {
    let machine = Machine::new();
    for _ in 0..4 {
        machine
            .releases
            .fault(Reply::Answer(404, Vec::new(), Vec::new()));
    }
    let error = machine.refused(machine.install(), "download_failed");
    assert!(error.contains("/v1.2.3/s3lo-linux-"), "{error}");
    assert!(error.contains("404"), "{error}");
    assert_eq!(machine.releases.requests().len(), 4);
    // A redirect is followed to servers alone, not to files.
    for _ in 0..4 {
        let to = vec![("Location".to_owned(), "file:///etc/passwd".to_owned())];
        machine.releases.fault(Reply::Answer(302, to, Vec::new()));
    }
    machine.refused(machine.install(), "download_failed");
}

#[test]
fn wget_does_where_there_is_no_curl() {
    let machine = Machine::new();
    // The one of a static busybox cannot look hosts up on every machine.
    machine.program(
        "wget",
        "#!/bin/sh\n[ \"$1 $2 $3 $4\" = '-nv -T 60 -O' ] && exec /usr/bin/curl --fail --silent --output \"$5\" \"$6\"\n",
    );
    let tools = machine.home.path().join("bin");
    let busybox = ["/bin/busybox", "/usr/bin/busybox"];
    let busybox = busybox.iter().find(|path| Path::new(path).exists());
    for name in [
        "sh",
        "uname",
        "find",
        "id",
        "sed",
        "dirname",
        "mkdir",
        "mktemp",
        "sha256sum",
        "cut",
        "chmod",
        "mv",
        "rm",
    ] {
        std::os::unix::fs::symlink(busybox.unwrap(), tools.join(name)).unwrap();
    }
    let folder = machine.folder();
    let arguments = [folder.to_str().unwrap(), machine.releases.mirror.as_str()];
    let path = tools.to_str().unwrap();
    machine.installed(machine.at(path, "/bin/sh", &arguments));
    fs::remove_file(tools.join("wget")).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let error = machine.refused(machine.at(path, "/bin/sh", &arguments), "download_failed");
    assert!(
        error.contains("neither curl nor wget is installed"),
        "{error}"
    );
}

#[test]
fn a_commit_that_is_no_release_has_nothing_to_install() {
    let machine = Machine::new();
    machine.releases.unreleased();
    machine.refused(machine.install(), "not_a_release");
    // Neither has one whose file is damaged.
    for hash in ["", "0", &"A".repeat(64), &format!("{}0", "0".repeat(64))] {
        machine.releases.pin(hash);
        machine.refused(machine.install(), "not_a_release");
    }
    assert_eq!(machine.releases.requests(), [""; 0]);
}

#[test]
fn a_wrong_argument_is_named() {
    let machine = Machine::new();
    let folder = machine.folder();
    let folder = folder.to_str().unwrap();
    for arguments in [
        &[][..],
        &[""],
        &[folder, "a", "b"],
        &[folder, "ftp://example.com"],
        &[folder, "https://"],
        &[folder, "/srv/mirror"],
        &[folder, "https://user:canary@example.com/s3lo"],
        &[folder, "https://example.com/a b"],
    ] {
        let error = machine.refused(machine.by("sh", arguments), "usage");
        assert!(!error.contains("canary"), "{error}");
    }
    fs::write(machine.home.path().join("file"), "").unwrap();
    let file = machine.home.path().join("file/folder");
    let arguments = [file.to_str().unwrap(), machine.releases.mirror.as_str()];
    let error = machine.refused(machine.by("sh", &arguments), "unwritable");
    assert!(error.contains("/file/folder"), "{error}");
}
