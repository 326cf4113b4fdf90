//! The images of the release: their contents, and that the program does its work there. They
//! are made as a release makes them, by `packaging/image`, but on a busybox that is not pulled.

pub(crate) mod built;
mod dockerfile;
mod jobs;
mod trust;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::json;
use tempfile::TempDir;

use self::built::{Container, Layout, REVISION, VERSION, image, made, make, make_by};
use crate::support::program::finish;
use crate::support::tools::release_program;

const PROGRAM: &str = "usr/local/bin/s3lo";
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// The most that the image without a shell takes up on disk, and that a pull of it fetches.
const MOST_UNPACKED: usize = 13_500_000;
const MOST_FETCHED: usize = 6_500_000;

#[test]
fn the_image_is_the_program_and_the_certificates_and_nothing_else() {
    let [layer] = &image("scratch").layers[..] else {
        panic!("there is more than one layer");
    };
    let mut files = layer.entries();
    files.retain(|entry| !entry.is_folder());
    let listed: Vec<_> = files
        .iter()
        .map(|file| (file.name.as_str(), file.mode.as_str(), file.owner.as_str()))
        .collect();
    assert_eq!(
        listed,
        [
            (CERTIFICATES, "-rw-r--r--", "0/0"),
            (PROGRAM, "-rwxr-xr-x", "0/0")
        ]
    );
    assert_eq!(
        layer.file(PROGRAM),
        std::fs::read(release_program()).unwrap()
    );
    // Any user can read both.
    let mut folders = layer.entries();
    folders.retain(|entry| entry.is_folder());
    assert!(
        folders
            .iter()
            .all(|folder| folder.mode == "drwxr-xr-x" && folder.owner == "0/0")
    );
}

#[test]
fn the_image_runs_the_program_as_the_user_and_in_the_folder_that_it_is_given() {
    for name in ["scratch", "shell"] {
        let config = &image(name).config;
        let run = &config["config"];
        let (entrypoint, command) = match name {
            "shell" => (json!(null), "sh"),
            _ => (json!(["/usr/local/bin/s3lo"]), "ci"),
        };
        assert_eq!(run["Entrypoint"], entrypoint, "{name}");
        assert_eq!(run["Cmd"], json!([command]), "{name}");
        for nothing in ["User", "WorkingDir", "Volumes", "ExposedPorts"] {
            assert!(
                run[nothing].is_null() || run[nothing] == "",
                "{name}: {}",
                run[nothing]
            );
        }
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        assert_eq!(run["Env"], json!([path]), "{name}");
        assert_eq!(config["os"], "linux");
        assert_eq!(config["architecture"], built::arch());
        let labels = &run["Labels"];
        assert_eq!(labels["org.opencontainers.image.title"], "s3lo sign");
        assert_eq!(
            labels["org.opencontainers.image.source"],
            env!("CARGO_PKG_REPOSITORY")
        );
        assert_eq!(
            labels["org.opencontainers.image.licenses"],
            env!("CARGO_PKG_LICENSE")
        );
        assert_eq!(labels["org.opencontainers.image.version"], VERSION);
        assert_eq!(labels["org.opencontainers.image.revision"], REVISION);
        let description = labels["org.opencontainers.image.description"]
            .as_str()
            .unwrap();
        assert!(
            description.starts_with("Signs and verifies"),
            "{description}"
        );
        // No tool puts its own name and version there, by which the digest would change.
        assert_eq!(labels.as_object().unwrap().len(), 6, "{labels}");
    }
}

#[test]
fn a_pull_is_small() {
    for name in ["scratch", "shell"] {
        let image = image(name);
        let unpacked: usize = image.layers.iter().map(|layer| layer.tar.len()).sum();
        println!(
            "{name}: {} bytes fetched, {unpacked} unpacked",
            image.fetched
        );
        if name == "scratch" {
            assert!(unpacked <= MOST_UNPACKED, "{unpacked}");
            assert!(image.fetched <= MOST_FETCHED, "{}", image.fetched);
        }
    }
}

