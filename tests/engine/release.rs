//! The trial of a release, before anything of it is published: its programs, its package and its images.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::docker::{engine, root};
use crate::support::program::{Run, finish};
use crate::support::tools::{on_path, release_program, tool};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `sudo`, which unpacks the package into a folder on PATH instead of the system.
const SUDO: &str = "#!/bin/sh\n[ \"$1 $2\" = 'dpkg --install' ] && exec dpkg-deb --extract \"$3\" \"$HOME/root\"\n";

/// A machine on which a release is tried.
struct Machine(TempDir);

impl Machine {
    /// With what the jobs `ci` and `build` leave: the files and the layout.
    fn new() -> (Self, &'static str) {
        let machine = Self(TempDir::new().unwrap());
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            _ => "arm64",
        };
        for folder in ["bin", "files"] {
            fs::create_dir(machine.file(folder)).unwrap();
        }
        fs::write(machine.file("bin/sudo"), SUDO).unwrap();
        fs::set_permissions(machine.file("bin/sudo"), PermissionsExt::from_mode(0o755)).unwrap();
        for each in ["amd64", "arm64"] {
            let name = format!("files/s3lo-linux-{each}");
            fs::copy(release_program(), machine.file(&name)).unwrap();
        }
        machine
            .run("release/packages", &[VERSION, "files"])
            .ends_with(0);
        let program = format!("{arch}=files/s3lo-linux-{arch}");
        machine.run("image", &["layout", &program]).ends_with(0);
        (machine, arch)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Runs a script of `packaging/` in the machine's folder.
    fn run(&self, script: &str, arguments: &[&str]) -> Run {
        let own = |name: &str| self.file(name).display().to_string();
        let tools = tool("nfpm");
        let tools = tools.parent().map(Path::display).unwrap();
        let path = format!(
            "{}:{}:{tools}:/usr/sbin:/usr/bin:/bin",
            own("bin"),
            own("root/usr/bin")
        );
        let child = Command::new(root().join("packaging").join(script))
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("PATH", path)
            .env("BUSYBOX", on_path("busybox"))
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .env("DOCKER_HOST", engine().host())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        finish(child.unwrap())
    }
}

#[test]
fn a_release_is_tried_before_it_is_published() {
    let (machine, arch) = Machine::new();
    let run = machine.run("release/try", &["files", "layout", arch, VERSION]);
    let out = run.ends_with(0).out;
    for each in [
        "the program",
        "the Debian package",
        "the image",
        "the image with a shell",
    ] {
        assert!(out.contains(&format!("{each} works\n")), "{out}");
    }
    // A file that is no package.
    let deb = machine.file(&format!("files/s3lo_{VERSION}-1_{arch}.deb"));
    fs::write(deb, "no package").unwrap();
    let run = machine.run("release/try", &["files", "layout", arch, VERSION]);
    assert_ne!(run.code, Some(0));
    assert_eq!(run.out, "the program works\n");
    // Another version.
    let run = machine.run("release/try", &["files", "layout", arch, "0.0.0"]);
    let expected = "try: the program is not of version 0.0.0\n";
    assert_eq!(run.ends_with(1).err, expected);
}
