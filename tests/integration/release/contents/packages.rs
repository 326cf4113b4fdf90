//! The packages of a release: for Debian, RPM, Alpine and Homebrew, and for `cargo binstall`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use super::project::{Project, VERSION};
use super::stand_ins::STAND_INS;
use crate::cli::documentation::text;
use crate::release::image::built::arch;
use crate::support::program::Run;
use crate::support::tools::release_program;

/// A folder with programs of a release and the packages made of them, once for all tests.
static PACKAGES: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    packages(folder.path()).ends_with(0);
    folder
});

/// Of the release program, which is for this machine; for the other architecture a stand-in.
fn packages(folder: &Path) -> Run {
    let (_, script) = STAND_INS.iter().find(|(name, _)| *name == "s3lo").unwrap();
    for each in ["amd64", "arm64"] {
        let to = folder.join(format!("s3lo-linux-{each}"));
        match each == arch() {
            true => drop(fs::copy(release_program(), to).unwrap()),
            false => fs::write(to, script).unwrap(),
        }
    }
    let mut project = Project::new();
    project.set("SOURCE_DATE_EPOCH", "1700000000");
    project.release("packages", &[VERSION, folder.to_str().unwrap()])
}

fn package(name: &str) -> PathBuf {
    PACKAGES.path().join(name)
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {printed}"
    );
    String::from_utf8(output.stdout).unwrap()
}

const NAMES: [&str; 6] = [
    "s3lo-1.2.3-1.aarch64.rpm",
    "s3lo-1.2.3-1.x86_64.rpm",
    "s3lo_1.2.3-1_amd64.deb",
    "s3lo_1.2.3-1_arm64.deb",
    "s3lo_1.2.3-r1_aarch64.apk",
    "s3lo_1.2.3-r1_x86_64.apk",
];

#[test]
fn the_packages_are_the_same_on_every_machine_and_at_any_time() {
    let again = TempDir::new().unwrap();
    packages(again.path()).ends_with(0);
    for name in NAMES {
        let (one, other) = (fs::read(package(name)), fs::read(again.path().join(name)));
        assert!(one.unwrap() == other.unwrap(), "{name}");
    }
}