#[test]
fn the_image_with_a_shell_carries_the_same_program_and_certificates() {
    let (scratch, shell) = (image("scratch"), image("shell"));
    let (only, last) = (&scratch.layers[0], shell.layers.last().unwrap());
    for file in [PROGRAM, CERTIFICATES] {
        assert_eq!(only.file(file), last.file(file), "{file}");
    }
    // A pull of both fetches them once.
    assert_eq!(only.digest, last.digest);
}

#[test]
fn the_image_with_a_shell_has_what_ci_systems_run_in_it() {
    let shell = Container::of("shell");
    let script = "set -e\nmkdir -p a/b && echo text >a/b/c && cat a/b/c && ls a && test -x \"$(command -v s3lo)\"\n\
                  for tool in sh cat mkdir ls rm chmod env grep sed; do command -v $tool >/dev/null; done\ns3lo -V";
    let run = finish(
        shell
            .command(&[], &[], "/tmp", &["sh", "-c", script])
            .spawn()
            .unwrap(),
    );
    let run = run.ends_with(0);
    // Jenkins waits for this one.
    let cat = shell.command(&[], &[], "/tmp", &["cat"]).spawn();
    finish(cat.unwrap()).ends_with(0);
    assert_eq!(
        run.out,
        format!("text\nb\ns3lo {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_same_program_gives_the_same_digests() {
    let again = TempDir::new().unwrap();
    // Another time, another mode, another umask: none of it is in the images.
    let copy = again.path().join("copy");
    std::fs::write(&copy, std::fs::read(release_program()).unwrap()).unwrap();
    let out = again.path().join("out");
    make(&out, &copy, "077");
    let again = Layout::at(&out);
    for name in ["scratch", "shell"] {
        assert_eq!(again.digest(name), made().layout.digest(name), "{name}");
        println!("{name}: {}", again.digest(name));
    }
}

#[test]
fn each_architecture_has_its_own_program() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::create_dir(file("packaging")).unwrap();
    std::fs::copy(root().join("packaging/image"), file("packaging/image")).unwrap();
    // The shell plays no part, and nothing can be pulled.
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let lines = dockerfile.lines().map(|line| match line {
        line if line.ends_with(" AS busybox") => "FROM scratch AS busybox",
        line => line,
    });
    let dockerfile = lines.collect::<Vec<_>>().join("\n");
    std::fs::write(file("Dockerfile"), dockerfile).unwrap();
    let mut command = Command::new(file("packaging/image"));
    command.arg(file("out"));
    for arch in ["amd64", "arm64"] {
        std::fs::write(file(arch), arch).unwrap();
        command.arg(format!("{arch}={}", file(arch).display()));
    }
    make_by(&mut command);
    for name in ["scratch", "shell"] {
        let images = Layout::at(&file("out")).images(name);
        assert_eq!(images.len(), 2, "{name}");
        for (arch, image) in images {
            assert_eq!(image.config["architecture"], arch.as_str(), "{name}");
            let program = image.layers.last().unwrap().file(PROGRAM);
            assert_eq!(program, arch.as_bytes(), "{name}");
        }
    }
}

#[test]
fn the_certificates_are_mozillas_and_each_can_be_trusted() {
    let bundle = image("scratch").layers[0].file(CERTIFICATES);
    let certificates = pem::parse_many(&bundle).unwrap();
    let mut subjects = BTreeSet::new();
    for certificate in &certificates {
        assert_eq!(certificate.tag(), "CERTIFICATE");
        let der = rustls_pki_types::CertificateDer::from(certificate.contents());
        let anchor = webpki::anchor_from_trusted_cert(&der).unwrap();
        subjects.insert(anchor.subject.to_vec());
    }
    println!("{} roots", subjects.len());
    assert!(subjects.len() > 100, "{}", subjects.len());
    // Those of the distribution, and none that were added to this machine.
    let mut known = BTreeSet::new();
    for entry in std::fs::read_dir("/usr/share/ca-certificates/mozilla").unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        known.insert(pem::parse(text).unwrap().contents().to_vec());
    }
    let bundled: BTreeSet<_> = certificates
        .into_iter()
        .map(pem::Pem::into_contents)
        .collect();
    assert_eq!(bundled, known);
}

/// The bytes of a compressed layer.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut tar).unwrap();
    tar
}

/// The project's folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