#[test]
fn the_debian_package_installs_a_program_that_runs() {
    let root = TempDir::new().unwrap();
    let root = root.path();
    for folder in ["info", "updates"] {
        fs::create_dir_all(root.join("var/lib/dpkg").join(folder)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let deb = package(&format!("s3lo_1.2.3-1_{}.deb", arch()));
    let (at, deb) = (
        format!("--root={}", root.display()),
        deb.to_str().unwrap().to_owned(),
    );
    // As any user, whose PATH may have no `sbin`.
    let forced = "--force-not-root,bad-path,script-chrootless";
    let dpkg = [forced, "--log=/dev/null", &at];
    output("dpkg", &[&dpkg[..], &["--install", &deb]].concat());

    let installed = root.join("usr/bin/s3lo");
    let runs = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        output(installed.to_str().unwrap(), &words)
    };
    let version = runs("version");
    let named = format!("s3lo {}\n", env!("CARGO_PKG_VERSION"));
    assert!(version.starts_with(&named), "{version}");
    let completions = root.join("usr/share/bash-completion/completions/s3lo");
    let completions = fs::read_to_string(completions).unwrap();
    assert_eq!(completions, runs("completions bash"));
    let page = root.join("usr/share/man/man1/s3lo-ci-sign.1.gz");
    let page = output("man", &["--local-file", page.to_str().unwrap()]);
    assert!(page.contains("Sign images"), "{page}");
    let state = output(
        "dpkg-query",
        &[
            &format!("--admindir={}/var/lib/dpkg", root.display()),
            "--show",
            "s3lo",
        ],
    );
    assert_eq!(state.trim(), "s3lo\t1.2.3-1");
    output("dpkg", &[&dpkg[..], &["--remove", "s3lo"]].concat());
    assert!(!installed.exists());
}

/// All files of a package, without its own of control.
fn files(name: &str) -> BTreeSet<String> {
    let path = package(name);
    let path = path.to_str().unwrap();
    let listed = match name.rsplit('.').next().unwrap() {
        "deb" => output(
            "sh",
            &["-c", r#"dpkg-deb --fsys-tarfile "$0" | tar --list"#, path],
        ),
        "rpm" => output("rpm", &["--query", "--list", "--package", path]),
        // An Alpine package is several archives, one after the other.
        _ => output(
            "tar",
            &["--list", "--gzip", "--ignore-zeros", "--file", path],
        ),
    };
    let names = listed
        .lines()
        .map(|line| line.trim_start_matches(['.', '/']));
    let names = names.filter(|line| line.starts_with("usr/") && !line.ends_with('/'));
    names.map(str::to_owned).collect()
}

#[test]
fn each_package_holds_the_program_its_manual_and_completions() {
    let pages = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/man")).unwrap();
    let pages: Vec<_> = pages
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(pages.len() > 5);
    for name in NAMES {
        let (zsh, license) = match name.ends_with(".deb") {
            true => ("vendor-completions", "doc/s3lo/copyright"),
            false => ("site-functions", "licenses/s3lo/LICENSE"),
        };
        let mut expected = BTreeSet::from([
            "usr/bin/s3lo".to_owned(),
            "usr/share/bash-completion/completions/s3lo".to_owned(),
            "usr/share/fish/vendor_completions.d/s3lo.fish".to_owned(),
            format!("usr/share/zsh/{zsh}/_s3lo"),
            format!("usr/share/{license}"),
        ]);
        expected.extend(
            pages
                .iter()
                .map(|page| format!("usr/share/man/man1/{page}.gz")),
        );
        assert_eq!(files(name), expected, "{name}");
    }
    // The page names those of this architecture.
    for name in [NAMES[1], NAMES[2], NAMES[5]] {
        assert!(
            text("docs/install.md").contains(&format!(" {name}`")),
            "{name}"
        );
    }
    let rpm = package(NAMES[1]);
    let query = "%{name} %{version} %{arch} %{license} %{buildhost}";
    let facts = output(
        "rpm",
        &[
            "--query",
            "--queryformat",
            query,
            "--package",
            rpm.to_str().unwrap(),
        ],
    );
    assert_eq!(facts, "s3lo 1.2.3 x86_64 Apache-2.0 s3lo");
    let apk = package(NAMES[5]);
    let script = r#"tar --extract --gzip --ignore-zeros --to-stdout --file "$0" .PKGINFO"#;
    let facts = output("sh", &["-c", script, apk.to_str().unwrap()]);
    assert!(facts.lines().all(|line| line.contains(" = ")), "{facts}");
    for line in ["pkgname = s3lo", "pkgver = 1.2.3-r1", "arch = x86_64"] {
        assert!(facts.lines().any(|it| it == line), "{facts}");
    }
}

/// As much of Homebrew as a formula of ours uses.
const HOMEBREW: &str = r##"
class Formula
  def self.cpu(name) = ENV["CPU"] == name ? yield : nil
  def self.on_intel(&block) = cpu("intel", &block)
  def self.on_arm(&block) = cpu("arm", &block)
  %i[desc homepage version license depends_on url sha256].each do |name|
    define_singleton_method(name) { |value| puts "#{name} #{value}" }
  end
  def self.test = nil
end
load ARGV[0]
"##;

#[test]
fn the_tap_gets_a_formula_that_names_the_program_of_each_architecture() {
    let project = Project::new();
    let (sums, tap) = (project.sums(), project.server("tap"));
    let brings = |version: &str| project.release("tap", &[&tap, version, &sums]);
    assert_eq!(
        brings("1.2.2").ends_with(0).out,
        "the formula is of 1.2.2\n"
    );
    assert_eq!(
        brings(VERSION).ends_with(0).out,
        "the formula is of 1.2.3\n"
    );
    let run = brings(VERSION).ends_with(0);
    assert_eq!(run.out, "the formula of 1.2.3 is there\n");
    let at = project.home().join("tap");
    let log = project.git(&format!("-C {} log --format=%s main", at.display()));
    assert_eq!(log, "s3lo 1.2.3\ns3lo 1.2.2");

    let formula = project.git(&format!("-C {} show main:Formula/s3lo.rb", at.display()));
    let file = project.home().join("s3lo.rb");
    fs::write(&file, formula + "\n").unwrap();
    for (cpu, arch, byte) in [("intel", "amd64", "1"), ("arm", "arm64", "2")] {
        let run = Command::new("ruby")
            .args(["-w", "-e", HOMEBREW, file.to_str().unwrap()])
            .env("CPU", cpu)
            .output()
            .expect("ruby is missing: `./test` installs it");
        let (out, err) = (String::from_utf8(run.stdout), String::from_utf8(run.stderr));
        let (out, err) = (out.unwrap(), err.unwrap());
        assert!(run.status.success() && err.is_empty(), "{err}");
        let url = "https://github.com/s3lo/sign-action/releases/download";
        for line in [
            format!("url {url}/v{VERSION}/s3lo-linux-{arch}"),
            format!("sha256 {}", byte.repeat(64)),
            format!("version {VERSION}"),
            "depends_on linux".to_owned(),
        ] {
            assert!(out.lines().any(|it| it == line), "{line}: {out}");
        }
    }
    fs::write(&sums, "").unwrap();
    let run = brings("1.2.4").ends_with(1);
    let expected = "names no s3lo-linux-amd64";
    assert!(run.err.contains(expected), "{}", run.err);
}

#[test]
fn cargo_binstall_finds_the_programs_of_a_release() {
    let cargo = std::env::var("CARGO").unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let arguments = [
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ];
    let arguments = [
        &arguments[..],
        &["--manifest-path", manifest.to_str().unwrap()],
    ]
    .concat();
    let metadata: Value = serde_json::from_str(&output(&cargo, &arguments)).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|it| it["name"] == "s3lo").unwrap();
    let binstall = &package["metadata"]["binstall"];
    assert_eq!(binstall["pkg-fmt"], "bin");
    for (target, arch) in [("x86_64", "amd64"), ("aarch64", "arm64")] {
        for libc in ["gnu", "musl"] {
            let url = &binstall["overrides"][format!("{target}-unknown-linux-{libc}")]["pkg-url"];
            let url = url.as_str().unwrap();
            let url = url.replace("{ repo }", package["repository"].as_str().unwrap());
            let releases = "https://github.com/s3lo/sign-action/releases/download";
            assert_eq!(
                url.replace("{ version }", VERSION),
                format!("{releases}/v{VERSION}/s3lo-linux-{arch}")
            );
        }
    }
}
